"""Tasks through a pool, a window at a time; a task whose worker dies is tried once more."""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from forcedsql.errors import ForcedSQLError
from forcedsql.runs.pools import Pool
from forcedsql.runs.process_pool import WorkerDiedError
from forcedsql.runs.worker import WORKER_DIED, ExposureTask, TaskResult, failed_task

WINDOW = 2
"""Tasks in hand for each worker: one that it does, one that waits for it."""


def run_tasks(pool: Pool, tasks: Iterable[ExposureTask]) -> Iterator[tuple[ExposureTask, TaskResult]]:
    """Yield each task with its result as they are done.

    Tasks are taken from the iterable as workers become free.  A task whose worker dies is
    done again; one whose worker dies twice has failed.

    Parameters
    ----------
    pool : Pool
    tasks : iterable of ExposureTask

    Raises
    ------
    ForcedSQLError
        If the workers cannot do tasks at all.
    """
    waiting = iter(tasks)
    in_hand: dict[Future[TaskResult], ExposureTask] = {}
    bereft: set[str] = set()
    while True:
        while len(in_hand) < WINDOW * pool.width and (task := next(waiting, None)) is not None:
            in_hand[pool.submit(task)] = task
        if not in_hand:
            return
        done, _ = wait(in_hand, return_when=FIRST_COMPLETED)
        for future in done:
            task = in_hand.pop(future)
            try:
                yield task, _result_of(future)
            except WorkerDiedError:
                if task.exposure.exposure_id in bereft:
                    yield task, failed_task(task, WORKER_DIED)
                else:
                    bereft.add(task.exposure.exposure_id)
                    in_hand[pool.submit(task)] = task


def _result_of(future: "Future[TaskResult]") -> TaskResult:
    try:
        return future.result()
    except ForcedSQLError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ForcedSQLError(f"the workers cannot work: {reason}") from error
