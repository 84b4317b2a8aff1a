"""Worker processes, each with a pipe of its own, so that the death of one is the loss of one task.

The standard library's ProcessPoolExecutor has one pipe for the results of all workers: one
that is killed while it writes to it blocks the others, and the parent, for good.
"""

import os
import signal
import threading
from concurrent.futures import Future
from multiprocessing import get_context
from queue import SimpleQueue

from forcedsql.errors import ForcedSQLError
from forcedsql.native import thread_limit
from forcedsql.runs.worker import ExposureTask, TaskResult
from forcedsql.runs.worker_process import serve


class WorkerDiedError(ForcedSQLError):
    """A worker ended before its task did."""


class ProcessPool:
    """Processes of this machine, which end with this one however it ends.

    Each has a thread here that hands it tasks and waits for its results.

    Parameters
    ----------
    width : int
        How many.  Together they use as many threads as this process might.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.threads: int | None = max(1, thread_limit() // width)
        self._queue: SimpleQueue[tuple[Future[TaskResult], ExposureTask] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._alive: set[_Worker] = set()
        self._abandoned = False
        self._minders = [
            threading.Thread(target=self._mind, name=f"forcedsql-worker-{number}", daemon=True)
            for number in range(width)
        ]
        for minder in self._minders:
            minder.start()

    def submit(self, task: ExposureTask) -> "Future[TaskResult]":
        """Have a task done; its future raises `WorkerDiedError` if its worker dies."""
        future: Future[TaskResult] = Future()
        self._queue.put((future, task))
        return future

    def close(self) -> None:
        """End, all tasks being done."""
        for _ in self._minders:
            self._queue.put(None)
        for minder in self._minders:
            minder.join()

    def abandon(self) -> None:
        """Kill the workers, whatever they are doing."""
        with self._lock:
            self._abandoned = True
            for worker in self._alive:
                worker.process.kill()
        for _ in self._minders:
            self._queue.put(None)

    def _mind(self) -> None:
        if os.name == "posix":
            # What is started from this thread inherits that it does not hear Ctrl-C.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker: _Worker | None = None
        while (item := self._queue.get()) is not None and not self._abandoned:
            future, task = item
            try:
                worker = worker or self._started()
                future.set_result(worker.do(task))
            except Exception as error:  # noqa: BLE001 - it is the future's to raise
                if worker is not None:
                    self._end(worker)
                    worker = None
                future.set_exception(error)
        if worker is not None:
            self._end(worker)

    def _started(self) -> "_Worker":
        worker = _Worker()
        with self._lock:
            if self._abandoned:
                raise WorkerDiedError("the run was abandoned")
            worker.process.start()
            self._alive.add(worker)
        try:
            worker.greet()
        except BaseException:
            self._end(worker)
            raise
        return worker

    def _end(self, worker: "_Worker") -> None:
        worker.connection.close()
        worker.process.join()
        with self._lock:
            self._alive.discard(worker)


class _Worker:
    """One process and this end of its pipe."""

    def __init__(self) -> None:
        context = get_context("spawn")  # a copy of this process would have DuckDB's locks without its threads
        self.connection, self._theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(self._theirs,), daemon=True)

    def greet(self) -> None:
        """Wait until the process can take tasks.

        Raises
        ------
        ForcedSQLError
            If it ends instead.
        """
        self._theirs.close()  # else the end of the process would not be the end of the pipe
        try:
            self.connection.recv()
        except (EOFError, OSError) as error:
            raise ForcedSQLError(
                "a worker process ended as soon as it began; a script that starts a run needs "
                "if __name__ == '__main__':, or executor='thread'"
            ) from error

    def do(self, task: ExposureTask) -> TaskResult:
        """Have a task done.

        Raises
        ------
        WorkerDiedError
            If the process ends before the task does.
        """
        try:
            self.connection.send(task)
            result: TaskResult = self.connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerDiedError("the worker died") from error
        return result
