"""Worker processes: what a death costs, and that none is left behind."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import time

import pytest

from forcedsql.errors import ConfigError, ForcedSQLError
from forcedsql.runs import run
from forcedsql.runs.pools import open_pool
from tests.runs.conftest import EXPOSURES, content_hash, table_rows


class KillsOneWorker:
    """Kills a worker process when the first exposure is done."""

    killed = False

    def planned(self, exposures, rows):
        pass

    def finished(self, exposure_id, rows, error):
        if not self.killed:
            multiprocessing.active_children()[0].kill()
            self.killed = True


def test_the_death_of_a_worker_costs_no_row(con):
    killer = KillsOneWorker()
    report = run(con, "object", into="measured", workers=2, watcher=killer)
    assert killer.killed
    assert (report.measured, report.failed) == (EXPOSURES, {})
    run(con, "object", into="expected", executor="thread")
    assert content_hash(table_rows(con, "measured")) == content_hash(table_rows(con, "expected"))
    assert multiprocessing.active_children() == []


def test_a_worker_that_cannot_begin_ends_the_run(con, monkeypatch):
    monkeypatch.setattr("forcedsql.runs.process_pool.serve", os.getpid)  # takes no connection, so it fails
    with pytest.raises(ForcedSQLError, match="ended as soon as it began"):
        run(con, "object", workers=1)
    assert con.execute("SELECT status FROM measurement_run").fetchall() == [("failed",)]


def test_workers_end_with_the_process_that_started_them(tmp_path):
    code = """
        import multiprocessing, os, signal, time
        from forcedsql.runs.process_pool import ProcessPool
        if __name__ == "__main__":
            pool = ProcessPool(1)
            pool.submit(None)
            while not multiprocessing.active_children():
                time.sleep(0.01)
            print(multiprocessing.active_children()[0].pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(code))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, env=environment, check=False)
    worker = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker lives on without its parent")


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
