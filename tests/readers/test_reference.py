"""Exposures written by the LSST Science Pipelines, against what the pipelines say of them."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import UnsupportedError
from forcedsql.fields.bounded_field import ChebyshevField
from forcedsql.readers import archive_classes, open_exposure
from forcedsql.wcs import AstWcs, FitsWcs

# PSF kind of each reference exposure.
PSF_KINDS = {
    "coaddpsf_coaddapcorr": "CoaddPsf",
    "coaddpsf_mixed": "CoaddPsf",
    "coaddpsf_piff": "CoaddPsf",
    "constant_scan": "SingleGaussianPsf",
    "doublegauss_noise": "DoubleGaussianPsf",
    "doublegauss_tansip_xy0": "DoubleGaussianPsf",
    "gaussianpsf_noapcorr": "GaussianPsf",
    "kernelpsf_analytic": "KernelPsf",
    "kernelpsf_even": "KernelPsf",
    "mask_remap": "KernelPsf",
    "pcapsf_polywcs": "PcaPsf",
    "piff15": "PiffPsf",
    "piff17": "PiffPsf",
    "psfex": "PsfexPsf",
    "singlegauss_tan": "SingleGaussianPsf",
    "warpedpsf": "WarpedPsf",
}
SETS = sorted(PSF_KINDS)


@pytest.fixture(scope="module")
def exposures(reference):
    return {name: open_exposure(reference / name / "exposure.fits") for name in SETS}


@pytest.fixture(scope="module")
def truths(reference):
    return {name: np.load(reference / name / "psf.npz") for name in SETS}


@pytest.mark.parametrize("name", SETS)
def test_every_exposure_opens_with_its_psf_or_says_which_is_unknown(exposures, name):
    exposure = exposures[name]
    if exposure.psf is None:
        assert exposure.unsupported["psf"] == PSF_KINDS[name]
        with pytest.raises(UnsupportedError, match=PSF_KINDS[name]):
            exposure.require_supported("psf")
    else:
        assert exposure.psf.kind == PSF_KINDS[name]
        assert "psf" not in exposure.unsupported


@pytest.mark.parametrize("name", SETS)
def test_planes_are_native_and_of_one_shape(exposures, name):
    exposure = exposures[name]
    assert exposure.image.dtype == exposure.variance.dtype == np.dtype("=f4")
    assert exposure.mask.dtype == np.dtype("=i4")
    for plane in (exposure.image, exposure.mask, exposure.variance):
        assert plane.flags.c_contiguous
        assert plane.shape == exposure.image.shape


@pytest.mark.parametrize("name", SETS)
def test_planes_equal_what_astropy_reads(reference, exposures, name):
    exposure = exposures[name]
    with fits.open(reference / name / "exposure.fits") as hdus:
        for plane, hdu in ((exposure.image, 1), (exposure.mask, 2), (exposure.variance, 3)):
            stored = hdus[hdu].data
            if plane.dtype.kind == "f" and not isinstance(hdus[hdu], fits.CompImageHDU):
                stored = np.where(np.isfinite(stored), stored, np.nan)
            np.testing.assert_array_equal(plane, stored)


def test_the_origin_is_that_of_the_file(exposures):
    assert exposures["doublegauss_tansip_xy0"].xy0 == (1234, -87)
    assert exposures["coaddpsf_piff"].xy0 == (3900, 26900)


def test_mask_planes_are_found_by_name_whatever_their_number(exposures):
    plain, remapped = exposures["kernelpsf_analytic"], exposures["mask_remap"]
    assert plain.mask_planes != remapped.mask_planes
    for name in ("BAD", "SAT", "NO_DATA", "EDGE", "CR"):
        np.testing.assert_array_equal(
            plain.mask >> plain.mask_planes[name] & 1, remapped.mask >> remapped.mask_planes[name] & 1
        )


@pytest.mark.parametrize("name", SETS)
def test_sky_to_pixel_is_lsst_s(exposures, truths, name):
    """Both call AST; 1e-9 px allows for other versions of it (4e-12 px was seen)."""
    wcs, truth = exposures[name].wcs, truths[name]
    assert isinstance(wcs, AstWcs)
    x, y = wcs.sky_to_pixel(truth["wcs_ra"], truth["wcs_dec"])
    np.testing.assert_allclose(x, truth["wcs_x_rt"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(y, truth["wcs_y_rt"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_pixel_to_sky_is_lsst_s(exposures, truths, name):
    """1e-12 degrees is 2e-8 px of 0.2 arcsec."""
    truth = truths[name]
    ra, dec = exposures[name].wcs.pixel_to_sky(truth["wcs_x"], truth["wcs_y"])
    np.testing.assert_allclose(ra, truth["wcs_ra"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(dec, truth["wcs_dec"], rtol=0, atol=1e-12)
    assert ra.min() >= 0.0
    assert ra.max() < 360.0


@pytest.mark.parametrize("name", [name for name in SETS if name != "gaussianpsf_noapcorr"])
def test_the_aperture_correction_is_lsst_s(exposures, truths, name):
    exposure, truth = exposures[name], truths[name]
    if "ap_corr" in exposure.unsupported:
        assert exposure.unsupported["ap_corr"] == "CoaddBoundedField"
        assert "base_PsfFlux_instFlux" not in exposure.ap_corr
        return
    field = exposure.ap_corr["base_PsfFlux_instFlux"]
    # A short sum of polynomial terms: rounding only.
    np.testing.assert_allclose(
        field.evaluate(truth["apcorr_x"], truth["apcorr_y"]), truth["apcorr"], rtol=1e-12
    )


def test_an_exposure_without_aperture_corrections_has_none(exposures):
    assert exposures["gaussianpsf_noapcorr"].ap_corr is None


@pytest.mark.parametrize("name", SETS)
def test_the_photometric_calibration_is_lsst_s(exposures, truths, name):
    exposure, truth = exposures[name], truths[name]
    calib, bbox = exposure.photo_calib, exposure.bbox
    assert calib.mean == truth["photo_mean"]
    assert calib.error == truth["photo_err"]
    inside = (
        (truth["wcs_x"] >= bbox.x0)
        & (truth["wcs_x"] <= bbox.x1)
        & (truth["wcs_y"] >= bbox.y0)
        & (truth["wcs_y"] <= bbox.y1)
    )[:60]
    factor = calib.factor(truth["wcs_x"][:60][inside], truth["wcs_y"][:60][inside])
    np.testing.assert_allclose(1000.0 * factor, truth["photo_njy"][inside, 0], rtol=1e-12)
    assert inside.sum() > 10


def test_one_exposure_has_a_varying_calibration(exposures):
    assert isinstance(exposures["doublegauss_tansip_xy0"].photo_calib.field, ChebyshevField)


def test_the_exposure_says_what_it_is(exposures):
    info = exposures["singlegauss_tan"].info
    assert (info.band, info.physical_filter, info.visit) == ("r", "r_03", 2024110800042)
    assert info.exposure_time == 30.0


def test_the_header_s_projection_approximates_the_archive_s(reference, exposures):
    """A pure TAN is exact in FITS; astropy and AST agree to the accuracy of the sky in doubles."""
    exposure = exposures["singlegauss_tan"]
    with fits.open(reference / "singlegauss_tan" / "exposure.fits") as hdus:
        header_wcs = FitsWcs(hdus[1].header, exposure.xy0)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 600, (2, 100))
    ra, dec = exposure.wcs.pixel_to_sky(x, y)
    np.testing.assert_allclose(header_wcs.sky_to_pixel(ra, dec), [x, y], rtol=0, atol=1e-6)


def test_a_real_hsc_calexp_opens_with_all_that_matters(shared):
    exposure = open_exposure(shared / "data" / "afw_formats" / "hsc_i_obs_base_calexp.fits")
    assert exposure.psf.kind == "GaussianPsf"
    assert exposure.photo_calib.mean == pytest.approx(1.99409, abs=5e-6)
    assert len(exposure.ap_corr) == 46
    assert dict(exposure.unsupported) == {}
    assert exposure.info.physical_filter == "HSC-I"
    assert exposure.info.detector == 4
    # DATE-AVG = 2013-11-02T06:01:31.7885 TAI.
    assert exposure.info.mjd == pytest.approx(56598 + (6 * 3600 + 91.7885) / 86400, abs=1e-9)


def test_its_archive_holds_classes_that_nobody_needs(shared):
    classes = archive_classes(shared / "data" / "afw_formats" / "hsc_i_obs_base_calexp.fits")
    known = {entry.name: entry.known for entry in classes}
    assert known["SkyWcs"]
    assert known["GaussianPsf"]
    assert not known["ProductTransmissionCurve"]


def test_an_hsc_exposure_of_2014_opens_with_the_header_s_projection(shared):
    """Its TanWcs is under WCS_ID, which afw (ExposureFitsReader.cc) does not look at either."""
    exposure = open_exposure(shared / "data" / "afw_formats" / "hsc_m31_i_pcapsf_ticket1738.fits")
    assert exposure.psf.kind == "PcaPsf"
    assert exposure.xy0 == (720, 460)
    assert exposure.unit == "adu"
    assert exposure.info.band == "r"
    # FLUXMAG0 = 6281302714508.58, and AB magnitude 0 is 3.6307805e12 nJy.
    assert exposure.photo_calib.mean == pytest.approx(3.6307805477e12 / 6281302714508.58, rel=1e-9)
    assert isinstance(exposure.wcs, FitsWcs)
    x, y = np.array([720.0, 800.5, 1020.0]), np.array([460.0, 600.25, 760.0])
    back = exposure.wcs.sky_to_pixel(*exposure.wcs.pixel_to_sky(x, y))
    np.testing.assert_allclose(back, [x, y], rtol=0, atol=1e-8)
