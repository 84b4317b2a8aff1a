"""Worker processes: what a death costs, and that none is left behind."""

import multiprocessing
import os
import sys
from concurrent.futures import Future
from threading import Event

import pytest

from forcedsql.errors import ConfigError, ForcedSQLError
from forcedsql.runs import run
from forcedsql.runs.pools import ThreadPool, open_pool, pass_on
from forcedsql.runs.worker import WORKER_DIED, measure_task
from forcedsql.runs.worker_process import end_with_parent
from tests.runs.conftest import EXPOSURES, content_hash, folder_rows, table_rows
from tests.runs.test_dispatch import make_task


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


def test_threads_that_are_abandoned_begin_nothing_more(monkeypatch):
    begun, go_on = [], Event()

    def wait(task):
        begun.append(task.exposure.exposure_id)
        go_on.wait(10.0)
        return task

    monkeypatch.setattr("forcedsql.runs.pools.measure_task", wait)
    pool = ThreadPool(1)
    first, *_ = [pool.submit(make_task(name)) for name in "abc"]
    while not begun:
        pass
    pool.abandon()
    go_on.set()
    assert first.result(10.0).exposure.exposure_id == "a"
    assert begun == ["a"]


class KilledWorker(Exception):  # noqa: N818 - Dask's own name
    """What Dask raises when workers die of a task."""


def test_what_becomes_of_a_task_on_a_cluster_is_handed_on():
    done, failed, cancelled = Future(), Future(), Future()
    done.set_exception(KilledWorker("died 4 times"))
    failed.set_exception(OSError("no route"))
    cancelled.cancel()
    heard = [Future() for _ in range(3)]
    for outcome, future in zip((done, failed, cancelled), heard, strict=True):
        pass_on(outcome, make_task("a"), future)
    result = heard[0].result(0)
    assert (result.exposure_id, result.fault, result.error) == ("a", "exposure", WORKER_DIED)
    assert str(heard[1].exception(0)) == "no route"
    assert heard[2].cancelled()


def test_a_worker_ends_when_its_parent_does(monkeypatch):
    """The sentinel of a process is readable when the process has ended; so is a closed pipe."""
    ended: list[int] = []
    monkeypatch.setattr("forcedsql.runs.worker_process.os._exit", ended.append)
    monkeypatch.setattr("forcedsql.runs.worker_process.parent_process", lambda: None)
    end_with_parent()
    assert ended == []
    reading, writing = os.pipe()
    os.close(writing)
    parent = type("Parent", (), {"sentinel": reading})
    monkeypatch.setattr("forcedsql.runs.worker_process.parent_process", parent)
    end_with_parent()
    os.close(reading)
    assert ended == [1]


def test_a_task_that_takes_too_much_memory_says_what_to_do(monkeypatch):
    def too_large(_):
        raise MemoryError

    monkeypatch.setattr("forcedsql.runs.worker._measured", too_large)
    result = measure_task(make_task("a"))
    assert (result.fault, result.rows) == ("exposure", 0)
    assert result.error == "not enough memory; use fewer --workers"
