"""Plain FITS images as users have them: found by convention, by options, or refused in one line."""

import bz2
import random
import re
from contextlib import suppress

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time

from forcedsql.errors import ConfigError, DatabaseError, FileLimitError, ReadError
from forcedsql.open_options import OpenOptions
from forcedsql.psf.psfex import PsfexPsf
from forcedsql.readers import limits, open_exposure
from forcedsql.readers.lazy import open_lazily
from tests.readers.plain.plain_file import SHAPE, SIGMA, WCS, image_hdu, noise, write, write_one
from tests.readers.psfex_writer import write_psf

FLAT = np.full(SHAPE, SIGMA**2, np.float32)


def has(exposure, plane):
    return (exposure.mask >> exposure.mask_planes[plane]) & 1 != 0


def opened(path, **options):
    return open_exposure(path, options=OpenOptions(**options))


def side_file(path, values, **cards):
    fits.PrimaryHDU(values, fits.Header(cards)).writeto(path)
    return path


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("VARIANCE", FLAT),
        ("VAR", FLAT),
        ("ERR", np.sqrt(FLAT)),
        ("RMS", np.sqrt(FLAT)),
        ("IVAR", 1 / FLAT),
        ("INVVAR", 1 / FLAT),
    ],
)
def test_error_images_are_found_by_the_name_of_their_hdu(tmp_path, name, values):
    path = write(tmp_path / "a.fits", image_hdu(name="SCI"), image_hdu(values, name=name))
    exposure = opened(path)
    np.testing.assert_allclose(exposure.variance, FLAT, rtol=1e-6)
    assert "found by its name" in exposure.origins["error"]
    assert "DOUBTFUL" not in exposure.origins["error"]


@pytest.mark.parametrize(
    ("image", "error", "values", "words"),
    [
        ("c4d_1_ooi_z.fits", "c4d_1_oow_z.fits", 1 / FLAT, "inverse variance"),
        ("a.fits", "a.weight.fits", 3 / FLAT, "relative weight, scaled"),
        ("a.fits.gz", "a.weight.fits.gz", 3 / FLAT, "relative weight, scaled"),
        ("a.fits", "a.rms.fits", np.sqrt(FLAT), "rms"),
        ("brick-image-r.fits", "brick-invvar-r.fits", 1 / FLAT, "inverse variance"),
        ("f_drz_sci.fits", "f_drz_wht.fits", 3 / FLAT, "relative weight"),
    ],
)
def test_error_images_are_found_by_the_name_of_their_file(tmp_path, image, error, values, words):
    side_file(tmp_path / error, values.astype(np.float32))
    exposure = opened(write_one(tmp_path / image))
    assert exposure.origins["error"].startswith(words)
    # A weight is scaled by the noise of 4,800 pixels, which is known to some 2 %.
    np.testing.assert_allclose(exposure.variance, FLAT, rtol=0.15)


def test_a_wrong_kind_of_error_is_called_doubtful(tmp_path):
    path = write(tmp_path / "a.fits", image_hdu(name="SCI"), image_hdu(FLAT, name="NOISE"))
    assert "DOUBTFUL" not in opened(path, error="[NOISE]", error_kind="variance").origins["error"]
    words = opened(path, error="[NOISE]", error_kind="rms").origins["error"]
    assert "the sky's own noise is 0.2" in words
    assert words.endswith("DOUBTFUL")


def test_an_error_image_of_no_known_kind_needs_one(tmp_path):
    side_file(tmp_path / "e.fits", FLAT)
    path = write_one(tmp_path / "a.fits")
    with pytest.raises(ConfigError, match=r"e.fits\[0\] may hold anything; say error_kind"):
        opened(path, error="e.fits")


def test_pixels_without_weight_have_infinite_variance_and_no_data(tmp_path):
    weight = 1 / FLAT
    weight[3, 4], weight[5, 6], weight[7, 8] = 0, -1, np.nan
    mask = np.zeros(SHAPE, np.int16)
    mask[5, 6] = 1
    hdus = image_hdu(name="SCI"), image_hdu(weight, name="IVAR"), image_hdu(mask, name="DQ")
    exposure = opened(write(tmp_path / "a.fits", *hdus))
    assert np.isinf(exposure.variance[[3, 5, 7], [4, 6, 8]]).all()
    assert np.argwhere(has(exposure, "NO_DATA")).tolist() == [[3, 4], [7, 8]]
    assert np.argwhere(has(exposure, "BAD")).tolist() == [[5, 6]]


