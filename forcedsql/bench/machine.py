"""The machine: its name, and what one of its cores can do."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from forcedsql.bench.timing import limited_threads

_STREAM_ELEMENTS = 1 << 23
_MATRIX = 1024
_REPEATS = 5
_PACKAGES = ("forcedsql", "numpy", "duckdb", "sep", "photutils", "astropy")


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured on, and its limits with one thread.

    Parameters
    ----------
    processor, system : str
    cores : int
        That this process may use.
    load : float
        Of the last minute; NaN where unknown.
    versions : dict of str to str
        Of packages; "" for those that are not installed.
    gigabytes_per_second : float
        That a + b into a third array moves, all of them larger than the caches.
    gigaflops : float
        Of a product of double-precision matrices.
    """

    processor: str
    system: str
    cores: int
    load: float
    versions: dict[str, str]
    gigabytes_per_second: float
    gigaflops: float

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.system}; one thread moves "
            f"{self.gigabytes_per_second:.1f} GB/s and does {self.gigaflops:.0f} GFLOP/s; "
            f"load {self.load:.1f}"
        )


def usable_cores() -> int:
    """Return how many processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> Machine:
    """Name this machine and measure its limits, in a second."""
    with limited_threads(1):
        stream, product = _stream_rate(), _product_rate()
    return Machine(
        processor=_processor(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        cores=usable_cores(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        versions={name: _version(name) for name in _PACKAGES},
        gigabytes_per_second=stream,
        gigaflops=product,
    )


def _stream_rate() -> float:
    a, b, total = (np.full(_STREAM_ELEMENTS, value) for value in (1.0, 2.0, 0.0))
    return 3 * a.nbytes / 1e9 / _best_seconds(lambda: np.add(a, b, out=total))


def _product_rate() -> float:
    a, b, product = (np.full((_MATRIX, _MATRIX), value) for value in (1.0, 2.0, 0.0))
    return 2.0 * _MATRIX**3 / 1e9 / _best_seconds(lambda: np.matmul(a, b, out=product))


def _best_seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
