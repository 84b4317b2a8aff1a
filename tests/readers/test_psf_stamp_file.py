import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ConfigError, FileLimitError, ReadError
from forcedsql.psf.stamp import StampPsf
from forcedsql.readers.psf_spec import open_psf

SHAPE = (300, 300)
X, Y = np.array([30.2, 44.5]), np.array([25.9, 17.31])


def image(shape=(25, 27), centre=(13.0, 12.0), width=2.0):
    rows, columns = np.indices(shape)
    return np.exp(-0.5 * ((columns - centre[0]) ** 2 + (rows - centre[1]) ** 2) / width**2)


def write(path, pixels, **cards):
    hdu = fits.ImageHDU(pixels.astype(np.float32), name="PSF")
    hdu.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def assert_same(psf, expected):
    assert psf.kind == "StampPsf"
    np.testing.assert_array_equal(psf.images(X, Y).values, expected.images(X, Y).values)


def test_an_image_of_a_file_is_a_stamp(tmp_path):
    path = write(tmp_path / "psf.fits", image())
    expected = StampPsf(image().astype(np.float32))
    for spec in (str(path), f"stamp:{path}", f"{path}[hdu=1]", f"{path}[hdu=psf]"):
        assert_same(open_psf(spec, shape=SHAPE), expected)


def test_oversampling_is_that_of_the_options_or_of_the_card(tmp_path):
    pixels = image((51, 51), (25.0, 25.0), 6.0)
    expected = StampPsf(pixels.astype(np.float32), 3.0)
    stated = write(tmp_path / "stated.fits", pixels, OVERSAMP=3)
    silent = write(tmp_path / "silent.fits", pixels)
    assert_same(open_psf(str(stated), shape=SHAPE), expected)
    assert_same(open_psf(f"{silent}[oversampling=3]", shape=SHAPE), expected)
    assert_same(open_psf(f"{stated}[oversampling=2]", shape=SHAPE), StampPsf(pixels.astype(np.float32), 2.0))


def test_the_centre_and_the_size_are_options(tmp_path):
    path = write(tmp_path / "psf.fits", image(centre=(11.5, 12.25)))
    expected = StampPsf(image(centre=(11.5, 12.25)).astype(np.float32), 1.0, (11.5, 12.25), 15)
    spec = f"stamp:{path}[center_x=11.5, center_y=12.25, size=15]"
    assert_same(open_psf(spec, shape=SHAPE), expected)


@pytest.mark.parametrize(
    ("pixels", "options", "error", "message"),
    [
        (np.zeros((9, 9)), "", ReadError, "a positive sum"),
        (np.full((9, 9), np.nan), "", ReadError, "must be finite"),
        (np.ones((3, 9)), "", ReadError, "6 a side needed"),
        (np.ones((9, 9)), "[center_x=20]", ReadError, "not centred on"),
        (np.ones((9, 9)), "[oversampling=0]", ReadError, "above 0"),
        (np.ones((9, 9)), "[oversampling=two]", ConfigError, "oversampling=two: a number"),
        (np.ones((9, 9)), "[row=1]", ConfigError, "takes no option 'row'"),
        (np.ones((9, 9)), "[hdu=2]", ReadError, "there is no HDU 2"),
        (np.ones((9, 9)), "[hdu=SCI]", ReadError, "there is no HDU named 'SCI'; the file holds PRIMARY, PSF"),
        (np.ones((9, 9)), "[hdu=0]", ReadError, "no PSF .* in HDU 0"),
        (np.ones((300, 9)), "", FileLimitError, r"side of the PSF \(keep fewer with \[size=...\]\): 301"),
        (np.ones((1100, 9)), "", FileLimitError, "elements along a side of the PSF in HDU 1: 1100"),
    ],
)
def test_a_stamp_that_cannot_be_is_refused(tmp_path, pixels, options, error, message):
    path = write(tmp_path / "psf.fits", pixels)
    with pytest.raises(error, match=message) as raised:
        open_psf(f"{path}{options}", shape=SHAPE)
    assert str(path) in str(raised.value)