def test_pixels_that_are_not_finite_or_blank_have_no_data(tmp_path):
    data = noise()
    data[2, 3] = np.nan
    assert np.argwhere(has(opened(write_one(tmp_path / "a.fits", data)), "NO_DATA")).tolist() == [[2, 3]]
    whole = np.round(noise(sigma=50)).astype(np.int16)
    whole[4, 5] = -999
    exposure = opened(write_one(tmp_path / "b.fits", whole, BLANK=-999))
    assert np.isnan(exposure.image[4, 5])
    assert np.argwhere(has(exposure, "NO_DATA")).tolist() == [[4, 5]]


def test_saturated_pixels_are_found_by_a_level_or_its_card(tmp_path):
    data = noise()
    data[2, 3] = 1e4
    path = write_one(tmp_path / "a.fits", data, SATURATE=9e3)
    for level in (9e3, "SATURATE"):
        assert np.argwhere(has(opened(path, saturation=level), "SAT")).tolist() == [[2, 3]]
    assert not has(opened(path), "SAT").any()


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_pixels_of_every_type_are_read(tmp_path, kind):
    data = np.round(noise() * 10 + 1000).astype(kind)
    np.testing.assert_array_equal(opened(write_one(tmp_path / "a.fits", data)).image, data.astype(np.float32))


def test_an_image_packed_by_bzip2_is_read(tmp_path):
    path = tmp_path / "a.fits.bz2"
    path.write_bytes(bz2.compress(write_one(tmp_path / "a.fits").read_bytes()))
    np.testing.assert_array_equal(opened(path).image, noise())


def test_scaled_and_compressed_pixels_are_read(tmp_path):
    data = np.round(noise() * 10).astype(np.int16)
    hdu = fits.PrimaryHDU(data.copy(), image_hdu().header)
    hdu.scale("int16", bscale=2.0, bzero=10.0)
    hdu.writeto(tmp_path / "scaled.fits")
    np.testing.assert_allclose(opened(tmp_path / "scaled.fits").image, data, atol=1.0)
    packed = fits.CompImageHDU(data, image_hdu().header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(tmp_path / "a.fits.fz")
    exposure = opened(tmp_path / "a.fits.fz")
    np.testing.assert_array_equal(exposure.image, data)
    assert exposure.wcs is not None


def test_a_pedestal_is_taken_off(tmp_path):
    path = write_one(tmp_path / "a.fits", noise() + 1000, SOFTBIAS=1000)
    np.testing.assert_allclose(opened(path, pedestal="SOFTBIAS").image, noise(), atol=1e-3)


def test_the_state_of_the_background_is_told(tmp_path):
    assert opened(write_one(tmp_path / "a.fits")).origins["background"].startswith("subtracted, its level is")
    path = write_one(tmp_path / "b.fits", noise() + 100)
    assert opened(path).origins["background"].startswith("still in the image, its level is 99.9")
    words = opened(path, background="subtracted").origins["background"]
    assert words.startswith("said to be subtracted, but")


def test_galactic_and_fk5_projections_are_turned_to_icrs(tmp_path):
    galactic = {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 18.0, "CRVAL2": 0.5}
    exposure = opened(write_one(tmp_path / "a.fits", **galactic))
    ra, dec = exposure.wcs.pixel_to_sky(np.array([39.5]), np.array([29.5]))
    expected = SkyCoord(18.0, 0.5, unit="deg", frame="galactic").icrs
    assert (ra[0], dec[0]) == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-9)
    exposure = opened(write_one(tmp_path / "b.fits", RADESYS="FK5", EQUINOX=2000.0))
    ra, dec = exposure.wcs.pixel_to_sky(np.array([39.5]), np.array([29.5]))
    expected = SkyCoord(150.0, 2.0, unit="deg", frame="fk5").icrs
    assert (ra[0], dec[0]) == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-10)


def test_the_projection_may_come_from_another_file(tmp_path):
    fits.PrimaryHDU(header=fits.Header(WCS)).writeto(tmp_path / "sky.fits")
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(noise()).writeto(path)
    assert opened(path).wcs is None
    assert opened(path, wcs="sky.fits[0]").wcs is not None


