"""fpC frames and the files beside them: what is missing, and what is damaged."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ReadError
from forcedsql.readers import open_exposure
from tests.readers.plain.plain_file import SHAPE, noise, write_one

SPANS = [(2, 3, 7), (5, 0, 79), (2, 10, 10)]


@pytest.fixture
def frame(tmp_path):
    image = np.round(noise() + 1200).astype(np.uint16)
    return write_one(tmp_path / "fpC-006377-r4-0399.fit", image, SOFTBIAS=1000, FLUX20=1700.0, GAIN=4.0)


def write_mask(frame, spans):
    """Write an fpM file whose saturated pixels are these spans: row, first and last column."""
    column = np.empty(1, dtype=object)
    column[0] = np.array(spans, ">u2").view(np.uint8).ravel()
    full = fits.BinTableHDU.from_columns([fits.Column("s", "PB()", array=column)])
    none = np.empty(1, dtype=object)
    none[0] = np.zeros(0, np.uint8)
    hdus = [fits.PrimaryHDU()]
    for number in range(1, 11):
        empty = fits.BinTableHDU.from_columns([fits.Column("s", "PB()", array=none)])
        hdus.append(full if number == 2 else empty)
    fits.HDUList(hdus).writeto(frame.parent / "fpM-006377-r4-0399.fit")


def test_a_frame_alone_has_its_header_s_zero_point_and_its_own_noise(frame):
    exposure = open_exposure(frame)
    assert exposure.info.band == "r"
    assert "less 1000" in exposure.origins["image"]
    assert exposure.origins["zero point"].startswith("FLUX20 1700")
    assert exposure.origins["error"].startswith("none: the image's own noise")
    assert exposure.origins["mask"] == "none"
    assert "still in the image" in exposure.origins["background"]


def test_spans_of_the_mask_are_pixels(frame):
    write_mask(frame, SPANS)
    exposure = open_exposure(frame)
    expected = np.zeros(SHAPE, bool)
    for row, first, last in SPANS:
        expected[row, first : last + 1] = True
    np.testing.assert_array_equal((exposure.mask >> exposure.mask_planes["SAT"]) & 1 == 1, expected)
    assert "fpM" in exposure.origins["mask"]


@pytest.mark.parametrize("span", [(60, 0, 1), (0, 0, 80), (0, 5, 4)])
def test_spans_outside_the_image_are_refused(frame, span):
    write_mask(frame, [span])
    with pytest.raises(ReadError, match="outside the image"):
        open_exposure(frame)


def test_a_damaged_file_of_the_field_is_refused(frame):
    (frame.parent / "psField-006377-4-0399.fit").write_text("nothing")
    with pytest.raises(ReadError, match=r"psField-006377-4-0399.fit: not a FITS file"):
        open_exposure(frame)


def test_spans_that_are_cut_off_are_refused(frame):
    write_mask(frame, [(2, 3, 7)])
    path = frame.parent / "fpM-006377-r4-0399.fit"
    column = np.empty(1, dtype=object)
    column[0] = np.zeros(7, np.uint8)
    with fits.open(path) as hdus:
        hdus[2] = fits.BinTableHDU.from_columns([fits.Column("s", "PB()", array=column)])
        hdus.writeto(path, overwrite=True)
    with pytest.raises(ReadError, match="HDU 2 of the mask are 7 bytes, not six each"):
        open_exposure(frame)


def write_calibration(frame, *, circle=True, **changes):
    """Write a tsField file of five bands, whose solution is a tenth of a milliradian per pixel."""
    values = {"aa": -24.0, "kk": 0.1, "airmass": 1.2} | {
        f"{axis}{k}": 0.0 for axis in ("dRow", "dCol") for k in range(4)
    }
    values |= {"a": 150.0, "b": 1e-4, "c": 0.0, "d": 2.0, "e": 0.0, "f": 1e-4, **changes}
    columns = [fits.Column(name, "5D", array=[[value] * 5]) for name, value in values.items()]
    primary = fits.PrimaryHDU(header=fits.Header({"NODE": 95.0, "INCL": 10.0} if circle else {}))
    hdus = fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)])
    hdus.writeto(frame.parent / "tsField-006377-4-40-0399.fit")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"circle": False}, "no NODE and INCL"),
        ({"b": 0.0}, "cannot be inverted"),
        ({"kk": np.nan}, "column kk holds no number for band r"),
    ],
)
def test_a_calibration_that_is_none_is_refused(frame, changes, said):
    write_calibration(frame, **changes)
    with pytest.raises(ReadError, match=said):
        open_exposure(frame)


def test_a_calibration_gives_projection_and_zero_point(frame):
    write_calibration(frame)
    exposure = open_exposure(frame)
    assert "sky projection of tsField-006377-4-40-0399.fit" in exposure.origins["image"]
    # 2.5 log10(53.907456) + 24 - 0.1 * 1.2
    assert exposure.origins["zero point"].startswith("28.209")
