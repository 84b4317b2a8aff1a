"""Sky projections: known answers, hostile positions, threads."""

import pickle
import threading

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import open_exposure
from forcedsql.wcs import AstWcs, FitsWcs, has_sky_cards
from forcedsql.writer.projection import FitsProjection

SCALE = 5.5e-5  # degrees per pixel, 0.2 arcsec


def tan_cards(ra=150.0, dec=2.0, **more):
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": 1001.0,
        "CRPIX2": 1001.0,
        "CD1_1": -SCALE,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": SCALE,
        "RADESYS": "ICRS",
        **more,
    }


def sip_cards(**more):
    terms = {"A_ORDER": 2, "A_2_0": 3e-6, "A_1_1": -2e-6, "B_ORDER": 2, "B_0_2": 4e-6, "B_2_0": 1e-6}
    return tan_cards(**{"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", **terms, **more})


def tpv_cards():
    return tan_cards(
        CTYPE1="RA---TPV", CTYPE2="DEC--TPV", PV1_1=1.0, PV1_4=1e-3, PV2_1=1.0, PV2_4=-2e-3, PV2_0=1e-5
    )


def ast_wcs(reference, name="pcapsf_polywcs"):
    return open_exposure(reference / name / "exposure.fits").wcs


@pytest.fixture(scope="module", params=["ast", "ast across 0", "tan", "sip", "tpv"])
def wcs(request):
    if request.param.startswith("ast"):
        reference = request.getfixturevalue("reference")
        return ast_wcs(reference, "pcapsf_polywcs" if request.param == "ast" else "kernelpsf_even")
    return FitsWcs({"tan": tan_cards, "sip": sip_cards, "tpv": tpv_cards}[request.param]())


def test_pixels_come_back(wcs):
    """1e-7 px is the accuracy of right ascensions in doubles, with a margin."""
    x, y = np.random.default_rng(2).uniform(0, 600, (2, 500))
    ra, dec = wcs.pixel_to_sky(x, y)
    assert ra.min() >= 0.0
    assert ra.max() < 360.0
    np.testing.assert_allclose(wcs.sky_to_pixel(ra, dec), [x, y], rtol=0, atol=1e-7)


def test_right_ascensions_are_taken_modulo_a_turn(wcs):
    x, y = np.array([5.0, 100.0]), np.array([7.0, 300.0])
    ra, dec = wcs.pixel_to_sky(x, y)
    for turns in (-360.0, 360.0):
        np.testing.assert_allclose(wcs.sky_to_pixel(ra + turns, dec), [x, y], rtol=0, atol=1e-6)


HOSTILE_SKY = [
    (np.nan, 2.0),
    (150.0, np.nan),
    (np.inf, 2.0),
    (150.0, -np.inf),
    (1e300, 2.0),
    (150.0, 1e300),
    (150.0, 90.0001),
    (150.0, -91.0),
]


def test_hostile_sky_positions_are_nan_and_spoil_no_neighbour(wcs):
    x0, y0 = np.array([20.0]), np.array([30.0])
    good_ra, good_dec = wcs.pixel_to_sky(x0, y0)
    alone = wcs.sky_to_pixel(good_ra, good_dec)
    ra, dec = np.array([*HOSTILE_SKY, (good_ra[0], good_dec[0])]).T
    x, y = wcs.sky_to_pixel(ra, dec)
    assert np.isnan(x[:-1]).all()
    assert np.isnan(y[:-1]).all()
    assert (x[-1], y[-1]) == (alone[0][0], alone[1][0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, -1e300])
def test_hostile_pixels_are_nan(wcs, bad):
    ra, dec = wcs.pixel_to_sky(np.array([bad, 5.0]), np.array([5.0, bad]))
    assert np.isnan(ra).all()
    assert np.isnan(dec).all()


def test_the_far_side_of_the_sky_is_nan(wcs):
    x, y = np.random.default_rng(3).uniform(0, 600, (2, 50))
    ra, dec = wcs.pixel_to_sky(x, y)
    x, y = wcs.sky_to_pixel(ra + 180.0, -dec)
    assert np.isnan(x).all()
    assert np.isnan(y).all()


