"""AST text and FITS cards of sky projections, against astropy's wcslib."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from forcedsql.errors import ForcedSQLError
from forcedsql.wcs import AstWcs, FitsWcs
from forcedsql.writer.projection import FitsProjection, approximate_cards, ast_text_of, origin_cards

XY0 = (1234, -87)
SCALE = 0.2 / 3600.0

TAN = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRPIX1": 267.25,
    "CRPIX2": 288.5,
    "CRVAL1": 62.123456789,
    "CRVAL2": -37.7,
    "CD1_1": -0.8 * SCALE,
    "CD1_2": 0.6 * SCALE,
    "CD2_1": 0.6 * SCALE,
    "CD2_2": 0.8 * SCALE,
}
SIP = TAN | {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 3,
    "B_ORDER": 2,
    "A_2_0": 2.2e-6,
    "A_1_1": 3.4e-6,
    "A_0_3": -5e-10,
    "B_2_0": -1.1e-6,
    "B_0_2": 4.9e-6,
}
OTHERS = {
    "stereographic": TAN | {"CTYPE1": "RA---STG", "CTYPE2": "DEC--STG"},
    "zenithal polynomial": TAN | {"CTYPE1": "RA---ZPN", "CTYPE2": "DEC--ZPN", "PV2_1": 1.0, "PV2_3": -50.0},
    "turned pole": TAN | {"LONPOLE": 150.0},
    "FK5 of 2000": TAN | {"RADESYS": "FK5", "EQUINOX": 2000.0},
    "over the pole": TAN | {"CRVAL2": 89.99},
    "at RA 0": TAN | {"CRVAL1": 0.001},
}
# Conversion between FK5 and ICRS: astropy and AST take slightly different rotations, a micro-arcsecond
# apart; the others differ by rounding of two libraries' trigonometry.
TOLERANCE = {"FK5 of 2000": 1e-4}


def grid():
    x, y = np.meshgrid(np.linspace(0, 600, 5) + XY0[0], np.linspace(0, 560, 5) + XY0[1])
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("cards", [TAN, SIP, *OTHERS.values()], ids=["TAN", "TAN-SIP", *OTHERS])
def test_a_header_projection_becomes_an_equal_ast_one(cards, request):
    wcs = FitsWcs(cards, XY0)
    same = AstWcs(ast_text_of(wcs))
    x, y = grid()
    ra, dec = wcs.pixel_to_sky(x, y)
    tolerance = TOLERANCE.get(request.node.callspec.id, 1e-8)
    np.testing.assert_allclose(same.sky_to_pixel(ra, dec), (x, y), rtol=0, atol=tolerance)


def test_ast_text_is_kept_as_it_is():
    text = ast_text_of(FitsWcs(SIP, XY0))
    assert ast_text_of(AstWcs("1 SkyWcs 0  " + text)) == text


def test_comments_of_ast_text_are_left_out():
    text = ast_text_of(FitsWcs(SIP, XY0))
    commented = "\n".join(f"{line}\t# why" for line in text.splitlines())
    assert ast_text_of(AstWcs(commented)) == text


def test_frames_are_those_of_lsst():
    text = ast_text_of(FitsWcs(TAN, XY0))
    domains = [line.split('"')[1] for line in text.splitlines() if line.strip().startswith("Domain")]
    assert domains == ["PIXELS", "IWC"]
    assert text.startswith("Begin FrameSet")
    assert text.rstrip().endswith("End FrameSet")
    assert "Nframe = 3" in text


@pytest.mark.parametrize("cards", [TAN, SIP], ids=["TAN", "TAN-SIP"])
def test_fits_cards_say_the_same_in_pixels_of_the_image(cards):
    text = ast_text_of(FitsWcs(cards, XY0))
    header = fits.Header([fits.Card(*card) for card in approximate_cards(text, XY0)])
    x, y = grid()
    local = WCS(header).all_pix2world(x - XY0[0], y - XY0[1], 0)
    ra, dec = AstWcs(text).pixel_to_sky(x, y)
    # Cards have 15 digits: 1e-13 degrees, 1e-9 pixels.
    np.testing.assert_allclose(local, (ra, dec), rtol=0, atol=1e-12)
    assert header["CTYPE1"] == cards["CTYPE1"]


def test_a_projection_that_fits_has_no_words_for_gets_no_cards(reference):
    with fits.open(reference / "pcapsf_polywcs" / "exposure.fits") as hdus:
        text = bytes(hdus["SkyWcs"].data["wcs"][0]).decode()
    assert approximate_cards(AstWcs(text).text[text.index("Begin") :], (0, 0)) == []


def test_the_distortion_is_inverted_to_its_own_precision():
    projection = FitsProjection(
        crval=(53.0, -28.0), crpix=(300.0, 300.0), cd=SCALE * np.eye(2), a={(2, 0): 1e-5}
    )
    wcs = AstWcs(projection.ast_text())
    x, y = grid()
    # 1e-5 u^2 moves the corners by 12 pixels; a fitted inverse would be off by 1e-6 of that.
    np.testing.assert_allclose(wcs.sky_to_pixel(*wcs.pixel_to_sky(x, y)), (x, y), rtol=0, atol=1e-8)


def test_the_origin_is_the_value_at_the_first_pixel():
    cards = {keyword: value for keyword, value, _ in origin_cards(XY0)}
    assert [cards[k] for k in ("CRPIX1A", "CRPIX2A", "CRVAL1A", "CRVAL2A")] == [1.0, 1.0, 1234.0, -87.0]


def test_galactic_axes_and_foreign_classes_are_refused():
    galactic = TAN | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}
    with pytest.raises(ForcedSQLError, match="GLON-TAN"):
        ast_text_of(FitsWcs(galactic))
    with pytest.raises(ForcedSQLError, match="of class object"):
        ast_text_of(object())


def test_a_projection_that_ast_does_not_know_is_refused():
    projection = FitsProjection(crval=(53.0, -28.0), crpix=(1.0, 1.0), cd=SCALE * np.eye(2), code="XYZ")
    with pytest.raises(ForcedSQLError, match="projection of type 'XYZ'"):
        projection.ast_text()