def test_band_time_and_numbers_are_those_of_the_header(tmp_path):
    cards = {"FILTER": "r SDSS c01", "MJD__OBS": 58000.5, "EXPTIME": 120.0, "EXPNO": 77, "CHIP": 5}
    info = opened(write_one(tmp_path / "a.fits", **cards), visit="EXPNO", detector="CHIP").info
    assert (info.band, info.physical_filter, info.visit, info.detector) == ("r", "r SDSS c01", 77, 5)
    assert info.mjd == pytest.approx(Time(58000.5 + 60 / 86400, format="mjd", scale="utc").tai.mjd, abs=1e-9)
    info = opened(write_one(tmp_path / "b.fits", TIMESYS="TAI", **cards), band="i").info
    assert (info.band, info.mjd) == ("i", pytest.approx(58000.5 + 60 / 86400, abs=1e-9))


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"DATE__OBS": "2025-01-20T22:10:00", "EXPTIME": 60.0}, "2025-01-20T22:10:30"),
        ({"DATE__BEG": "2025-01-20T22:10:00.25"}, "2025-01-20T22:10:00.25"),
        ({"DATE__AVG": "2025-01-20T22:11", "DATE__OBS": "2025-01-20T22:10:00"}, "2025-01-20T22:11:00"),
        ({"DATE__OBS": "2025-01-20"}, None),
        ({"DATE__OBS": "2025-13-20T22:10:00"}, None),
        ({"DATE__OBS": "20/01/97"}, None),
    ],
)
def test_a_date_with_its_time_says_when_the_exposure_was_taken(tmp_path, cards, expected):
    mjd = opened(write_one(tmp_path / "a.fits", **cards)).info.mjd
    if expected is None:
        assert mjd is None
    else:
        assert mjd == pytest.approx(Time(expected, scale="utc").tai.mjd, abs=1e-9)


def test_the_image_may_be_named_and_its_error_belongs_to_the_same_version(tmp_path):
    hdus = []
    for version, level in ((1, 4.0), (2, 25.0)):
        for name, values in (("SCI", noise(version)), ("VAR", np.full(SHAPE, level, np.float32))):
            hdus.append(image_hdu(values, name=name, EXTVER=version))
    path = write(tmp_path / "a.fits", *hdus)
    first, second = opened(path), opened(path, science="SCI,2")
    assert (first.variance[0, 0], second.variance[0, 0]) == (4.0, 25.0)
    assert "the first of 2 images" in first.origins["image"]
    np.testing.assert_array_equal(second.image, noise(2))
    np.testing.assert_array_equal(opened(path, science="3").image, noise(2))


def test_no_psf_leaves_apertures_and_says_so(tmp_path):
    exposure = opened(write_one(tmp_path / "a.fits"))
    assert exposure.psf is None
    assert "apertures and flags only" in exposure.origins["PSF"]
    exposure = opened(tmp_path / "a.fits", psf="moffat:1.8arcsec,3.5")
    assert exposure.psf is not None


