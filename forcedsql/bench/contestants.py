"""The contestants of the catalogue workload: forcedsql with each of its kernels, and its peers."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

from forcedsql.arrays import AnyArray
from forcedsql.bench.catalogue import Catalogue
from forcedsql.bench.peers import (
    Work,
    photutils_apertures,
    photutils_psf,
    sep_apertures,
    sep_pixel_centres,
)
from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError
from forcedsql.measure.driver import measure_positions
from forcedsql.native import native_library
from forcedsql.native.library import KERNEL_VARIABLE

Prepare = Callable[[Catalogue, int], Work]
"""Takes a workload and a number of positions, does what is not timed, and returns the work."""

YARDSTICK = "sep apertures"
"""The contestant that all others are compared with."""

NATIVE, NUMPY = "forcedsql native", "forcedsql numpy"
OURS = (NATIVE, NUMPY)
"""Those of forcedsql itself, by its kernels."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that measures positions.

    Parameters
    ----------
    name : str
    work : str
        What it measures, in words.
    prepare : callable
    compared : callable
        Like `prepare`, for the comparison of fluxes: by the same definition as forcedsql's.
    package : str
        What must be importable; "" for forcedsql itself.
    threaded : bool
        Whether it can use several threads.
    one_round : bool
        So slow that it is timed once.
    every_psf : bool
        Whether it is timed with every PSF, or with one only, as its cost hardly depends on it.
    turn_seconds : float
        Where a turn with all positions would take longer, fewer are timed, and the table says so.
    """

    name: str
    work: str
    prepare: Prepare
    compared: Prepare
    package: str = ""
    threaded: bool = False
    one_round: bool = False
    every_psf: bool = True
    turn_seconds: float = 4.0

    def why_missing(self) -> str:
        """Return why it cannot take part here, or ""."""
        if self.package:
            try:
                import_module(self.package)
            except ImportError:
                return f"not installed: pip install {self.package}"
        elif self.name == NATIVE:
            try:
                with chosen_kernel("native"):
                    native_library()
            except ConfigError as error:
                return str(error)
        return ""


@contextmanager
def chosen_kernel(name: str) -> Iterator[None]:
    """Let forcedsql use the kernel of a name while the body runs."""
    before = os.environ.get(KERNEL_VARIABLE)
    os.environ[KERNEL_VARIABLE] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ[KERNEL_VARIABLE]
        else:
            os.environ[KERNEL_VARIABLE] = before


def _forcedsql(kernel: str) -> Prepare:
    """Everything that the driver measures, from the sky: PSF flux, ten apertures, errors and flags."""

    def prepare(catalogue: Catalogue, count: int) -> Work:
        exposure = catalogue.exposure()
        ra, dec = catalogue.sky(exposure, count)

        def run() -> dict[str, AnyArray]:
            with chosen_kernel(kernel):
                return measure_positions(exposure, ra, dec, MeasurementConfig())

        return run

    return prepare


_native, _numpy = _forcedsql("native"), _forcedsql("numpy")

CONTESTANTS = {
    each.name: each
    for each in (
        Contestant(NATIVE, "everything", _native, _native, threaded=True, turn_seconds=12.0),
        Contestant(NUMPY, "everything", _numpy, _numpy),
        Contestant(YARDSTICK, "10 apertures", sep_apertures, sep_pixel_centres, "sep", turn_seconds=6.0),
        Contestant(
            "photutils apertures",
            "10 apertures",
            photutils_apertures,
            photutils_apertures,
            "photutils",
            every_psf=False,
        ),
        Contestant(
            "photutils PSF",
            "PSF flux, one PSF",
            photutils_psf,
            photutils_psf,
            "photutils",
            one_round=True,
            every_psf=False,
        ),
    )
}
"""Every contestant by its name, in the order in which they are reported."""
