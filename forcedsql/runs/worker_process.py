"""A worker process: how it begins, does tasks one after the other, and ends.

Nothing heavy is imported here: the linear algebra behind NumPy reads its number of threads
from the environment when it is loaded.
"""

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

READY = "ready"
"""What a worker says when it can take tasks."""


def serve(connection: Connection) -> None:
    """Do the tasks that come over a connection until it is closed, or the parent dies.

    Linear algebra has one thread, and Ctrl-C is the parent's affair: a terminal sends it to
    every process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    threading.Thread(target=end_with_parent, daemon=True, name="forcedsql-parent").start()
    from forcedsql.runs.worker import measure_task  # noqa: PLC0415 - loads NumPy

    try:
        connection.send(READY)
        while True:
            connection.send(measure_task(connection.recv()))
    except (EOFError, OSError):
        return  # the parent has closed the connection, or is gone


def end_with_parent() -> None:
    """Wait for the parent's end, and end this process then, whatever it is doing."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