def test_without_a_survey_options_can_forbid_its_profile(tmp_path):
    path = tmp_path / "c4d_1_ooi_z.fits"
    write_one(path, INSTRUME="DECam", MAGZERO=30.0)
    side_file(tmp_path / "c4d_1_oow_z.fits", (1 / FLAT).astype(np.float32))
    assert "profile decam (recognised)" in opened(path).origins["image"]
    assert "profile" not in opened(path, profile="none").origins["image"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"error": "none.fits", "error_kind": "rms"}, ReadError, "error: there is no file 'none.fits' here"),
        ({"error": "[WHT]", "error_kind": "rms"}, ReadError, "has no HDU 'WHT'; it has 0"),
        ({"error": "a[b]c"}, ConfigError, "is not FILE, FILE"),
        ({"error_kind": "rms"}, ReadError, "no such image is found"),
        ({"zeropoint": "MAGZERO"}, ReadError, "the header has no number MAGZERO"),
        ({"photon_noise": True}, ReadError, "photon_noise needs the gain"),
        ({"error_kind": "counts"}, ReadError, "counts needs the gain"),
        ({"science": "4"}, ReadError, "has no HDU '4'"),
        ({"mask": "no.fits"}, ReadError, "mask: there is no file"),
        ({"psf": "no.psf"}, ConfigError, "there is no such file"),
        ({"wcs": "w.fits"}, ReadError, "wcs: there is no file"),
        ({"saturation": "SATURATE"}, ReadError, "saturation: 'SATURATE' is neither a number nor a card"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_the_file(tmp_path, options, error, message):
    path = write_one(tmp_path / "a.fits")
    with pytest.raises(error, match=message) as caught:
        opened(path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_parts_of_other_sizes_are_refused(tmp_path):
    small = np.ones((5, 5), np.float32)
    path = write(tmp_path / "a.fits", image_hdu(name="SCI"), image_hdu(small, name="ERR"))
    with pytest.raises(ReadError, match=r"the error a.fits\[ERR\] is \(5, 5\) pixels, the image \(60, 80\)"):
        opened(path)


def test_a_constant_image_has_no_noise_to_take(tmp_path):
    with pytest.raises(ReadError, match="give an error image"):
        opened(write_one(tmp_path / "a.fits", np.ones(SHAPE, np.float32)))


def test_an_image_beyond_the_limits_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write_one(tmp_path / "a.fits")
    monkeypatch.setattr(limits, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(FileLimitError, match="pixels in HDU 0: 4800; forcedsql reads at most 1000"):
        opened(path)


def test_damaged_bytes_give_an_exposure_or_a_read_error(tmp_path):
    """Nothing else may escape, whatever the file says; 150 files with 1 to 8 bytes changed."""
    hdus = image_hdu(name="SCI", BUNIT="adu", MAGZERO=27.0), image_hdu(FLAT, name="VAR")
    content = write(tmp_path / "whole.fits", *hdus, EXPTIME=30.0, MJD__OBS=58000.0).read_bytes()
    path = tmp_path / "damaged.fits"
    count = 0
    for seed in range(150):
        rng = random.Random(seed)
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 2, 8])):
            # Half of them among the cards, which are a small part of the file.
            damaged[rng.randrange(len(damaged) if rng.random() < 0.5 else 9000)] = rng.choice(
                [0, 32, 45, 57, 255]
            )
        path.write_bytes(damaged)
        with suppress(ReadError):
            open_exposure(path)
            count += 1
    assert 0 < count < 150


@pytest.mark.parametrize("name", ["error", "mask", "wcs", "psf"])
def test_a_part_whose_name_no_file_can_have_is_not_there(tmp_path, name):
    path = write_one(tmp_path / "a.fits")
    for text in ("9" * 400, "a\0b"):
        with pytest.raises((ConfigError, ReadError), match=r"there is no (such )?file"):
            opened(path, **{name: text})


def test_hdus_numbered_by_thousands_of_digits_are_not_there(tmp_path):
    path = write_one(tmp_path / "a.fits")
    for options in ({"science": "9" * 5000}, {"error": f"[{'9' * 5000}]", "error_kind": "rms"}):
        with pytest.raises(ReadError, match="has no HDU"):
            opened(path, **options)


class TestFilesThatMustNotBeOpened:
    """Whoever opens a file of a stranger's database is asked before any other file is touched."""

    @pytest.fixture
    def image(self, tmp_path):
        return write_one(tmp_path / "a.fits")

    @pytest.fixture
    def named(self, tmp_path):
        path = tmp_path / "odd[2]name.fits"
        path.write_bytes(b"whoever opened this would say that it is not FITS")
        return path

    @pytest.mark.parametrize("part", ["error", "mask", "wcs", "psf"])
    def test_none_is_opened_before_it_is_allowed(self, image, named, tmp_path, part):
        plain = named.rename(tmp_path / "side.fits") if part != "psf" else named

        def forbid(path):
            raise DatabaseError(f"{path.name} is forbidden")

        options = OpenOptions(**{part: str(plain)})
        with pytest.raises(DatabaseError, match=f"{re.escape(plain.name)} is forbidden"):
            open_lazily(image, options=options, require_allowed=forbid)
        with pytest.raises(ReadError, match="not a FITS file"):
            open_lazily(image, options=options)

    def test_every_file_that_was_opened_is_asked_for_and_kept(self, image, tmp_path):
        error = side_file(tmp_path / "a.rms.fits", np.sqrt(FLAT))
        psf = side_file(tmp_path / "stamp[1]a.fits", np.ones((9, 9), np.float32))
        asked = []
        opened = open_lazily(image, options=OpenOptions(psf=str(psf)), require_allowed=asked.append)
        assert asked == [error, psf]
        assert opened.side_files == (error, psf)


