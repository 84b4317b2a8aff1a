import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ConfigError, ReadError
from forcedsql.psf.moments import adaptive_moments
from forcedsql.readers.psf_spec import PsfSpec, open_psf

SHAPE = (100, 120)
HERE = np.array([50.3]), np.array([40.8])


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("gaussian:3.1", ("gaussian", "3.1", {})),
        ("moffat:1.2arcsec,2.5", ("moffat", "1.2arcsec,2.5", {})),
        ("stars.psf", ("", "stars.psf", {})),
        ("psfex:a/stars.psf[hdu=2]", ("psfex", "a/stars.psf", {"hdu": "2"})),
        (" m.fits[expnum=1, CCDNAME=N2] ", ("", "m.fits", {"expnum": "1", "ccdname": "N2"})),
        ("C:/psf/stars.psf", ("", "C:/psf/stars.psf", {})),
        ("odd[1]name.psf", ("", "odd[1]name.psf", {})),
        ("a[1].fits[hdu=2]", ("", "a[1].fits", {"hdu": "2"})),
    ],
)
def test_a_spec_is_kind_target_and_options(spec, parsed):
    found = PsfSpec.parse(spec)
    assert (found.kind, found.target, found.options) == parsed


def test_a_file_whose_name_ends_in_brackets_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "psf[hdu=1]").touch()
    assert PsfSpec.parse("psf[hdu=1]").target == "psf[hdu=1]"


@pytest.mark.parametrize("spec", ["gaussian:3.0", "gaussian:1.5arcsec"])
def test_a_gaussian_has_its_width(spec):
    psf = open_psf(spec, shape=SHAPE, pixel_scale=0.5)
    sigma2 = 9.0 / (8.0 * np.log(2.0))
    # The iteration for adaptive moments stops at 1e-4 of the size.
    np.testing.assert_allclose(psf.shapes(*HERE), [[sigma2, sigma2, 0.0]], atol=2e-4 * sigma2)


def test_a_moffat_has_its_width_and_slope():
    psf = open_psf("moffat:2arcsec, 3.5", shape=SHAPE, pixel_scale=0.5)
    (kernel,) = psf.kernel_images(*HERE).values
    centre = kernel.shape[0] // 2
    alpha = 2.0 / np.sqrt(2 ** (1 / 3.5) - 1)
    for pixels in (2, 5, 11):
        expected = (1 + (pixels / alpha) ** 2) ** -3.5
        assert kernel[centre, centre + pixels] / kernel[centre, centre] == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(adaptive_moments(kernel[None], np.array([centre]), np.array([centre]))).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "a PSF is gaussian:FWHM"),
        ("gaussian:", "a PSF is gaussian:FWHM"),
        ("gaussian:3,2", "a PSF is gaussian:FWHM"),
        ("gaussian:3[hdu=1]", "a PSF is gaussian:FWHM"),
        ("moffat:3", "a PSF is gaussian:FWHM"),
        ("moffat:3,two", "'two' is not a number"),
        ("moffat:3,1", "beta must be finite and above 1"),
        ("moffat:nan,2", "at least 1 pixel, not nan"),
        ("gaussian:0.5", "at least 1 pixel, not 0.5"),
        ("gaussian:101", "a FWHM of 101 pixels; up to 100"),
        ("gaussian:inf", "a FWHM of inf pixels"),
        ("gaussian:1arcsec", "no pixel scale"),
        ("gauss:3", "there is no such file; a PSF is gaussian:FWHM"),
        ("a.fits[hdu]", "'hdu' is not option=value"),
        ("a.fits[hdu=1,hdu=2]", "hdu is given twice"),
    ],
)
def test_a_spec_that_is_not_understood_is_refused_with_what_may_be_said(spec, message):
    with pytest.raises(ConfigError, match=message):
        open_psf(spec, shape=SHAPE)


def test_a_file_that_is_not_there_or_not_fits_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"none\.psf: there is no such file"):
        open_psf(f"psfex:{tmp_path / 'none.psf'}", shape=SHAPE)
    text = tmp_path / "text.psf"
    text.write_text("not FITS")
    with pytest.raises(ReadError, match=r"text\.psf: not a FITS file"):
        open_psf(str(text), shape=SHAPE)


@pytest.mark.parametrize("option", ["hdu", "size"])
def test_a_number_of_thousands_of_digits_is_refused(tmp_path, option):
    fits.PrimaryHDU(np.ones((9, 9), np.float32)).writeto(tmp_path / "a.fits")
    with pytest.raises((ConfigError, ReadError), match="999"):
        open_psf(f"{tmp_path / 'a.fits'}[{option}={'9' * 5000}]", shape=SHAPE)
