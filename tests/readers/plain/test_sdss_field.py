"""SDSS run 6377: a raw fpC frame with what lies beside it, and a prepared file.

Bounds are those of the README of the data set; ``-s`` prints what is found.
"""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from forcedsql.config import MeasurementConfig
from forcedsql.measure.driver import measure_positions
from forcedsql.open_options import OpenOptions
from forcedsql.readers import open_exposure
from forcedsql.sky_noise import noise_ratio
from tests.readers.plain.real_data import floats, scatter


def truths(column):
    return np.array([str(value) == "True" for value in column])


@pytest.fixture(scope="module", params=["prepared", "raw"])
def opened(request, shared):
    folder = shared / "data" / "sdss_lsstdemo_6377"
    if request.param == "raw":
        exposure = open_exposure(folder / "raw" / "fpC-006377-r4-0399.fit.gz")
        config = MeasurementConfig(do_ap_corr=False, subtract_background="mesh", mesh_size=128)
        return "raw", "r", exposure, config, folder
    psf = folder / "raw" / "psField-006377-4-0399.fit"
    path = folder / "prepared" / "sdss-006377-i4-0399.fits.gz"
    exposure = open_exposure(path, options=OpenOptions(psf=f"{psf}[band=i]"))
    return "prepared", "i", exposure, MeasurementConfig(do_ap_corr=False), folder


@pytest.fixture(scope="module")
def published(opened):
    """(measured columns in counts, sources that LSST measured, the clean and isolated ones)."""
    _, band, exposure, config, folder = opened
    sources = Table.read(folder / "lsst_stack_sources.csv", format="ascii.csv", guess=False)
    sources = sources[sources["filter"] == band]
    columns = measure_positions(
        exposure,
        floats(sources["coord_ra"]),
        floats(sources["coord_dec"]),
        replace(config, calibrate="never"),
    )
    flagged = truths(sources["base_SdssCentroid_flag"])
    for name in ("edge", "saturated", "interpolated"):
        flagged |= truths(sources[f"base_PixelFlags_flag_{name}"])
    distance = np.hypot(columns["x"][:, None] - columns["x"], columns["y"][:, None] - columns["y"])
    np.fill_diagonal(distance, np.inf)
    return columns, sources, ~flagged & (distance.min(axis=1) > 25)


def test_the_parts_are_those_of_the_field(opened):
    kind, _, exposure, _, _ = opened
    ratio = noise_ratio(exposure)
    print(f"{kind}: noise of the sky over the stated one {ratio:.3f}")
    assert abs(ratio - 1) < 0.03
    assert exposure.unit == "adu"
    assert exposure.psf.kind == "SdssPsf"
    assert ("still in the image" in exposure.origins["background"]) == (kind == "raw")


def test_positions_fall_on_the_published_centroids(opened, published):
    columns, sources, _ = published
    good = ~truths(sources["base_SdssCentroid_flag"])
    away = np.hypot(
        columns["x"] - floats(sources["base_SdssCentroid_x"]),
        columns["y"] - floats(sources["base_SdssCentroid_y"]),
    )[good]
    print(f"{opened[0]}: positions within {np.nanmax(away):.4f} px")
    assert np.nanmax(away) < 0.01


def test_apertures_agree_with_lsst(opened, published):
    columns, sources, clean = published
    flux, error = (floats(sources[f"base_CircularApertureFlux_6_0_instFlux{s}"]) for s in ("", "Err"))
    # Of the raw frame the background is a mesh's, not LSST's own.
    bounds = {"prepared": {50: (0.003, 0.005), 200: (0.0015, 0.005)}, "raw": {50: (0.015, 0.015)}}
    for least, (bias, spread) in bounds[opened[0]].items():
        bright = clean & (flux > least * error)
        ratio = columns["ap06Flux"][bright] / flux[bright]
        print(
            f"{opened[0]}: aperture of 6 px, S/N > {least}: n={bright.sum()} "
            f"median {np.median(ratio):.5f} mad {scatter(ratio):.5f}"
        )
        assert bright.sum() >= 9
        assert abs(np.median(ratio) - 1) < bias
        assert scatter(ratio) < spread
        assert abs(np.median(columns["ap06FluxErr"][bright] / error[bright]) - 1) < 0.12


def test_psf_fluxes_agree_with_lsst_to_the_difference_of_the_models(opened, published):
    columns, sources, clean = published
    flux, error = (floats(sources[f"base_PsfFlux_instFlux{s}"]) for s in ("", "Err"))
    stars = clean & (flux > 30 * error) & ~columns["psfFlux_flag"]
    stars &= floats(sources["base_ClassificationExtendedness_value"]) == 0
    ratio = columns["psfFlux"][stars] / flux[stars]
    print(f"{opened[0]}: PSF n={stars.sum()} median {np.median(ratio):.4f} mad {scatter(ratio):.4f}")
    assert stars.sum() > 40
    assert abs(np.median(ratio) - 1) < 0.02
    assert scatter(ratio) < 0.04


def test_calibrated_stars_have_their_stripe_82_magnitudes(opened):
    kind, band, exposure, config, folder = opened
    stars = Table.read(folder / "sdss_stripe82_stars.csv", format="ascii.csv", guess=False)
    columns = measure_positions(exposure, floats(stars["ra"]), floats(stars["dec"]), config)
    good = ~columns["psfFlux_flag"] & ~columns["pixelFlags_saturated"]
    good &= columns["psfFlux"] > 30 * columns["psfFluxErr"]
    good &= floats(stars[f"{band}_err"]) < 0.05
    away = 31.4 - 2.5 * np.log10(columns["psfFlux"][good]) - floats(stars[band])[good]
    print(f"{kind}: {good.sum()} stars, magnitude {np.median(away):+.4f} mad {scatter(away):.4f}")
    assert good.sum() > 50
    assert abs(np.median(away)) < 0.05
    assert scatter(away) < 0.05
