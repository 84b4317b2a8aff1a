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

CASE_SECONDS = 8.0
"""A contestant whose turns would take longer than this together gets fewer of them."""

FEWEST = 1000
"""Positions that are timed whatever they take."""

_PILOTS = (20, 100, 1000)
_LONG_PILOT = 2.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long some work took.

    Parameters
    ----------
    count : int
        Positions, or exposures, in each turn.
    seconds : tuple of float
        Wall clock of each turn.
    cpu_seconds : tuple of float
        Time of all processors in each turn: with one thread, less than the wall clock where
        something else was running.
    """

    count: int
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]

    @property
    def us_each(self) -> float:
        """Microseconds of wall clock per position or exposure, of the median turn."""
        return 1e6 * statistics.median(self.seconds) / self.count


def interleaved(
    prepared: Mapping[str, Callable[[], Callable[[], object]]], turns: Mapping[str, "Turns"]
) -> dict[str, Timing]:
    """Let all contestants take turns, one after the other in each round.

    Parameters
    ----------
    prepared : mapping of str to callable
        Does what is not timed, and returns the work.
    turns : mapping of str to Turns
        Of each contestant.
    """
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in prepared}
    for round_ in range(max((each.rounds for each in turns.values()), default=0)):
        for name, prepare in prepared.items():
            if round_ < turns[name].rounds:
                work = prepare()
                start, cpu_start = time.perf_counter(), time.process_time()
                work()
                spent[name].append((time.perf_counter() - start, time.process_time() - cpu_start))
    return {
        name: Timing(turns[name].count, tuple(wall for wall, _ in pairs), tuple(cpu for _, cpu in pairs))
        for name, pairs in spent.items()
    }


@dataclass(frozen=True, slots=True)
class Turns:
    """How many positions a contestant measures in a turn, and how many turns it has."""

    count: int
    rounds: int


def affordable_turns(contestant: Contestant, catalogue: Catalogue, count: int, rounds: int) -> Turns:
    """Return what a contestant's time affords of ``count`` positions and ``rounds``; it warms up, too.

    Fewer positions than all are `FEWEST`, or 1, 2 or 5 times a power of ten.  Costs are taken
    as a straight line through those of two numbers of positions, for some have a large part
    that comes once.
    """
    few, some, many = (min(count, pilot) for pilot in _PILOTS)
    _seconds(contestant, catalogue, few)
    line = _Line(few, _seconds(contestant, catalogue, few), some, _seconds(contestant, catalogue, some))
    if some < many and line.seconds(count) > contestant.turn_seconds and line.seconds(many) < _LONG_PILOT:
        line = _Line(some, line.seconds(some), many, _seconds(contestant, catalogue, many))
    timed = count
    if line.seconds(count) > contestant.turn_seconds:
        steps = (step * 10**power for power in range(8) for step in (1, 2, 5))
        affordable = [n for n in steps if n <= count and line.seconds(n) <= contestant.turn_seconds]
        timed = max([min(FEWEST, count), *affordable])
    fitting = int(CASE_SECONDS / max(line.seconds(timed), 1e-6))
    return Turns(timed, 1 if contestant.one_round else max(1, min(rounds, fitting)))


@dataclass(frozen=True, slots=True)
class _Line:
    """A cost in seconds that grows evenly with the number of positions, known at two numbers."""

    low: int
    low_seconds: float
    high: int
    high_seconds: float

    def seconds(self, count: int) -> float:
        if self.high == self.low:
            return self.high_seconds
        slope = max(0.0, (self.high_seconds - self.low_seconds) / (self.high - self.low))
        return self.high_seconds + slope * (count - self.high)


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
