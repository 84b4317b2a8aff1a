"""Cost of a coadd's PSF: 12 Piff inputs at 10,000 positions, 100 inputs at 1,000, one thread.

Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_coadd_psf.py --benchmark -s``.  LSST's
figures are of its whole driver on another machine: 2.8 ms per input and source.
"""

import time
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.coadd import CoaddPsf
from tests.benchmarks.timing import print_table
from tests.measure.exposures import PLANES
from tests.psf.coadds import coadd

SIZE = 4000
MEMORY_POSITIONS = 1100  # more than one batch of the driver; tracing is slow
LSST_MS_PER_INPUT = 2.8
LSST_MS_OF_12_INPUTS = 32.2


@dataclass(frozen=True)
class Case:
    inputs: int
    positions: int


CASES = (Case(12, 10_000), Case(100, 1_000))


def exposure_with(psf: CoaddPsf) -> Exposure:
    """A coadd around the pixel that all inputs cover."""
    image = np.random.default_rng(1).normal(0.0, 10.0, (SIZE, SIZE)).astype(np.float32)
    return Exposure(
        image=image,
        variance=np.full_like(image, 100.0),
        mask=np.zeros(image.shape, np.int32),
        mask_planes=PLANES,
        xy0=(12_000 - SIZE // 2, 8_000 - SIZE // 2),
        wcs=psf.coadd_wcs,
        psf=psf,
    )


def sky_positions(psf: CoaddPsf, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions that every input covers, however it is turned."""
    x, y = np.random.default_rng(2).uniform(-1300, 1300, (2, count))
    return psf.coadd_wcs.pixel_to_sky(12_000 + x, 8_000 + y)


def processor_seconds(run) -> float:
    """Time of this thread alone: what else the machine does stays out of it."""
    start = time.thread_time()
    run()
    return time.thread_time() - start


@pytest.mark.benchmark
def test_a_coadds_psf_in_a_full_measurement():
    rows = [("", "ms/source", "us/source/input", "peak MB", "LSST ms/source", "times faster")]
    per_source = {}
    for case in CASES:
        psf = coadd(case.inputs)
        exposure, (ra, dec) = exposure_with(psf), sky_positions(psf, case.positions)

        def measuring(count, exposure=exposure, ra=ra, dec=dec):
            return measure_positions(exposure, ra[:count], dec[:count], MeasurementConfig())

        measured = measuring(100)
        assert np.isfinite(measured["psfFlux"]).all()
        with threadpool_limits(1):
            ms = 1e3 * processor_seconds(lambda c=case: measuring(c.positions)) / case.positions
        tracemalloc.start()
        measuring(MEMORY_POSITIONS)
        megabytes = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        lsst = LSST_MS_OF_12_INPUTS if case.inputs == 12 else LSST_MS_PER_INPUT * case.inputs
        per_source[case] = ms
        rows.append(
            (
                f"{case.inputs} inputs, {case.positions:,} positions",
                f"{ms:.2f}",
                f"{1e3 * ms / case.inputs:.0f}",
                f"{megabytes:.0f}",
                f"{lsst:.0f}",
                f"{lsst / ms:.0f}",
            )
        )
    print_table(f"CoaddPsf of Piff 25 x 25 inputs, everything measured, {SIZE} x {SIZE} pixels", rows)
    assert per_source[CASES[0]] < LSST_MS_OF_12_INPUTS / 20.0
