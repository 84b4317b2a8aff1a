"""A worker that fails at its second case, for tests of the harness; it loads nothing that takes long."""

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fuzz.outcome import CRASH, FINE, HANG, MEMORY, Outcome


def fail(connection: Connection, _folder: Path, _shared: Path | None, _run: int, kind: str) -> None:
    """Answer as `tests.fuzz.worker.work` does; `kind` is what goes wrong."""
    connection.send(1)
    while True:
        try:
            number = connection.recv()
        except EOFError:
            return
        connection.send(("fits", "planes"))
        if number == 1 and kind == CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        if number == 1 and kind == HANG:
            time.sleep(600.0)
        nbytes = 2 << 30 if number == 1 and kind == MEMORY else 0
        connection.send(Outcome(number, "fits", "planes", FINE, nbytes=nbytes))
