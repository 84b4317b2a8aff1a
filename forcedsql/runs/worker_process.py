"""How a worker process begins, and how it ends with the process that started it.

Nothing heavy is imported here: the linear algebra behind NumPy reads its number of threads
from the environment when it is loaded.
"""

import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def start_worker(alive: Connection) -> None:
    """Prepare a worker process: one thread for linear algebra, deaf to Ctrl-C, no orphan.

    Parameters
    ----------
    alive : multiprocessing.connection.Connection
        Reading end of a pipe that the parent holds open as long as it wants the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent answers it
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    threading.Thread(target=_end_with, args=(alive,), daemon=True, name="forcedsql-alive").start()


def _end_with(alive: Connection) -> None:
    """Leave as soon as the pipe is closed, by the parent or by its death."""
    with suppress(EOFError, OSError):
        alive.recv_bytes()
    os._exit(1)
