"""10,000 positions on 4000 x 4000 pixels, one thread: forcedsql, sep and photutils in one run.

Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks --benchmark -s``.
"""

import numpy as np
import pytest
from astropy.table import Table
from threadpoolctl import threadpool_limits

from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.functions import PolynomialFunction2D
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import FixedKernel, LinearCombinationKernel
from tests.benchmarks.timing import interleaved, print_table
from tests.measure.exposures import PLANES, FlatWcs, gaussian_star, moffat_star

SIZE, POSITIONS, PSF_SIZE = 4000, 10_000, 41
RADII = (3.0, 4.5, 6.0, 9.0, 12.0, 17.0, 25.0, 35.0, 50.0, 70.0)
LSST_US_PER_SOURCE = "480-510"


def varying_psf() -> KernelPsf:
    """Four basis images with second-order polynomials, as a PCA PSF has them."""
    shape, middle = (PSF_SIZE, PSF_SIZE), PSF_SIZE // 2
    stars = [gaussian_star(shape, middle, middle, 1.0, s) for s in (1.8, 2.2, 2.6)]
    stars.append(moffat_star(shape, middle, middle, 1.0, 4.5, 3.0))
    mean, *modes = stars[0], *(star - stars[0] for star in stars[1:])
    constant = PolynomialFunction2D((1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    slopes = [PolynomialFunction2D((0.1, 2e-5 * k, -1e-5, 1e-9, 2e-9, -1e-9 * k)) for k in (1, 2, 3)]
    basis = [FixedKernel(image, (middle, middle)) for image in (mean, *modes)]
    return KernelPsf(LinearCombinationKernel(basis, functions=(constant, *slopes)), kind="PcaPsf")


@pytest.fixture(scope="module")
def exposure() -> Exposure:
    rng = np.random.default_rng(1)
    image = rng.normal(0.0, 10.0, (SIZE, SIZE)).astype(np.float32)
    return Exposure(
        image=image,
        variance=np.full_like(image, 100.0),
        mask=np.zeros(image.shape, np.int32),
        mask_planes=PLANES,
        wcs=FlatWcs(),
        psf=varying_psf(),
    )


@pytest.fixture(scope="module")
def positions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x, y = rng.uniform(75, SIZE - 75, (2, POSITIONS))
    return x, y


def forcedsql_full(exposure, x, y):
    # A fresh exposure: nothing derived from the pixels is kept from the turn before.
    fresh = Exposure(
        image=exposure.image,
        variance=exposure.variance,
        mask=exposure.mask,
        mask_planes=PLANES,
        wcs=exposure.wcs,
        psf=exposure.psf,
    )
    return measure_positions(fresh, x / 1000.0, y / 1000.0, MeasurementConfig())


def sep_apertures(exposure, x, y):
    sep = pytest.importorskip("sep")
    return [sep.sum_circle(exposure.image, x, y, r, var=exposure.variance, subpix=5) for r in RADII]


def photutils_apertures(exposure, x, y, error):
    aperture = pytest.importorskip("photutils.aperture")
    where = np.column_stack([x, y])
    circles = [aperture.CircularAperture(where, r) for r in RADII]
    return aperture.aperture_photometry(exposure.image, circles, error=error, method="center")


def photutils_psf(exposure, x, y, error, psf_model):
    psf = pytest.importorskip("photutils.psf")
    model = psf_model.copy()
    model.x_0.fixed = model.y_0.fixed = True
    init = Table({"x": x, "y": y, "flux": np.ones_like(x)})
    return psf.PSFPhotometry(model, (PSF_SIZE, PSF_SIZE), aperture_radius=6)(
        exposure.image, error=error, init_params=init
    )


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_full_measurement_against_sep_and_photutils(exposure, positions):
    x, y = positions
    error = np.sqrt(exposure.variance)
    psf = pytest.importorskip("photutils.psf")
    stamp = exposure.psf.kernel_images(np.array([2000.0]), np.array([2000.0])).values[0]
    model = psf.ImagePSF(stamp)
    contestants = {
        "forcedsql, everything": lambda: forcedsql_full(exposure, x, y),
        "sep, 10 apertures": lambda: sep_apertures(exposure, x, y),
        "photutils, 10 apertures": lambda: photutils_apertures(exposure, x, y, error),
        "photutils, PSF at fixed positions": lambda: photutils_psf(exposure, x, y, error, model),
    }
    with threadpool_limits(1):
        seconds = interleaved(contestants, rounds=3)
    ours = seconds["forcedsql, everything"]
    rows = [("", "us/source", "times forcedsql")]
    rows += [(n, f"{t / POSITIONS * 1e6:.0f}", f"{t / ours:.1f}") for n, t in seconds.items()]
    both = seconds["photutils, 10 apertures"] + seconds["photutils, PSF at fixed positions"]
    rows.append(("photutils, both", f"{both / POSITIONS * 1e6:.0f}", f"{both / ours:.1f}"))
    rows.append(("LSST driver (published, another machine)", LSST_US_PER_SOURCE, ""))
    print_table(
        f"{POSITIONS:,} positions, {SIZE} x {SIZE} pixels, PSF {PSF_SIZE} x {PSF_SIZE} varying, 1 thread",
        rows,
    )

    measured = forcedsql_full(exposure, x, y)
    table = photutils_apertures(exposure, measured["x"], measured["y"], error)
    np.testing.assert_allclose(measured["ap12Flux"], table["aperture_sum_4"], rtol=1e-5, atol=1e-2)