def test_an_error_image_of_ccddata_says_what_it_is(tmp_path):
    hdus = image_hdu(name="SCI"), image_hdu(np.sqrt(FLAT), "UNCERT", UTYPE="StdDevUncertainty")
    assert opened(write(tmp_path / "a.fits", *hdus)).origins["error"].startswith("rms, from a.fits[UNCERT]")


def test_a_named_error_file_is_of_the_kind_that_its_name_says(tmp_path):
    path, error = write_one(tmp_path / "a.fits"), side_file(tmp_path / "a.rms.fits", np.sqrt(FLAT))
    assert opened(path, error=str(error)).origins["error"].startswith("rms, from a.rms.fits")


def test_masks_and_psfs_are_found_by_the_name_of_their_file(tmp_path):
    path = write_one(tmp_path / "a.fits")
    mask = np.zeros(SHAPE, np.uint8)
    mask[3, 4] = 1
    side_file(tmp_path / "a.mask.fits", mask)
    write_psf(tmp_path / "a.psf", PsfexPsf(np.ones((1, 9, 9), np.float32), 0, (40.0, 30.0), (1.0, 1.0), 1.0))
    exposure = opened(path)
    assert np.argwhere(has(exposure, "BAD")).tolist() == [[3, 4]]
    assert exposure.origins["mask"].endswith("a.mask.fits[0] (found by its name)")
    assert exposure.psf.kind == "PsfexPsf"
    assert exposure.origins["PSF"].endswith("a.psf (found by its name)")
    assert opened(path, psf="none", mask="none").psf is None


def test_what_is_named_must_be_an_image_or_a_projection(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("n", "J", array=[1])], name="TABLE")
    path = write(tmp_path / "a.fits", image_hdu(name="SCI"), fits.ImageHDU(noise(), name="BARE"), table)
    side_file(tmp_path / "empty.fits", None)
    for options, said in (
        ({"science": "TABLE"}, r"a\.fits\[TABLE\] is no image of two dimensions"),
        ({"wcs": "[BARE]"}, r"wcs: a\.fits\[BARE\] has no celestial projection"),
        ({"mask": str(tmp_path / "empty.fits")}, r"mask: .*empty\.fits holds no image"),
    ):
        with pytest.raises(ReadError, match=said):
            opened(path, **options)
    assert opened(path, wcs="none").wcs is None
    assert opened(path, wcs="[SCI]", science="BARE").wcs is not None


def test_of_a_file_of_several_images_the_one_of_the_same_name_or_number_is_taken(tmp_path):
    path = write(tmp_path / "a.fits", image_hdu(name="N1"), image_hdu(name="N2"))
    named = write(tmp_path / "named.fits", image_hdu(9 * FLAT, "N2"), image_hdu(FLAT, "N1"))
    numbered = write(tmp_path / "numbered.fits", image_hdu(FLAT), image_hdu(9 * FLAT))
    other = write(
        tmp_path / "other.fits", image_hdu(4 * FLAT, "X"), image_hdu(FLAT, "X"), image_hdu(FLAT, "X")
    )
    third = write(
        tmp_path / "third.fits",
        image_hdu(name="A"),
        image_hdu(name="B"),
        image_hdu(name="C"),
        image_hdu(name="N9"),
    )
    for image, error, science, expected in (
        (path, named, "N2", 9.0),
        (path, numbered, "N2", 9.0),
        (third, other, "N9", 4.0),
    ):
        exposure = opened(image, science=science, error=str(error), error_kind="variance")
        assert np.median(exposure.variance) == pytest.approx(expected * SIGMA**2)


def test_an_image_without_a_usable_pixel_has_no_sky_to_look_at(tmp_path):
    path = write(tmp_path / "a.fits", image_hdu(name="SCI"), image_hdu(np.zeros(SHAPE, np.float32), "VAR"))
    exposure = opened(path)
    assert exposure.origins["error"].endswith("there is no sky to check it by")
    assert exposure.origins["background"] == "taken as subtracted; there is no sky to look at"


def test_a_date_that_is_none_says_nothing(tmp_path):
    assert opened(write_one(tmp_path / "a.fits", DATE__OBS="2020-13-45T00:00:00")).info.mjd is None
