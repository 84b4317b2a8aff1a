"""The afw reader on files made for one question each."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import FileLimitError, MissingComponentError, ReadError, UnsupportedError
from forcedsql.readers import open_exposure
from forcedsql.wcs import AstWcs, FitsWcs
from tests.readers.afw_file import TAN_AST_TEXT

TAN_CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 40.0,
    "CRVAL2": -10.0,
    "CRPIX1": 3.0,
    "CRPIX2": 2.0,
    "CDELT1": -5e-5,
    "CDELT2": 5e-5,
}


def test_uncompressed_planes_lose_infinities_denormals_and_negative_zeros(afw, opened):
    afw.image[0, :5] = [np.inf, -np.inf, 1e-40, -0.0, np.nan]
    image = opened().image
    np.testing.assert_array_equal(image[0, :5], np.array([np.nan, np.nan, 0, 0, np.nan], np.float32))
    assert not np.signbit(image[0, 2:4]).any()


def test_compressed_planes_keep_them(afw, opened):
    afw.compressed = True
    afw.image[0, :4] = [np.inf, -np.inf, 1e-40, -0.0]
    image = opened().image
    np.testing.assert_array_equal(image[0, :3], np.array([np.inf, -np.inf, 1e-40], np.float32))
    assert np.signbit(image[0, 3])


def test_double_precision_planes_become_single(afw, opened):
    afw.image = np.full((6, 8), 1.0 + 1e-12)
    afw.image[0, 0] = 1e300
    image = opened().image
    assert image.dtype == np.float32
    assert image[1, 1] == 1.0
    assert image[0, 0] == np.inf


def test_a_mask_of_unsigned_short_integers_is_read(afw, opened):
    afw.mask = np.full((6, 8), 0x8001, np.uint16)
    assert (opened().mask == 0x8001).all()


def test_planes_are_found_by_their_type_not_by_their_order(afw, opened):
    afw.image_cards["EXTTYPE"] = "MASK"
    afw.mask_cards["EXTTYPE"] = "IMAGE"
    afw.image, afw.mask = afw.mask, afw.image
    afw.mask_cards["INHERIT"] = True
    assert (opened().image == 1.0).all()


def test_planes_without_a_type_are_found_by_their_order(afw, opened):
    afw.image_cards["EXTTYPE"] = "NONE"
    assert (opened().image == 1.0).all()


def test_a_plane_of_another_size_is_refused(afw, opened):
    afw.variance = np.zeros((6, 7), np.float32)
    with pytest.raises(ReadError, match="variance"):
        opened()


def test_a_mask_of_floats_is_refused(afw, opened):
    afw.mask = np.zeros((6, 8), np.float32)
    with pytest.raises(ReadError, match="a mask has integers of at most 32 bits"):
        opened()


def test_a_mask_plane_beyond_32_bits_is_refused(afw, opened):
    afw.mask_cards["MP_FAR"] = 32
    with pytest.raises(ReadError, match="MP_FAR is 32"):
        opened()


@pytest.mark.parametrize(("crpix", "origin"), [(1.0, (-7, 11)), (1.5, (0, 0)), (2.0, (0, 0))])
def test_the_origin_counts_only_where_both_reference_pixels_are_one(afw, opened, crpix, origin):
    afw.image_cards.update({"CRPIX1A": 1.0, "CRPIX2A": crpix, "CRVAL1A": -7.0, "CRVAL2A": 11.0})
    assert opened().xy0 == origin


def test_an_origin_out_of_range_is_refused(afw, opened):
    afw.image_cards.update({"CRPIX1A": 1, "CRPIX2A": 1, "CRVAL1A": 1e300, "CRVAL2A": 0})
    with pytest.raises(ReadError, match="origin"):
        opened()


def test_an_image_larger_than_the_limit_is_refused_before_it_is_allocated(afw, tmp_path):
    from forcedsql.readers import open_exposure

    afw.compressed = True
    path = afw.write(tmp_path / "huge.fits")
    content = path.read_bytes()
    for axis in (1, 2):
        card = f"ZNAXIS{axis} ="
        at = content.index(card.encode())
        content = content[:at] + f"{card} {900_000:20d}".ljust(80).encode() + content[at + 80 :]
    path.write_bytes(content)
    with pytest.raises(FileLimitError, match="810000000000; forcedsql reads at most 400000000"):
        open_exposure(path)


@pytest.mark.parametrize("place", ["image_cards", "primary"])
def test_the_unit_is_that_of_the_image_or_else_the_primary_header(afw, opened, place):
    getattr(afw, place)["BUNIT"] = "nJy"
    assert opened().unit == "nJy"


def test_with_inherit_the_primary_header_describes_the_exposure(afw, opened):
    afw.primary["EXPTIME"] = 15.0
    afw.image_cards["EXPTIME"] = 99.0
    assert opened().info.exposure_time == 15.0


def test_without_inherit_the_image_header_does(afw, opened):
    del afw.image_cards["INHERIT"]
    afw.primary["EXPTIME"] = 15.0
    afw.image_cards["EXPTIME"] = "99.0"
    assert opened().info.exposure_time == 99.0


@pytest.mark.parametrize(("timesys", "mjd"), [("TAI", 60000.25), ("UTC", None), (None, None)])
def test_the_date_counts_where_it_is_tai(afw, opened, timesys, mjd):
    afw.primary["DATE-AVG"] = "2023-02-25T06:00:00.000000000"
    if timesys:
        afw.primary["TIMESYS"] = timesys
    assert opened().info.mjd == mjd


def test_the_data_id_of_the_butler_is_read(afw, opened):
    afw.primary.update(
        {
            f"LSST BUTLER DATAID {name}": value
            for name, value in (("TRACT", 5063), ("PATCH", 14), ("BAND", "i"))
        }
    )
    info = opened().info
    assert (info.tract, info.patch, info.band) == (5063, "14", "i")


@pytest.mark.parametrize(
    ("dataset_type", "difference"),
    [("difference_image", True), ("goodSeeingDiff_differenceExp", True), ("visit_image", False), ("", False)],
)
def test_the_dataset_type_of_the_butler_is_read(afw, opened, dataset_type, difference):
    if dataset_type:
        afw.primary["LSST BUTLER DATASETTYPE"] = dataset_type
    info = opened().info
    assert (info.dataset_type, info.is_difference) == (dataset_type, difference)


@pytest.mark.parametrize(
    ("card", "band", "physical"),
    [("r", "r", ""), ("HSC-R2", "", "HSC-R2"), ("N921", "N921", ""), ("_unknown_", "", "")],
)
def test_the_filter_card_of_older_files_is_a_band_or_a_physical_filter(afw, opened, card, band, physical):
    afw.primary.update(EXPINFO_V=1, FILTER=card)
    info = opened().info
    assert (info.band, info.physical_filter) == (band, physical)


def test_the_archive_s_projection_takes_precedence_over_the_header_s(afw, opened):
    afw.image_cards.update(TAN_CARDS)
    afw.add_wcs()
    wcs = opened().wcs
    assert isinstance(wcs, AstWcs)
    assert wcs.text == TAN_AST_TEXT


def test_the_header_s_projection_counts_from_the_origin(afw, opened):
    afw.image_cards.update(TAN_CARDS)
    afw.image_cards.update({"CRPIX1A": 1, "CRPIX2A": 1, "CRVAL1A": 100, "CRVAL2A": 200})
    exposure = opened()
    assert isinstance(exposure.wcs, FitsWcs)
    # FITS pixel (3, 2) is array element [1, 2].
    x, y = exposure.wcs.sky_to_pixel(np.array([40.0]), np.array([-10.0]))
    np.testing.assert_allclose([x[0], y[0]], [102.0, 201.0], rtol=0, atol=1e-9)


def test_an_unknown_projection_in_the_archive_is_not_replaced_by_the_header_s(afw, opened):
    afw.image_cards.update(TAN_CARDS)
    afw.primary["SKYWCS_ID"] = afw.add_object("FancyWcs", a=("J", [1]))
    exposure = opened()
    assert exposure.wcs is None
    with pytest.raises(UnsupportedError, match="wcs is a FancyWcs"):
        exposure.require_wcs()


def test_an_unknown_ast_class_makes_the_projection_unsupported(afw, opened):
    afw.add_wcs(TAN_AST_TEXT.replace("ZoomMap", "MathMap"))
    assert dict(opened().unsupported) == {"wcs": "SkyWcs with AST MathMap"}


def test_no_projection_at_all_is_a_missing_component(afw, opened):
    exposure = opened()
    assert exposure.wcs is None
    with pytest.raises(MissingComponentError):
        exposure.require_wcs()


@pytest.mark.parametrize(
    "text", ["", "1 SkyWcs 0 Begin FrameSet", "Begin Nonsense\nEnd Nonsense", "\xff\x00"]
)
def test_damaged_ast_text_is_refused_at_reading_time(afw, opened, text):
    afw.add_wcs(text or "x")
    with pytest.raises(ReadError):
        opened()


def test_ids_are_read_from_either_spelling(afw, opened):
    sky_wcs = afw.add_wcs()
    del afw.primary["SKYWCS_ID"]
    afw.primary["ARCHIVE_ID_SKYWCS"] = sky_wcs
    assert opened().wcs is not None


def test_an_id_that_is_no_number_is_refused(afw, opened):
    afw.add_wcs()
    afw.primary["SKYWCS_ID"] = "one"
    with pytest.raises(ReadError, match="SKYWCS_ID is 'one'"):
        opened()


def test_the_zero_point_of_version_0_gives_the_calibration(afw, opened):
    del afw.primary["EXPINFO_V"]
    afw.primary.update(FLUXMAG0=1e12, FLUXMAG0ERR=1e10)
    calib = opened().photo_calib
    # AB magnitude 0 is 10^(-48.6/2.5) erg s^-1 cm^-2 Hz^-1 = 3.630780547701e12 nJy.
    assert calib.mean == pytest.approx(3.630780547701, rel=1e-12)
    assert calib.error == pytest.approx(0.03630780547701, rel=1e-12)


def test_a_zero_point_of_zero_is_no_calibration(afw, opened):
    del afw.primary["EXPINFO_V"]
    afw.primary["FLUXMAG0"] = 0.0
    assert opened().photo_calib is None


def test_planes_that_are_named_twice_are_refused(afw, tmp_path):
    path = afw.write(tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        for hdu, name in zip(hdus[1:], ("MASK", "X", "Y"), strict=False):
            hdu.header["EXTTYPE"] = name
    with pytest.raises(ReadError, match=r"EXTTYPE cards name \['MASK', 'X', 'Y'\]"):
        open_exposure(path)


def test_an_origin_that_is_no_number_is_none(afw, opened):
    afw.image_cards |= {"CRPIX1A": 1, "CRPIX2A": 1, "CRVAL1A": "x", "CRVAL2A": 3}
    assert opened().xy0 == (0, 0)


def test_visit_0_of_the_data_id_stands_above_the_number_of_the_exposure(afw, opened):
    afw.primary |= {"IDNUM": 7, "LSST BUTLER DATAID VISIT": 0}
    assert opened().info.visit == 0
