"""Runs cases in a worker, and starts another one where a file was too much for it."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.fuzz.outcome import CRASH, FINE, HANG, MEMORY, REFUSED, Outcome

SECONDS = 5.0
"""Processor time that one use of a file may take."""

WALL_SECONDS = 300.0
"""Time on the clock after which a worker is taken for stuck, on a machine that others use too."""

NBYTES = 1 << 30
"""Memory that one use of a file may take; no seed is larger than 3 MB."""

_STEPS = 5
_CASES_PER_WORKER = 4000
_POLL_SECONDS = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")


class Harness:
    """One worker at a time, restarted when it is gone.

    Parameters
    ----------
    folder : Path
        Where the worker writes its files.
    shared : Path or None
        Folder of real files.
    run : int
        The run's seed.
    kind : str
        Kind of all files, "" for a mixture.
    work : callable
        What runs in the worker: `tests.fuzz.worker.work`.
    """

    def __init__(
        self, folder: Path, shared: Path | None, run: int, kind: str = "", *, work: Callable[..., None]
    ) -> None:
        self._work = work
        self._arguments = folder, shared, run, kind
        self._process: Any = None
        self._connection: Any = None
        self._answered = 0
        self.seeds = 0

    def outcomes(self, numbers: Iterable[int]) -> Iterator[Outcome]:
        """Yield what became of each case."""
        try:
            for number in numbers:
                yield self._outcome(number)
        finally:
            self._stop()

    def _outcome(self, number: int) -> Outcome:
        if self._process is None or self._answered >= _CASES_PER_WORKER:
            self._start()
        which = ("", "")
        try:
            self._connection.send(number)
            if self._wait() is not None:
                raise RuntimeError(f"case {number} is not made")
            which = self._connection.recv()
            outcome = self._answer(number, which)
        except (EOFError, OSError):
            self._process.join()
            code = -(self._process.exitcode or 0)
            self._stop()
            name = signal.Signals(code).name if code > 0 else f"exit {-code}"
            return Outcome(number, *which, CRASH, name)
        self._answered += 1
        if outcome.outcome in (FINE, REFUSED) and outcome.nbytes > NBYTES:
            return _with(outcome, MEMORY, f"{outcome.nbytes >> 20} MB")
        if outcome.outcome in (FINE, REFUSED) and outcome.seconds > SECONDS:
            return _with(outcome, HANG, f"{outcome.seconds:.1f} s")
        return outcome

    def _answer(self, number: int, which: tuple[str, str]) -> Outcome:
        used = self._wait()
        if used is not None:
            self._stop()
            return Outcome(number, *which, HANG, "stopped", f"after {used:.1f} s", used)
        outcome: Outcome = self._connection.recv()
        return outcome

    def _wait(self) -> float | None:
        """Wait for something to receive; give up with the processor time that was used for nothing."""
        before, start = self._processor_seconds(), time.monotonic()
        while not self._connection.poll(_POLL_SECONDS):
            used = self._processor_seconds() - before
            if used > _STEPS * SECONDS or time.monotonic() - start > WALL_SECONDS:
                return used
        return None

    def _processor_seconds(self) -> float:
        with suppress(OSError):
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="latin-1")
            user, system = stat.rpartition(")")[2].split()[11:13]
            return (int(user) + int(system)) / _TICKS
        return 0.0

    def _start(self) -> None:
        self._stop()
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=self._work, args=(other, *self._arguments), daemon=True)
        self._process.start()
        other.close()
        self.seeds = self._connection.recv()
        self._answered = 0

    def _stop(self) -> None:
        if self._process is None:
            return
        self._connection.close()
        self._process.kill()
        self._process.join()
        self._process = None


def _with(outcome: Outcome, kind: str, message: str) -> Outcome:
    fields = (outcome.number, outcome.kind, outcome.seed, kind, outcome.error, message)
    return Outcome(*fields, outcome.seconds, outcome.nbytes)
