"""Images laid out as surveys lay them out, opened by the profiles of the package."""

import numpy as np
import pytest
from astropy import units
from astropy.io import fits

from forcedsql.open_options import OpenOptions
from forcedsql.readers import open_exposure
from tests.readers.plain.plain_file import SHAPE, SIGMA, image_hdu, noise, write, write_one

FLAT = np.full(SHAPE, SIGMA**2, np.float32)


def has(exposure, plane):
    return np.argwhere((exposure.mask >> exposure.mask_planes[plane]) & 1).tolist()


def mask_file(path, codes):
    values = np.zeros(SHAPE, np.int32)
    for at, value in enumerate(codes):
        values[0, at] = value
    fits.PrimaryHDU(values).writeto(path)


def test_decam(tmp_path):
    cards = {
        "INSTRUME": "DECam",
        "MAGZERO": 29.9,
        "MAGZPT": 24.8,
        "EXPTIME": 107.0,
        "EXPNUM": 6,
        "CCDNUM": 33,
    }
    path = write_one(tmp_path / "c4d_1_ooi_z_v1.fits", FILTER="z DECam SDSS c0004 9260.0 1520.0", **cards)
    fits.PrimaryHDU(1 / FLAT).writeto(tmp_path / "c4d_1_oow_z_v1.fits")
    mask_file(tmp_path / "c4d_1_ood_z_v1.fits", range(9))
    exposure = open_exposure(path)
    assert (exposure.info.visit, exposure.info.detector, exposure.info.band) == (6, 33, "z")
    assert exposure.photo_calib.mean == pytest.approx((29.9 * units.ABmag).to_value(units.nJy), rel=1e-12)
    assert has(exposure, "BAD") == [[0, 1], [0, 6]]
    assert has(exposure, "SAT") == [[0, 3], [0, 4]]
    assert has(exposure, "CR") == [[0, 5]]
    assert has(exposure, "SUSPECT") == [[0, 7], [0, 8]]
    assert has(exposure, "NO_DATA") == [[0, 2]]


def test_ztf(tmp_path):
    cards = {"MAGZP": 26.3, "GAIN": 6.2, "SATURATE": 5e4}
    path = write_one(tmp_path / "ztf_1_zr_c04_o_q3_sciimg.fits", noise() + 200, **cards)
    mask_file(tmp_path / "ztf_1_zr_c04_o_q3_mskimg.fits", [1 << bit for bit in range(13)])
    exposure = open_exposure(path)
    assert exposure.unit == "adu"
    assert exposure.photo_calib.mean == pytest.approx((26.3 * units.ABmag).to_value(units.nJy), rel=1e-12)
    assert "plus photon noise at 6.2 e- per unit" in exposure.origins["error"]
    assert "still in the image" in exposure.origins["background"]
    assert has(exposure, "SAT") == [[0, 8]]
    assert has(exposure, "CR") == [[0, 7]]
    # Pixels of sources (bits 1 and 11) are no fault.
    flagged = exposure.mask != 0
    assert not flagged[0, [1, 11]].any()
    assert flagged.sum() == 11


@pytest.mark.parametrize("name", ["jw1_nrca1_cal.fits", "jw1_nircam_i2d.fits"])
def test_jwst(tmp_path, name):
    sci = image_hdu(noise(sigma=0.1), name="SCI", BUNIT="MJy/sr", PIXAR_SR=2.1e-14, PHOTMJSR=0.5)
    hdus = [sci, image_hdu(np.full(SHAPE, 0.1, np.float32), name="ERR")]
    if "cal" in name:
        dq = np.zeros(SHAPE, np.uint32)
        dq[0, :4] = 1, 2, 4, 2**31 + 1
        hdus.append(image_hdu(dq, name="DQ"))
    cards = {"TELESCOP": "JWST", "FILTER": "F200W", "EXPMID": 59800.25, "EFFEXPTM": 300.0, "TIMESYS": "UTC"}
    exposure = open_exposure(write(tmp_path / name, *hdus, **cards))
    expected = (units.MJy / units.sr * 2.1e-14 * units.sr).to_value(units.nJy)
    assert exposure.photo_calib.mean == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(exposure.variance, 0.01, rtol=1e-6)
    assert exposure.info.band == "F200W"
    assert exposure.info.mjd == pytest.approx(59800.25 + 37 / 86400, abs=1e-9)
    if "cal" in name:
        assert has(exposure, "SAT") == [[0, 1]]
        assert has(exposure, "BAD") == [[0, 0], [0, 3]]
        assert has(exposure, "EDGE") == [[0, 3]]


def test_hst_drizzled(tmp_path):
    sci = image_hdu(noise(sigma=0.01), name="SCI", BUNIT="ELECTRONS/S", PHOTFLAM=7.0e-20, PHOTPLAM=5921.9)
    hdus = [sci, image_hdu(np.full(SHAPE, 507.0, np.float32), name="WHT"), image_hdu(FLAT, name="CTX")]
    path = write(tmp_path / "j8xi0_drz.fits", *hdus, TELESCOP="HST", EXPTIME=507.0)
    exposure = open_exposure(path)
    assert exposure.unit == "electron / s"
    assert "relative weight, scaled to the image's own noise" in exposure.origins["error"]
    assert "507 e- per unit" in exposure.origins["error"]
    assert np.median(exposure.variance) == pytest.approx(1e-4, rel=0.1)
    # AB zero point of these two cards: Bohlin, Landsman & Nota, ACS ISR 16-02.
    ab = -2.5 * np.log10(7.0e-20) - 21.10 - 5 * np.log10(5921.9) + 18.6921
    assert -2.5 * np.log10(exposure.photo_calib.mean) + 31.4 == pytest.approx(ab, abs=2e-3)


def test_swarp(tmp_path):
    path = write_one(tmp_path / "coadd.fits", GAIN=120.0, SATURATE=4e4)
    fits.PrimaryHDU(np.full(SHAPE, 1e-3, np.float32)).writeto(tmp_path / "coadd.weight.fits")
    options = OpenOptions.from_profile("swarp").updated(OpenOptions(zeropoint=30.0))
    exposure = open_exposure(path, options=options)
    assert "profile swarp" in exposure.origins["image"]
    assert np.median(exposure.variance) == pytest.approx(SIGMA**2, rel=0.1)
    assert exposure.photo_calib.mean == pytest.approx((30 * units.ABmag).to_value(units.nJy), rel=1e-12)


def test_sdss_frames(tmp_path):
    cards = {"BUNIT": "nanomaggy", "ORIGIN": "SDSS", "RUN": 6377, "FILTER": "r"}
    path = write_one(tmp_path / "frame-r-006377-4-0399.fits", noise(sigma=0.02), **cards)
    fits.append(path, np.ones(2048, np.float32))
    exposure = open_exposure(path, options=OpenOptions(gain=4.76 / 0.005))
    assert exposure.photo_calib.mean == pytest.approx((22.5 * units.ABmag).to_value(units.nJy), rel=1e-12)
    assert exposure.info.visit == 6377
    assert exposure.origins["background"].startswith("subtracted")
    assert "952 e- per unit" in exposure.origins["error"]
