"""Cost of each PSF family: 10,000 positions on 4000 x 4000 pixels, one thread.

Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_psf_families.py --benchmark -s``.
The figures of LSST are those that its pipelines took for a whole run on another machine.
"""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.psf.protocol import Psf
from forcedsql.psf.psfex import PsfexPsf
from tests.benchmarks.timing import interleaved, print_table
from tests.measure.exposures import PLANES, FlatWcs

SIZE, POSITIONS = 4000, 10_000
GAUSSIAN, PIFF = "SingleGaussianPsf 25 x 25", "PiffPsf 25 x 25, degree 2"


@dataclass(frozen=True)
class Family:
    """A model to be timed, and what a source took LSST, in microseconds."""

    make: Callable[[], Psf]
    lsst_us: str = ""


def _star(size: int, sigma: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    star = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return star / star.sum()


def _varying_stars(size: int, sigma: float) -> np.ndarray:
    """A mean star, and five that make it a few percent wider or narrower over the field."""
    wider = _star(size, 1.1 * sigma) - _star(size, sigma)
    return np.stack([_star(size, sigma), *(wider * part for part in (0.5, -0.3, 0.4, 0.2, -0.2))])


def piff_psf() -> PiffPsf:
    terms = np.add.outer(np.arange(3), np.arange(3)) <= 2
    powers = np.argwhere(terms).sum(axis=1)
    solution = (_varying_stars(25, 1.9) / float(SIZE) ** powers[:, None, None]).reshape(6, -1).T
    polynomial = BasisPolynomial(solution, ("x", "y"), terms)
    return PiffPsf(25, PixelGrid(25, 0.2, LanczosInterpolant(11), polynomial, 0.2))


def psfex_psf() -> PsfexPsf:
    centre, reach = (SIZE / 2, SIZE / 2), (float(SIZE), float(SIZE))
    return PsfexPsf(_varying_stars(83, 3.8).astype(np.float32), 2, centre, reach, 0.5)


FAMILIES = {
    GAUSSIAN: Family(lambda: SingleGaussianPsf(25, 25, 1.9), "480-590"),
    PIFF: Family(piff_psf, "1640"),
    "PsfexPsf 41 x 41, degree 2": Family(psfex_psf),
}


@pytest.fixture(scope="module")
def planes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image = np.random.default_rng(1).normal(0.0, 10.0, (SIZE, SIZE)).astype(np.float32)
    return image, np.full_like(image, 100.0), np.zeros(image.shape, np.int32)


@pytest.fixture(scope="module")
def positions() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.random.default_rng(2).uniform(75, SIZE - 75, (2, POSITIONS))
    return x, y


def exposure_with(psf: Psf, planes: tuple[np.ndarray, ...]) -> Exposure:
    image, variance, mask = planes
    return Exposure(image=image, variance=variance, mask=mask, mask_planes=PLANES, wcs=FlatWcs(), psf=psf)


def peak_megabytes(run: Callable[[], object]) -> float:
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


@pytest.mark.benchmark
def test_each_family_in_a_full_measurement(planes, positions):
    x, y = positions
    psfs = {name: family.make() for name, family in FAMILIES.items()}

    def measuring(psf: Psf) -> Callable[[], object]:
        # A fresh exposure: nothing derived from the pixels is kept from the turn before.
        return lambda: measure_positions(
            exposure_with(psf, planes), x / 1000.0, y / 1000.0, MeasurementConfig()
        )

    contestants = {name: measuring(psf) for name, psf in psfs.items()}
    with threadpool_limits(1):
        whole = interleaved(contestants, rounds=5)
        images = interleaved({n: lambda p=p: p.images(x, y) for n, p in psfs.items()}, rounds=3)
        shapes = interleaved({n: lambda p=p: p.shapes(x, y) for n, p in psfs.items()}, rounds=3)
        memory = {name: peak_megabytes(run) for name, run in contestants.items()}
    rows = [("us per source", "images", "shapes", "everything", "times Gaussian", "peak MB", "LSST")]
    for name, family in FAMILIES.items():
        per_source = (part[name] / POSITIONS * 1e6 for part in (images, shapes, whole))
        ratio = f"{whole[name] / whole[GAUSSIAN]:.2f}"
        rows.append((name, *(f"{us:.1f}" for us in per_source), ratio, f"{memory[name]:.0f}", family.lsst_us))
    print_table(f"{POSITIONS:,} positions, {SIZE} x {SIZE} pixels, 1 thread", rows)
    assert whole[PIFF] < 2 * whole[GAUSSIAN]