def test_no_position_far_away_lands_on_the_image(wcs):
    """Polynomials have false roots far from where they were fitted."""
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0, 360, 20_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000)))
    ra0, dec0 = wcs.pixel_to_sky(np.array([300.0]), np.array([300.0]))
    far = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(ra0, dec0, unit="deg")).deg > 0.5
    x, y = wcs.sky_to_pixel(ra[far], dec[far])
    assert not (np.hypot(x - 300.0, y - 300.0) < 1000.0).any()
    assert far.sum() > 19_000


def test_the_poles_and_no_positions_at_all_are_fine(wcs):
    x, y = wcs.sky_to_pixel(np.array([0.0, 77.0]), np.array([90.0, -90.0]))
    assert not (np.hypot(x, y) < 2000.0).any()
    none = np.zeros(0)
    assert wcs.sky_to_pixel(none, none)[0].shape == wcs.pixel_to_sky(none, none)[1].shape == (0,)


def test_threads_share_a_projection(wcs):
    rng = np.random.default_rng(6)
    x, y = rng.uniform(0, 600, (2, 200))
    ra, dec = wcs.pixel_to_sky(x, y)
    expected = wcs.sky_to_pixel(ra, dec)
    results, faults = [], []

    def work():
        try:
            for _ in range(20):
                results.append(wcs.sky_to_pixel(ra, dec))
                wcs.pixel_to_sky(x, y)
        except Exception as fault:  # noqa: BLE001 - whatever it is fails the test below
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(results) == 160
    for found in results:
        np.testing.assert_array_equal(found, expected)


def test_a_pole_in_the_field_is_projected():
    wcs = FitsWcs(tan_cards(ra=0.0, dec=89.999))
    x, y = wcs.sky_to_pixel(np.array([10.0, 190.0]), np.array([90.0, 89.9999]))
    assert np.isfinite([x, y]).all()
    ra, dec = wcs.pixel_to_sky(x, y)
    assert dec[0] == pytest.approx(90.0, abs=1e-9)
    assert (ra[1], dec[1]) == (pytest.approx(190.0, abs=1e-6), pytest.approx(89.9999, abs=1e-9))


def test_ast_text_survives_pickling(reference):
    wcs = ast_wcs(reference)
    again = pickle.loads(pickle.dumps(wcs))  # noqa: S301 - made here
    x = y = np.array([10.0])
    np.testing.assert_array_equal(again.pixel_to_sky(x, y), wcs.pixel_to_sky(x, y))


def test_text_that_is_no_ast_is_refused():
    with pytest.raises(ReadError, match="no AST text"):
        AstWcs("SIMPLE = T")


def test_tan_pixels_are_gnomonic():
    """x = -cos(dec) sin(ra - ra0) / cos(c): Calabretta & Greisen 2002, A&A 395, 1077, eq. 54."""
    wcs = FitsWcs(tan_cards(), xy0=(100, 200))
    ra, dec = np.array([150.1]), np.array([1.95])
    a, d, d0 = np.radians([ra[0] - 150.0, dec[0], 2.0])
    cosine = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a)
    u = np.degrees(np.cos(d) * np.sin(a) / cosine)
    v = np.degrees((np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a)) / cosine)
    x, y = wcs.sky_to_pixel(ra, dec)
    # FITS pixel 1001 is array index 1000, and the first pixel is (100, 200).
    np.testing.assert_allclose([x[0], y[0]], [1100.0 - u / SCALE, 1200.0 + v / SCALE], rtol=0, atol=1e-8)


@pytest.mark.parametrize("cards", [sip_cards, tpv_cards])
def test_distortions_are_astropy_s(cards):
    theirs = WCS(fits.Header(cards()))
    x, y = np.random.default_rng(7).uniform(0, 2000, (2, 100))
    ra, dec = FitsWcs(cards()).pixel_to_sky(x, y)
    np.testing.assert_allclose([ra, dec], theirs.all_pix2world(x, y, 0), rtol=0, atol=1e-12)


def test_sip_is_left_out_where_ctype_does_not_name_it():
    cards = sip_cards(CTYPE1="RA---TAN", CTYPE2="DEC--TAN")
    x, y = np.array([1700.0]), np.array([400.0])
    np.testing.assert_array_equal(FitsWcs(cards).pixel_to_sky(x, y), FitsWcs(tan_cards()).pixel_to_sky(x, y))


