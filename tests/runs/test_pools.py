"""Worker processes: what a death costs, and that none is left behind."""

import multiprocessing
import os
import sys

import pytest

from forcedsql.errors import ConfigError, ForcedSQLError
from forcedsql.runs import run
from forcedsql.runs.pools import open_pool
from tests.runs.conftest import EXPOSURES, content_hash, folder_rows, table_rows


class KillsOneWorker:
    """Kills a worker process when the first exposure is done."""

    killed = False

    def planned(self, exposures, rows):
        pass

    def finished(self, exposure_id, rows, error):
        if not self.killed:
            multiprocessing.active_children()[0].kill()
            self.killed = True


def test_two_processes_give_the_rows_of_four_threads_even_if_one_dies(con, tmp_path):
    killer = KillsOneWorker()
    report = run(con, "object", out=tmp_path / "out", workers=2, watcher=killer)
    assert killer.killed
    assert (report.measured, report.failed) == (EXPOSURES, {})
    run(con, "object", executor="thread", workers=4)
    assert content_hash(folder_rows(tmp_path / "out")) == content_hash(table_rows(con))
    assert multiprocessing.active_children() == []


def test_a_worker_that_cannot_begin_ends_the_run(con, monkeypatch):
    monkeypatch.setattr("forcedsql.runs.process_pool.serve", os.getpid)  # takes no connection, so it fails
    with pytest.raises(ForcedSQLError, match="ended as soon as it began"):
        run(con, "object", workers=1)
    assert con.execute("SELECT status FROM measurement_run").fetchall() == [("failed",)]


@pytest.mark.parametrize(
    ("executor", "workers", "reason"),
    [
        ("processes", 1, "is not one of process, thread, dask://ADDRESS"),
        ("process", 0, "workers: 0 is not a number from 1"),
    ],
)
def test_a_pool_that_there_is_not_is_refused(executor, workers, reason):
    with pytest.raises(ConfigError, match=reason):
        open_pool(executor, workers)


def test_dask_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'forcedsql\[dask\]'"):
        open_pool("dask://localhost:1", None)
