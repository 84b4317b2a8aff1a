"""Interleaved timing: the machine's mood falls on every contestant alike."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

from forcedsql.bench.catalogue import Catalogue
from forcedsql.bench.contestants import Contestant
from forcedsql.native import limit_threads

TURN_SECONDS = 6.0
"""Where a turn with all positions would take longer, fewer are timed, and the table says how many."""

_PILOT = 100
_LONG_PILOT = 1000
_LONG_PILOT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Timing:
    """How long some work took.

    Parameters
    ----------
    count : int
        Positions, or exposures, in each turn.
    seconds : tuple of float
        Wall clock of each turn.
    """

    count: int
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds of the middle turn."""
        return statistics.median(self.seconds)

    @property
    def us_each(self) -> float:
        """Microseconds per position or exposure."""
        return 1e6 * self.median / self.count


def interleaved(
    prepared: Mapping[str, Callable[[], Callable[[], object]]],
    rounds: Mapping[str, int],
    after_turn: Callable[[], None] = lambda: None,
) -> dict[str, tuple[float, ...]]:
    """Let all contestants take turns, and return the seconds of each turn of each.

    Parameters
    ----------
    prepared : mapping of str to callable
        Does what is not timed, and returns the work.
    rounds : mapping of str to int
        How many turns each has.
    after_turn : callable
        Called after each turn.
    """
    seconds: dict[str, list[float]] = {name: [] for name in prepared}
    for turn in range(max(rounds.values(), default=0)):
        for name, prepare in prepared.items():
            if turn < rounds[name]:
                work = prepare()
                start = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - start)
                after_turn()
    return {name: tuple(times) for name, times in seconds.items()}


def affordable_count(contestant: Contestant, catalogue: Catalogue, count: int) -> int:
    """Return how many of ``count`` positions a turn of `TURN_SECONDS` affords; this also warms up.

    Less than all is 1, 2 or 5 times a power of ten.
    """
    tried = min(count, _PILOT)
    seconds = _seconds(contestant, catalogue, tried)
    if count > _PILOT and seconds * (_LONG_PILOT / _PILOT) < _LONG_PILOT_SECONDS:
        tried = min(count, _LONG_PILOT)
        seconds = _seconds(contestant, catalogue, tried)
    if seconds / tried * count <= TURN_SECONDS:
        return count
    affordable = TURN_SECONDS / (seconds / tried)
    steps = (step * 10**power for power in range(8) for step in (1, 2, 5))
    return max((n for n in steps if n <= affordable), default=1)


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let the native kernel, and BLAS where threadpoolctl is installed, use so many threads."""
    limit_threads(count)
    try:
        with _blas_limited(count):
            yield
    finally:
        limit_threads(None)


def blas_can_be_limited() -> bool:
    """Tell whether threadpoolctl is installed; without it NumPy's products take all threads."""
    try:
        import_module("threadpoolctl")
    except ImportError:
        return False
    return True


@contextmanager
def _blas_limited(count: int) -> Iterator[None]:
    if not blas_can_be_limited():
        yield
        return
    with import_module("threadpoolctl").threadpool_limits(count):
        yield


def _seconds(contestant: Contestant, catalogue: Catalogue, count: int) -> float:
    work = contestant.prepare(catalogue, count)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
