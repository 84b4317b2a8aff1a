"""Sky projections of files before 2018."""

import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import open_exposure
from forcedsql.readers.archive import Archive
from forcedsql.readers.decoders import DECODERS
from forcedsql.readers.fits_file import open_fits
from forcedsql.wcs import FitsWcs

CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 10.0,
    "CRVAL2": -20.0,
    "CRPIX1": 101.0,
    "CRPIX2": 51.0,
    "CD1_1": -5e-5,
    "CD1_2": 2e-6,
    "CD2_1": 1e-6,
    "CD2_2": 5.1e-5,
}


def add_old_wcs(afw, *, sip=None, name="TanWcs", cd=(-5e-5, 1e-6, 2e-6, 5.1e-5), equinox=2000.0):
    main = afw.add_table(
        crval=("2D", [[10.0, -20.0]]),
        crpix=("2D", [[100.0, 50.0]]),
        cd=(f"{len(cd)}D", [list(cd)]),
        ctype1=("72A", ["RA---TAN"]),
        ctype2=("72A", ["DEC--TAN"]),
        equinox=("D", [equinox]),
        radesys=("72A", ["ICRS"]),
        cunit1=("72A", ["deg"]),
        cunit2=("72A", ["deg"]),
    )
    made = afw.place(name, main)
    if sip is not None:
        columns = {key: (f"{np.size(value)}D", [np.ravel(value)]) for key, value in sip.items()}
        afw.index.append((made, afw.add_table(**columns), 1, 0, 1, name))
    afw.primary["WCS_ID"] = made


def sip_matrices(a, b):
    return {"A": a, "B": b, "Ap": np.zeros(4), "Bp": np.zeros(4)}


def assert_same_sky(wcs, expected):
    x, y = np.random.default_rng(0).uniform(-50, 250, (2, 30))
    np.testing.assert_allclose(wcs.pixel_to_sky(x, y), expected.pixel_to_sky(x, y), rtol=1e-14)


@pytest.mark.parametrize("name", ["TanWcs", "Wcs"])
def test_a_projection_is_that_of_its_cards_with_pixels_from_zero(afw, opened, name):
    add_old_wcs(afw, name=name)
    assert_same_sky(opened().wcs, FitsWcs(CARDS))


def test_sip_matrices_are_stored_by_columns(afw, opened):
    a, b = np.zeros((3, 3)), np.zeros((3, 3))
    a[2, 0], a[1, 1], b[0, 2] = 2e-6, -3e-6, 4e-6
    add_old_wcs(afw, sip=sip_matrices(a.T, b.T))
    sip = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-6, "A_1_1": -3e-6, "B_0_2": 4e-6}
    expected = FitsWcs(CARDS | sip | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"})
    assert_same_sky(opened().wcs, expected)


def test_the_header_counts_where_it_has_a_projection(afw, opened):
    add_old_wcs(afw)
    afw.image_cards |= CARDS | {"CRVAL1": 77.0}
    assert_same_sky(opened().wcs, FitsWcs(CARDS | {"CRVAL1": 77.0}))


def test_a_sip_matrix_that_is_not_square_is_refused(afw, opened):
    add_old_wcs(afw, sip=sip_matrices(np.zeros(5), np.zeros(9)))
    with pytest.raises(ReadError, match="no square matrix"):
        opened()


def test_a_hostile_sip_order_is_refused(afw, opened):
    add_old_wcs(afw, sip=sip_matrices(np.zeros(121), np.zeros(9)))
    with pytest.raises(FileLimitError, match="121"):
        opened()


def test_the_object_of_a_real_file_is_the_projection_of_its_header(shared):
    path = shared / "data" / "afw_formats" / "hsc_m31_i_pcapsf_ticket1738.fits"
    with open_fits(path) as file:
        old = Archive(file, 4, DECODERS).get(5, "sky projection")
    exposure = open_exposure(path)
    box = exposure.bbox
    x, y = np.random.default_rng(0).uniform(0, 300, (2, 50))
    sky = exposure.wcs.pixel_to_sky(x + box.x0, y + box.y0)
    np.testing.assert_allclose(old.pixel_to_sky(x + box.x0, y + box.y0), sky, rtol=1e-14)
    back = old.sky_to_pixel(*sky)
    np.testing.assert_allclose(back, [x + box.x0, y + box.y0], rtol=0, atol=1e-7)


def test_a_matrix_of_three_elements_is_refused(afw, opened):
    add_old_wcs(afw, cd=(1.0, 0.0, 1.0))
    with pytest.raises(ReadError, match="3 elements in its matrix cd"):
        opened()


def test_a_projection_without_an_equinox_is_the_same_in_icrs(afw, opened):
    add_old_wcs(afw, equinox=np.nan)
    assert_same_sky(opened().wcs, FitsWcs(CARDS))
