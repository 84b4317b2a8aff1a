"""Units and zero points to nJy, against astropy.units: to rounding."""

import numpy as np
import pytest
from astropy import constants, units

from forcedsql.errors import ConfigError, ReadError
from forcedsql.open_options import OpenOptions
from forcedsql.readers.plain.flux_scale import (
    electrons_per_unit,
    flux_scale,
    pixel_area_at,
    pixel_unit,
)
from forcedsql.wcs import FitsWcs
from tests.readers.plain.plain_file import WCS

EXACT = 1e-12


def factor(unit="", cards=None, seconds=None, area=None, **options):
    return flux_scale(pixel_unit(unit), cards or {}, OpenOptions(**options), seconds, area).factor


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Jy", units.Jy),
        ("mJy", units.mJy),
        ("uJy", units.uJy),
        ("µJy", units.uJy),
        ("microJy", units.uJy),
        ("nJy", units.nJy),
        ("10*nJy", 10 * units.nJy),
        ("mJy/pixel", units.mJy),
        ("erg/s/cm2/Hz", units.erg / units.s / units.cm**2 / units.Hz),
        ("W m-2 Hz-1", units.W / units.m**2 / units.Hz),
        ("nanomaggy", 22.5 * units.ABmag),
        ("nanomaggies", 22.5 * units.ABmag),
        ("nmgy", 22.5 * units.ABmag),
    ],
)
def test_flux_densities_convert_exactly(text, unit):
    assert factor(text) == pytest.approx((1 * unit).to_value(units.nJy), rel=EXACT)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("MJy/sr", units.MJy / units.sr),
        ("Jy/sr", units.Jy / units.sr),
        ("mJy/arcsec2", units.mJy / units.arcsec**2),
        ("uJy arcsec-2", units.uJy / units.arcsec**2),
    ],
)
def test_surface_brightnesses_take_the_area_of_a_pixel(text, unit):
    area = 3.4e-11
    expected = (1 * unit * area * units.sr).to_value(units.nJy)
    assert factor(text, area=area) == pytest.approx(expected, rel=EXACT)
    assert factor(text, {"PIXAR_SR": 2 * area}, area=area) == pytest.approx(2 * expected, rel=EXACT)
    assert factor(text) is None


@pytest.mark.parametrize("zeropoint", [0.0, 22.5, 25.0, 28.00316117818341, 31.4])
@pytest.mark.parametrize("unit", ["adu", "DN", "counts", "electron/s", ""])
def test_a_zero_point_is_the_ab_magnitude_of_one_unit(zeropoint, unit):
    expected = (zeropoint * units.ABmag).to_value(units.nJy)
    assert factor(unit, zeropoint=zeropoint) == pytest.approx(expected, rel=EXACT)
    for card in ("MAGZERO", "MAGZP", "ZEROPOINT"):
        assert factor(unit, {card: zeropoint}) == pytest.approx(expected, rel=EXACT)
    assert factor(unit, {"MYZP": zeropoint}, zeropoint="MYZP") == pytest.approx(expected, rel=EXACT)


def test_a_zero_point_of_one_unit_per_second_takes_the_exposure_time():
    expected = (24.842 * units.ABmag).to_value(units.nJy)
    assert factor("adu", {"MAGZPT": 24.842}, 107.0) == pytest.approx(expected / 107.0, rel=EXACT)
    assert factor("adu/s", {"MAGZPT": 24.842}, 107.0) == pytest.approx(expected, rel=EXACT)
    assert factor("adu", {"MAGZPT": 24.842}) is None


def test_a_given_zero_point_stands_above_all_that_the_header_says():
    cards = {"MAGZERO": 30.0, "PHOTFLAM": 1e-19, "PHOTPLAM": 6000.0}
    assert factor("nJy", cards, zeropoint=25.0) == factor("adu", zeropoint=25.0)


def test_photflam_is_a_flux_density_at_the_pivot_wavelength():
    flam, pivot = 7.0331885e-20, 5921.89
    spectral = flam * units.erg / units.s / units.cm**2 / units.AA
    expected = (spectral * (pivot * units.AA) ** 2 / constants.c).to_value(units.nJy)
    found = factor("ELECTRONS/S", {"PHOTFLAM": flam, "PHOTPLAM": pivot})
    assert found == pytest.approx(expected, rel=EXACT)


