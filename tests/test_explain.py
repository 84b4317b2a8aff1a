"""explain: words and stamps that agree with the measurement."""

import numpy as np
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.explain import explain
from forcedsql.readers import open_exposure
from forcedsql.resources import data_dir
from forcedsql.tables import read_table
from tests.measure.exposures import PLANES, gaussian_star, make_exposure, sky

SIGMA = 1.8
FLUX = 2000.0


def _star(x, y, **parts):
    """An exposure in nJy with noise 3 and one star of 2000 nJy, FWHM 4.2 pixels."""
    exposure = make_exposure(unit="nJy", **parts)
    exposure.image[:] += gaussian_star(exposure.shape, x, y, FLUX, SIGMA).astype(np.float32)
    return exposure


def _lines(exposure, x, y, **options):
    return dict(explain(exposure, *map(float, sky(x, y)), **options).lines())


def test_a_clean_star_is_explained_line_by_line():
    lines = _lines(_star(100.25, 80.5), 100.25, 80.5)
    assert lines["position"] == "ra 0.1002500 deg, dec +0.0805000 deg (ICRS)"
    # halves go up: 80.5 lies in pixel 81; rows end at 199.5
    assert lines["pixel"] == "x 100.250, y 80.500: 81.0 pixels from the nearest edge"
    assert lines["this pixel"].startswith("(100, 81): ")
    assert lines["this pixel"].endswith(" +- 3 nJy")
    assert lines["its mask planes"] == "none set"
    assert lines["flags"] == "none raised"
    # FWHM of a Gaussian: 2.3548 sigma
    assert lines["PSF"] == "SingleGaussianPsf, FWHM 4.239 pixels (adaptive moments, as of a Gaussian)"
    # area of a Gaussian: 4 pi sigma^2 = 40.7, to what the shift by half a pixel smooths
    assert float(lines["PSF area"].split()[0]) == pytest.approx(4 * np.pi * SIGMA**2, rel=5e-3)
    value, _, error = lines["psfFlux"].split()[:3]
    assert abs(float(value) - FLUX) < 4 * float(error)
    # noise of a PSF flux: pixel noise times the root of the area
    assert float(error) == pytest.approx(3.0 * np.sqrt(4 * np.pi) * SIGMA, rel=5e-3)
    assert f"S/N {float(value) / float(error):.1f}, AB 23.1" in lines["psfFlux"]


def test_chi2_per_pixel_is_one_for_a_star_and_says_how_far_it_may_be_off():
    text = _lines(_star(100.25, 80.5), 100.25, 80.5)["chi2 per pixel"]
    assert text.endswith("of 625 pixels (1 +- 0.057 if noise is all there is)")
    assert abs(float(text.split()[0]) - 1.0) < 4 * np.sqrt(2 / 625)


def test_flags_and_mask_planes_are_in_words():
    exposure = _star(100.25, 80.5)
    exposure.mask[80, 100] |= 1 << PLANES["SAT"] | 1 << PLANES["DETECTED"]
    lines = _lines(exposure, 100.25, 80.2)
    assert lines["its mask planes"] == "SAT (saturated), DETECTED"
    assert lines["flag pixelFlags_saturatedCenter"] == "one of the central 3x3 pixels is saturated"
    assert "flags" not in lines


def test_a_position_off_the_image_says_where_the_image_is():
    lines = _lines(_star(100.0, 80.0), -30.0, 80.0)
    assert lines["pixel"] == "x -30.000, y 80.000: off the image, which is x 0..219, y 0..199"
    assert "this pixel" not in lines
    assert lines["psfFlux"] == "not measured (nan +- nan nJy)"
    assert lines["flag pixelFlags_offimage"] == "the position is off the image"


@pytest.mark.parametrize(("ra", "dec"), [(np.nan, 0.0), (180.0, 0.0), (0.0, 95.0)])
def test_a_position_without_a_place_has_words_and_no_stamps(ra, dec):
    got = explain(_star(100.0, 80.0), ra, dec)
    assert got.stamps is None
    assert dict(got.lines())["pixel"] == "none: the position cannot be placed on the exposure"


def test_an_exposure_without_a_psf_has_data_and_no_model():
    plugins = ("base_TransformedCentroidFromCoord", "base_CircularApertureFlux")
    got = explain(
        _star(100.0, 80.0, psf=None), *map(float, sky(100.0, 80.0)), config=MeasurementConfig(plugins=plugins)
    )
    assert dict(got.lines())["PSF"] == "none"
    assert np.isfinite(got.stamps.data).all()
    assert np.isnan(got.stamps.model).all()
    assert got.stamps.data.shape == (41, 41)


def test_stamps_are_the_pixels_around_the_position():
    exposure = _star(150.25, 180.5, xy0=(50, 100))
    got = explain(exposure, *map(float, sky(150.25, 180.5))).stamps
    assert got.data.shape == (25, 25)
    row, column = got.y0 - 100, got.x0 - 50
    np.testing.assert_array_equal(got.data, exposure.image[row : row + 25, column : column + 25])
    np.testing.assert_array_equal(got.noise, np.full((25, 25), 3.0))


def test_what_is_off_the_image_is_nan_in_the_stamps():
    exposure = _star(3.0, 198.0)
    exposure.mask[199, 0] = 1 << PLANES["BAD"] | 1 << PLANES["DETECTED"]
    exposure.mask[198, 0] = 1 << PLANES["DETECTED"]
    got = explain(exposure, *map(float, sky(3.0, 198.0))).stamps
    rows, columns = np.indices(got.data.shape)
    inside = (columns + got.x0 >= 0) & (rows + got.y0 <= 199)
    np.testing.assert_array_equal(np.isfinite(got.data), inside)
    assert np.isfinite(got.model).all()
    # only planes that the pixel flags know count as masked
    assert list(zip(*np.nonzero(got.masked), strict=True)) == [(199 - got.y0, 0 - got.x0)]


def test_the_residual_has_the_chi2_that_was_measured():
    """On a real file: calibrated, aperture-corrected, its PSF varying."""
    survey = data_dir() / "survey"
    exposure = open_exposure(next(survey.glob("visit_image*.fits")))
    source = read_table(survey / "source.parquet")
    for row in (100, 200, 260):
        got = explain(exposure, source["ra"][row].as_py(), source["dec"][row].as_py())
        # the measurement keeps chi2 in single precision
        assert np.nansum(got.stamps.residual**2) == pytest.approx(got.values["psfFlux_chi2"], rel=1e-6)
        assert got.values["psfFlux"] == pytest.approx(source["psfFlux"][row].as_py(), rel=1e-4)
