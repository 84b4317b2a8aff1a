"""Tasks through a pool whose workers die."""

from concurrent.futures import Future

import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ForcedSQLError
from forcedsql.exposure_file import RegisteredExposure
from forcedsql.runs.dispatch import WINDOW, run_tasks
from forcedsql.runs.process_pool import WorkerDiedError
from forcedsql.runs.stored_result import Fingerprint
from forcedsql.runs.worker import ExposureTask, TaskResult


def make_task(name: str) -> ExposureTask:
    return ExposureTask(
        run_id="r",
        catalog="",
        exposure=RegisteredExposure(name, "", 0, 0, ""),
        layout="",
        positions=pa.table({}),
        config=MeasurementConfig(),
        fingerprint=Fingerprint("", "", ""),
        folder=None,
        threads=None,
    )


class FragilePool:
    """Does tasks as soon as they are handed out; the workers of deadly ones die, `deaths` times in all."""

    width = 2
    threads = None

    def __init__(self, deadly=(), deaths=99):
        self.deadly, self.deaths = set(deadly), deaths
        self.most = self.held = 0

    def submit(self, task):
        future: Future[TaskResult] = Future()
        name = task.exposure.exposure_id
        self.held += 1
        self.most = max(self.most, self.held)
        if name in self.deadly and self.deaths:
            self.deaths -= 1
            self.held -= 1
            future.set_exception(WorkerDiedError())
        else:
            future.set_result(TaskResult(exposure_id=name, started=0, ended=1, rows=1))
        return future


def results_of(pool, count=10):
    results = {}
    for task, result in run_tasks(pool, map(make_task, map(str, range(count)))):
        pool.held -= not result.fault
        name = task.exposure.exposure_id
        assert name == result.exposure_id
        assert name not in results
        results[name] = result
    assert set(results) == set(map(str, range(count)))
    return results


def test_every_task_has_one_result():
    pool = FragilePool()
    assert all(not result.fault for result in results_of(pool).values())
    assert pool.most <= WINDOW * pool.width


def test_no_task_is_no_result():
    assert list(run_tasks(FragilePool(), [])) == []


@pytest.mark.parametrize("deadly", ["0", "4", "9"])
def test_a_task_whose_worker_dies_once_is_done_again(deadly):
    assert all(not result.fault for result in results_of(FragilePool([deadly], deaths=1)).values())


@pytest.mark.parametrize("deadly", [["0"], ["9"], ["3", "4"], ["0", "1", "2", "3", "4"]])
def test_tasks_that_kill_their_workers_fail_and_no_other(deadly):
    results = results_of(FragilePool(deadly))
    assert sorted(name for name, result in results.items() if result.fault) == deadly
    assert all("died" in results[name].error for name in deadly)


def test_a_pool_that_cannot_work_at_all_ends_the_run():
    class Useless(FragilePool):
        def submit(self, task):
            future: Future[TaskResult] = Future()
            future.set_exception(ModuleNotFoundError("No module named 'forcedsql'"))
            return future

    with pytest.raises(ForcedSQLError, match="workers cannot work: ModuleNotFoundError"):
        list(run_tasks(Useless(), [make_task("a")]))