def test_photfnu_and_photmjsr_and_flux20():
    assert factor("electron/s", {"PHOTFNU": 1.5e-7}) == pytest.approx(150.0, rel=EXACT)
    cards = {"PHOTMJSR": 0.5, "PIXAR_SR": 2e-14}
    expected = (0.5 * units.MJy / units.sr * 2e-14 * units.sr).to_value(units.nJy)
    assert factor("DN/s", cards) == pytest.approx(expected, rel=EXACT)
    expected = (20.0 * units.ABmag).to_value(units.nJy) / 1564.03
    assert factor("DNs", {"FLUX20": 1564.03}) == pytest.approx(expected, rel=EXACT)


def test_without_any_zero_point_there_is_no_factor_and_the_words_say_what_to_give():
    scale = flux_scale(pixel_unit("adu"), {}, OpenOptions(), None, None)
    assert scale.factor is None
    assert "give zeropoint" in scale.how


@pytest.mark.parametrize("text", ["Jy/beam", "mag", "what", "K", "", "adu/s/what"])
def test_what_is_no_flux_density_has_no_factor(text):
    assert factor(text, area=1e-11) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("DN", "adu"),
        ("ADU", "adu"),
        ("counts", "ct"),
        ("DN/s", "adu / s"),
        ("e-/s", "electron / s"),
        ("ELECTRONS", "electron"),
        ("MJy/sr", "MJy / sr"),
    ],
)
def test_units_are_spelled_as_astropy_spells_them(text, name):
    assert pixel_unit(text).name == name
    units.Unit(name)


def test_cards_that_are_missing_or_no_number_are_named():
    with pytest.raises(ReadError, match="no number MAGZERO"):
        factor("adu", {"MAGZERO": "unknown"}, zeropoint="MAGZERO")
    with pytest.raises(ConfigError, match="is no magnitude"):
        factor("adu", zeropoint=float("nan"))


def test_the_area_of_a_pixel_is_that_of_the_projection():
    wcs = FitsWcs(WCS)
    expected = np.radians(1e-4) ** 2
    # A gnomonic pixel at the reference point: second order in its size, and rounding of degrees.
    assert pixel_area_at(wcs, 39.5, 29.5) == pytest.approx(expected, rel=1e-7)
    # Away from it, true areas shrink by the cube of the cosine of the distance.
    cosine = np.cos(np.arctan(np.radians(1e-4 * 10_000)))
    assert pixel_area_at(wcs, 39.5 + 10_000, 29.5) == pytest.approx(expected * cosine**3, rel=1e-6)
    assert pixel_area_at(None, 0, 0) is None


@pytest.mark.parametrize(
    ("unit", "cards", "options", "expected"),
    [
        ("adu", {"GAIN": 4.0}, {}, 4.0),
        ("", {"GAIN": 4.0}, {}, 4.0),
        ("adu/s", {"GAIN": 4.0, "EXPTIME": 30.0}, {}, 120.0),
        ("adu/s", {"GAIN": 4.0}, {}, None),
        ("electron", {"GAIN": 4.0}, {}, 1.0),
        ("electron/s", {"EXPTIME": 30.0}, {}, 30.0),
        ("nJy", {"GAIN": 4.0}, {}, None),
        ("nJy", {}, {"gain": 2.5}, 2.5),
        ("nJy", {"MYGAIN": 7.0}, {"gain": "MYGAIN"}, 7.0),
        ("adu", {"GAIN": 0.0}, {}, None),
    ],
)
def test_the_gain_counts_for_the_unit_of_the_image(unit, cards, options, expected):
    assert electrons_per_unit(pixel_unit(unit), cards, OpenOptions(**options)) == expected


def test_a_gain_that_is_not_positive_is_refused():
    with pytest.raises(ConfigError, match="is not positive"):
        electrons_per_unit(pixel_unit("adu"), {}, OpenOptions(gain=-1.0))
