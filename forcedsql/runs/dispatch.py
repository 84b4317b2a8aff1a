"""Tasks through a pool, a window at a time; a task that kills its worker is found out."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait

from forcedsql.errors import ForcedSQLError
from forcedsql.runs.pools import Pool
from forcedsql.runs.worker import WORKER_DIED, ExposureTask, TaskResult, failed_task

WINDOW = 2
"""Tasks in hand for each worker: one that it does, one that waits for it."""


def run_tasks(pool: Pool, tasks: Iterable[ExposureTask]) -> Iterator[tuple[ExposureTask, TaskResult]]:
    """Yield each task with its result as they are done.

    Tasks are taken from the iterable as workers become free.  When a worker dies, the tasks
    in hand are done once more, one at a time: the one that kills its worker again has failed.

    Parameters
    ----------
    pool : Pool
    tasks : iterable of ExposureTask

    Raises
    ------
    ForcedSQLError
        If the pool cannot do tasks at all.
    """
    return _Dispatch(pool, iter(tasks)).results()


class _Dispatch:
    def __init__(self, pool: Pool, tasks: Iterator[ExposureTask]) -> None:
        self._pool = pool
        self._tasks = tasks
        self._in_hand: dict[Future[TaskResult], ExposureTask] = {}
        self._suspects: deque[ExposureTask] = deque()
        self._suspected: set[str] = set()

    def results(self) -> Iterator[tuple[ExposureTask, TaskResult]]:
        while self._hand_out():
            done, _ = wait(self._in_hand, return_when=FIRST_COMPLETED)
            for future in done:
                result = _result_of(future)
                if result is None:
                    yield from self._recover()
                    break
                yield self._in_hand.pop(future), result

    def _hand_out(self) -> bool:
        """Hand tasks to the workers, a suspect one alone; tell if any is in hand."""
        if self._suspects:
            self._submit(self._suspects.popleft())
        else:
            while not self._suspects and len(self._in_hand) < WINDOW * self._pool.width:
                task = next(self._tasks, None)
                if task is None:
                    break
                self._submit(task)
        return bool(self._in_hand)

    def _submit(self, task: ExposureTask) -> None:
        try:
            future = self._pool.submit(task)
        except BrokenExecutor:
            if self._in_hand:  # they are lost too, and it waits for its turn among them
                self._suspects.append(task)
                return
            self._pool.renew()
            future = self._pool.submit(task)
        self._in_hand[future] = task

    def _recover(self) -> Iterator[tuple[ExposureTask, TaskResult]]:
        """Yield what is done of a broken pool's tasks, and keep the others for a second try."""
        wait(self._in_hand)
        held, self._in_hand = self._in_hand, {}
        self._pool.renew()
        for future, task in held.items():
            result = _result_of(future)
            if result is not None:
                yield task, result
            elif task.exposure.exposure_id in self._suspected:
                yield task, failed_task(task, WORKER_DIED)
            else:
                self._suspected.add(task.exposure.exposure_id)
                self._suspects.append(task)


def _result_of(future: "Future[TaskResult]") -> TaskResult | None:
    """Return a result; None if its worker died and the pool with it."""
    try:
        return future.result()
    except BrokenExecutor:
        return None
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ForcedSQLError(f"the workers cannot work: {reason}") from error
