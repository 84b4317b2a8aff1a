"""Where the time of a measurement goes: seconds by phase, collected where somebody asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

READING, PSF, WRITING = "reading", "psf", "writing"
"""Phases that are told apart; what is left of a measurement is measuring."""

_seconds: ContextVar[dict[str, float] | None] = ContextVar("forcedsql_phases", default=None)


@contextmanager
def collect_phases() -> Iterator[dict[str, float]]:
    """Yield a mapping that gets the seconds of every phase in the body, of this thread alone."""
    seconds: dict[str, float] = {}
    token = _seconds.set(seconds)
    try:
        yield seconds
    finally:
        _seconds.reset(token)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Count the body's seconds to a phase, if anyone collects them.  Phases may not be nested."""
    seconds = _seconds.get()
    if seconds is None:
        yield
        return
    start = perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + perf_counter() - start
