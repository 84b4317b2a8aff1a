"""20,000 stars in one crowded image, fitted together: forcedsql and photutils in one run.

Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_joint.py --benchmark -s``.
"""

import numpy as np
import pytest
from astropy.table import Table
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from forcedsql.measure.joint_fit import fit_jointly
from tests.benchmarks.timing import interleaved, print_table
from tests.measure.crowded import crowded_exposure

STARS, SIGMA = 20_000, 1.8
FWHM = SIGMA * np.sqrt(8 * np.log(2))
SIDE = int(np.sqrt(STARS * 10 * 4 * np.pi * SIGMA**2))
"""One star per ten PSF areas."""

GROUPED_WITHIN = 2 * FWHM


@pytest.fixture(scope="module")
def field():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, SIDE - 1, (2, STARS))
    flux = 3e5 * 10 ** (-0.4 * rng.uniform(0, 8, STARS))
    return crowded_exposure(shape=(SIDE, SIDE), x=x, y=y, flux=flux), x, y, flux


def photutils_fit(exposure, x, y, flux):
    """Positions fixed, groups of neighbours within two FWHM, started from the true fluxes."""
    psf = pytest.importorskip("photutils.psf")
    model = psf.CircularGaussianPSF(fwhm=FWHM)
    model.x_0.fixed = model.y_0.fixed = True
    fit = psf.PSFPhotometry(
        model,
        (11, 11),
        grouper=psf.SourceGrouper(GROUPED_WITHIN),
        aperture_radius=4,
        group_warning_threshold=10**6,
    )
    error = np.sqrt(exposure.variance.astype(float))
    return fit(exposure.image.astype(float), error=error, init_params=Table({"x": x, "y": y, "flux": flux}))


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_crowded_field_against_photutils(field):
    exposure, x, y, truth = field
    results = {}

    def ours():
        results["forcedsql"] = fit_jointly(exposure, x, y)

    def theirs():
        results["photutils"] = photutils_fit(exposure, x, y, truth)

    with threadpool_limits(1):
        contestants = {"forcedsql": ours, "photutils": theirs}
        seconds = interleaved(contestants, rounds=1)
    fit, table = results["forcedsql"], results["photutils"]
    pulls = {
        "forcedsql": (fit.flux - truth) / fit.error,
        "photutils": np.asarray((table["flux_fit"] - truth) / table["flux_err"]),
    }
    largest = {"forcedsql": fit.blend_size.max(), "photutils": table["group_size"].max()}
    rows = [("", "seconds", "largest group", "pull width", "times forcedsql")]
    for name, t in seconds.items():
        width = np.nanstd(pulls[name])
        rows.append((name, f"{t:.1f}", f"{largest[name]}", f"{width:.2f}", f"{t / seconds['forcedsql']:.1f}"))
    print_table(f"{STARS:,} stars on {SIDE} x {SIDE} pixels, {SIGMA} pixels sigma", rows)
    separation = cKDTree(np.stack([x, y], axis=1)).query(np.stack([x, y], axis=1), k=2)[0][:, 1]
    apart = separation > 0.7 * FWHM
    assert abs(pulls["forcedsql"][apart].std() - 1) < 0.05
    assert seconds["forcedsql"] < seconds["photutils"]
