"""Where tasks run: worker processes, threads of this process, or a Dask cluster."""

import threading
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from forcedsql.errors import ConfigError, ForcedSQLError
from forcedsql.native import thread_limit
from forcedsql.runs.process_pool import ProcessPool
from forcedsql.runs.worker import WORKER_DIED, ExposureTask, TaskResult, failed_task, measure_task

if TYPE_CHECKING:
    from collections.abc import Callable

DASK = "dask://"

PATIENCE = "10s"
"""How long a Dask scheduler may take to answer."""


class Pool(Protocol):
    """Workers, as a run sees them."""

    @property
    def width(self) -> int:
        """Tasks that run at a time."""

    @property
    def threads(self) -> int | None:
        """Threads of the C kernel that each task may use; None leaves them as they are."""

    def submit(self, task: ExposureTask) -> "Future[TaskResult]":
        """Have a task done; its future raises `WorkerDiedError` if its worker dies."""

    def close(self) -> None:
        """End, all tasks being done."""

    def abandon(self) -> None:
        """End at once, whatever is being done."""


def open_pool(executor: str, workers: int | None) -> Pool:
    """Return the workers that a run asks for.

    Parameters
    ----------
    executor : str
        ``process``, ``thread`` or ``dask://ADDRESS``.
    workers : int, optional
        As many as `forcedsql.native.thread_limit` says, or as the cluster has, where not given.

    Raises
    ------
    ConfigError
        If there is no such executor, or Dask is not installed.
    ForcedSQLError
        If the cluster does not answer.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers: {workers} is not a number from 1")
    if executor.startswith(DASK):
        return DaskPool(executor.removeprefix(DASK), workers)
    kinds: dict[str, Callable[[int], Pool]] = {"process": ProcessPool, "thread": ThreadPool}
    if executor not in kinds:
        raise ConfigError(f"executor: {executor!r} is not one of process, thread, dask://ADDRESS")
    return kinds[executor](workers or thread_limit())


class ThreadPool:
    """Threads of this process.

    They are daemons, because a thread cannot be stopped: Ctrl-C would have to wait for it.

    Parameters
    ----------
    width : int
        How many.  They share the threads of the C kernel.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.threads: int | None = None
        self._queue: SimpleQueue[tuple[Future[TaskResult], ExposureTask] | None] = SimpleQueue()
        for number in range(width):
            threading.Thread(target=self._work, name=f"forcedsql-run-{number}", daemon=True).start()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            future, task = item
            future.set_result(measure_task(task))

    def submit(self, task: ExposureTask) -> "Future[TaskResult]":
        """See `Pool`."""
        future: Future[TaskResult] = Future()
        self._queue.put((future, task))
        return future

    def close(self) -> None:
        """See `Pool`."""
        for _ in range(self.width):
            self._queue.put(None)

    def abandon(self) -> None:
        """See `Pool`; what a thread is measuring it finishes in the background."""
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
        self.close()


class DaskPool:
    """Workers of a Dask cluster, over its `concurrent.futures.Executor`.

    Each needs forcedsql installed, and sees the files under the same paths as this machine.
    A worker that dies is made up for by Dask.

    Parameters
    ----------
    address : str
        Of the scheduler: ``tcp://HOST:PORT``, or ``HOST:PORT``.
    width : int, optional
        Tasks at a time; as many as the cluster has threads where not given.

    Raises
    ------
    ConfigError
        If Dask is not installed.
    ForcedSQLError
        If the scheduler does not answer, or has no workers.
    """

    threads: int | None = 1

    def __init__(self, address: str, width: int | None) -> None:
        try:
            from distributed import Client  # noqa: PLC0415 - an optional extra, slow to load
        except ImportError as error:
            raise ConfigError(
                "executor: dask.distributed is not installed; pip install 'forcedsql[dask]'"
            ) from error
        address = address if "://" in address else f"tcp://{address}"
        try:
            self._client: Any = Client(address, set_as_default=False, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise ForcedSQLError(f"no Dask scheduler answers at {address}: {error}") from error
        slots = sum(self._client.nthreads().values())
        if not slots:
            self._client.close()
            raise ForcedSQLError(f"the Dask cluster at {address} has no workers")
        self.width = width or slots
        self._executor: Executor = self._client.get_executor(pure=False)

    def submit(self, task: ExposureTask) -> "Future[TaskResult]":
        """See `Pool`."""
        future: Future[TaskResult] = Future()
        at_work = self._executor.submit(measure_task, task)
        at_work.add_done_callback(lambda done: pass_on(done, task, future))
        return future

    def close(self) -> None:
        """See `Pool`."""
        self._executor.shutdown()
        self._client.close()

    def abandon(self) -> None:
        """See `Pool`; what a worker is measuring it finishes, and no one hears of it."""
        for let_go in (lambda: self._executor.shutdown(wait=False), lambda: self._client.close(timeout=0.5)):
            with suppress(Exception):  # whatever is wrong with the cluster, this end lets go of it
                let_go()


def pass_on(done: "Future[TaskResult]", task: ExposureTask, future: "Future[TaskResult]") -> None:
    """Hand on what Dask says of a task; one that killed several workers has failed."""
    if done.cancelled():
        future.cancel()
    elif (error := done.exception()) is None:
        future.set_result(done.result())
    elif type(error).__name__ == "KilledWorker":
        future.set_result(failed_task(task, WORKER_DIED))
    else:
        future.set_exception(error)
