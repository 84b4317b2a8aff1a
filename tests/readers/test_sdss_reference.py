"""SDSS run 6377 with the survey's own PSF, against what LSST and Stripe 82 published.

Figures and bounds are those of the README beside the data; the PSF models differ.
"""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.readers.psf_spec import open_psf
from forcedsql.wcs import FitsWcs

CONFIG = MeasurementConfig(do_ap_corr=False, radii=(3.0,))


@pytest.fixture(scope="module", params=["i", "r"])
def band(request):
    return request.param


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data/sdss_lsstdemo_6377"


@pytest.fixture(scope="module")
def field(folder, band):
    """The prepared image of a band as an exposure with the raw psField's PSF, and its zero point."""
    with fits.open(folder / f"prepared/sdss-006377-{band}4-0399.fits.gz") as file:
        image, mask, variance = (file[name].data for name in ("IMAGE", "MASK", "VARIANCE"))
        exposure = Exposure(
            image=image.astype(np.float32),
            mask=mask.astype(np.int32),
            variance=variance.astype(np.float32),
            mask_planes={"SAT": 1, "INTRP": 2, "CR": 3, "DETECTED": 5},
            wcs=FitsWcs(file["IMAGE"].header),
            psf=open_psf(f"{folder}/raw/psField-006377-4-0399.fit[band={band}]", shape=image.shape),
        )
        return exposure, file[0].header["MAGZP"]


def scatter(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def isolated_stars(folder, band):
    """Bright stars that LSST measured well, with no other source within 25 pixels."""
    sources = Table.read(folder / "lsst_stack_sources.csv")
    sources = sources[sources["filter"] == band]
    x, y = (np.asarray(sources[f"base_SdssCentroid_{axis}"], float) for axis in "xy")
    apart = np.hypot(x[:, None] - x, y[:, None] - y) + np.diag(np.full(len(x), np.inf))
    good = (apart.min(axis=1) > 25) & (sources["base_ClassificationExtendedness_value"] == 0)
    flags = [f"PixelFlags_flag_{name}" for name in ("edge", "saturated", "interpolated")]
    for name in (*flags, "SdssCentroid_flag"):
        good &= np.array([str(value) != "True" for value in sources[f"base_{name}"]])
    good &= sources["base_PsfFlux_instFlux"] > 30 * sources["base_PsfFlux_instFluxErr"]
    return sources[np.asarray(good)]


def test_psf_fluxes_of_stars_are_those_of_lsst(folder, field, band):
    stars = isolated_stars(folder, band)
    ra, dec = (np.asarray(stars[f"coord_{axis}"], float) for axis in ("ra", "dec"))
    measured = measure_positions(field[0], ra, dec, CONFIG)
    inside = ~measured["psfFlux_flag"]
    ratio = (measured["psfFlux"] / stars["base_PsfFlux_instFlux"])[inside]
    errors = np.median((measured["psfFluxErr"] / stars["base_PsfFlux_instFluxErr"])[inside])
    print(
        f"{band}: n {len(ratio)}, median {np.median(ratio):.4f}, mad {scatter(ratio):.4f}, err {errors:.3f}"
    )
    assert len(ratio) >= 50
    assert abs(np.median(ratio) - 1) < 0.02
    assert scatter(ratio) < 0.04
    assert abs(errors - 1) < 0.12


def test_magnitudes_of_stripe_82_standard_stars_are_those_of_the_survey(folder, field, band):
    exposure, zero_point = field
    stars = Table.read(folder / "sdss_stripe82_stars.csv")
    ra, dec = (np.asarray(stars[axis], float) for axis in ("ra", "dec"))
    measured = measure_positions(exposure, ra, dec, CONFIG)
    good = ~measured["psfFlux_flag"] & ~measured["pixelFlags_saturated"]
    good &= measured["psfFlux"] > 30 * measured["psfFluxErr"]
    good &= np.asarray(stars[f"{band}_err"]) < 0.05
    off = zero_point - 2.5 * np.log10(measured["psfFlux"][good]) - np.asarray(stars[band], float)[good]
    print(f"{band}: n {good.sum()}, magnitude off by {np.median(off):+.4f}, mad {scatter(off):.4f}")
    assert good.sum() > 50
    assert abs(np.median(off)) < 0.05
    assert scatter(off) < 0.05