def test_a_distortion_that_cannot_be_inverted_is_nan_there_only():
    # x + 1e-3 (x - 1000)^2 turns back at x = 500.
    cards = sip_cards(A_2_0=1e-3)
    wcs = FitsWcs(cards)
    ra, dec = FitsWcs(tan_cards()).pixel_to_sky(np.array([1010.0, 0.0]), np.array([1000.0, 1000.0]))
    x, _ = wcs.sky_to_pixel(ra, dec)
    assert x[0] == pytest.approx(1009.9, abs=0.1)
    assert np.isnan(x[1])


@pytest.mark.parametrize(
    ("more", "frame"),
    [
        ({"RADESYS": "FK5", "EQUINOX": 2000.0}, "fk5"),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, "fk4"),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "galactic"),
    ],
)
def test_other_celestial_systems_become_icrs(more, frame):
    cards = tan_cards(**more)
    wcs = FitsWcs(cards)
    x, y = np.array([0.0, 900.0]), np.array([0.0, 1500.0])
    lon, lat = WCS(fits.Header(cards)).all_pix2world(x, y, 0)
    expected = SkyCoord(lon, lat, unit="deg", frame=frame).icrs
    np.testing.assert_allclose(
        wcs.pixel_to_sky(x, y), [expected.ra.deg, expected.dec.deg], rtol=0, atol=1e-10
    )
    np.testing.assert_allclose(wcs.sky_to_pixel(expected.ra.deg, expected.dec.deg), [x, y], rtol=0, atol=1e-4)


def test_latitude_may_be_the_first_axis():
    cards = tan_cards(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.0, CRVAL2=150.0)
    x, y = FitsWcs(cards).sky_to_pixel(np.array([150.0]), np.array([2.0]))
    np.testing.assert_allclose([x[0], y[0]], [1000.0, 1000.0], rtol=0, atol=1e-8)


def test_units_and_old_spellings_of_cards_need_no_mending():
    cards = tan_cards(CUNIT1="degree", CUNIT2="DEG", RADECSYS="ICRS", CRVAL1="150.0")
    del cards["RADESYS"]
    x = y = np.array([3.0])
    np.testing.assert_array_equal(FitsWcs(cards).pixel_to_sky(x, y), FitsWcs(tan_cards()).pixel_to_sky(x, y))


def test_a_ready_wcs_is_taken_as_it_is():
    ready = WCS(fits.Header(tan_cards()))
    assert FitsWcs(ready).wcs is ready


@pytest.mark.parametrize(
    ("cards", "error", "message"),
    [
        ({}, ReadError, "no celestial WCS"),
        (tan_cards(CTYPE1="LINEAR"), ReadError, "CTYPE1, CTYPE2 are"),
        (tan_cards(CD1_1=0.0), ReadError, "cannot be used"),
        (tan_cards(CRVAL1="x"), ReadError, "CRVAL1 is 'x' where a number is expected"),
        (tan_cards(CTYPE1="RA---XYZ", CTYPE2="DEC--XYZ"), ReadError, "cannot be used"),
        (tan_cards(CRVAL1="inf"), ReadError, "cannot be used"),
        (tan_cards(CPDIS1="LOOKUP"), ReadError, "look-up table"),
        (sip_cards(AP_ORDER=10**9), FileLimitError, "AP_ORDER is 1000000000; forcedsql reads at most 9"),
        (tan_cards(RADESYS="MOON"), ReadError, "no known celestial system"),
    ],
)
def test_unusable_headers_are_refused(cards, error, message):
    with pytest.raises(error, match=message) as caught:
        FitsWcs(cards)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("types", "found"),
    [
        (("RA---TAN", "DEC--TAN"), True),
        (("GLON-CAR", "GLAT-CAR"), True),
        (("DEC--TAN", "RA---TAN"), True),
        (("LINEAR", "LINEAR"), False),
        (("RA---TAN", "FREQ"), False),
        (("", ""), False),
    ],
)
def test_sky_cards_are_told_from_others(types, found):
    assert has_sky_cards(dict(zip(("CTYPE1", "CTYPE2"), types, strict=True))) is found


def test_a_projection_of_ast_text_shows_itself_briefly():
    text = FitsProjection(crval=(150.0, 2.0), crpix=(1001.0, 1001.0), cd=SCALE * np.eye(2)).ast_text()
    assert repr(AstWcs(text)) == f"AstWcs(<{len(text)} characters of AST text>)"
