"""``forcedsql info``: what the report says of files of several kinds."""

import dataclasses

import numpy as np
import pytest

from forcedsql.cli.info import describe
from forcedsql.readers import open_exposure
from forcedsql.readers.archive import ArchiveClass


def test_the_report_names_every_part(cli, visit_image):
    result = cli("info", visit_image)
    assert result.code == 0
    for expected in (
        "visit 2024120600102, detector 4, band i",
        "800 x 800 pixels, first pixel (1650, 1480)",
        "mask  0 BAD",
        "pixel scale",
        "PcaPsf, 25 x 25 pixels",
        "base_PsfFlux",
        "nJy",
    ):
        assert expected in result.out


def test_scale_fwhm_and_masks_are_those_of_the_exposure(visit_image):
    exposure = open_exposure(visit_image)
    lines = dict(describe(exposure))
    # the survey is simulated with 0.2 arcsec pixels; distortion changes them by less than 0.1 %
    assert float(lines["pixel scale"].split()[0]) == pytest.approx(0.2, rel=1e-3)
    # its Moffat profile has a FWHM of 4.1 pixels; Gaussian-weighted moments see its wings as well
    assert 4.0 < float(lines["PSF FWHM"].split()[0]) < 4.6
    bit = exposure.mask_planes["NO_DATA"]
    expected = np.count_nonzero(exposure.mask & (1 << bit))
    assert lines[f"mask {bit:>2} NO_DATA"].startswith(f"{expected:,} pixels")


def test_the_highest_mask_bit_is_counted(visit_image):
    exposure = open_exposure(visit_image)
    mask = exposure.mask.copy()
    mask[0, :7] |= np.int32(-(2**31))
    lines = dict(describe(dataclasses.replace(exposure, mask=mask, mask_planes={"TOP": 31})))
    assert lines["mask 31 TOP"].startswith("7 pixels")


def test_missing_and_unsupported_parts_are_named_with_their_cost(visit_image):
    exposure = open_exposure(visit_image)
    bare = dataclasses.replace(
        exposure, wcs=None, psf=None, ap_corr=None, photo_calib=None, unsupported={"psf": "NewPsf"}
    )
    lines = dict(describe(bare))
    assert lines["WCS"].startswith("none: positions cannot be placed")
    assert lines["not supported"].startswith("psf is a NewPsf: no PSF flux")
    assert lines["aperture correction"].startswith("none")
    assert lines["calibration"] == "none"


def test_an_exposure_without_a_finite_pixel_is_described(visit_image):
    exposure = open_exposure(visit_image)
    empty = np.full_like(exposure.image, np.nan)
    lines = dict(describe(dataclasses.replace(exposure, image=empty, variance=empty)))
    assert lines["pixels not finite"].startswith("640,000 in the image")


def test_every_reference_exposure_is_described(cli, reference):
    for path in sorted(reference.glob("*/exposure.fits")):
        result = cli("info", path)
        assert result.code == 0, result.err
        assert "PSF" in result.out


def test_a_file_that_is_no_exposure_is_code_3(cli, tmp_path):
    (tmp_path / "x.fits").write_text("nothing")
    result = cli("info", tmp_path / "x.fits")
    assert result.code == 3
    assert "x.fits" in result.err
    assert result.err.count("\n") == 1


def test_the_psf_is_drawn_over_the_field(cli, visit_image, tmp_path):
    result = cli("info", visit_image, "--plot", tmp_path / "psf.png")
    assert result.code == 0
    assert (tmp_path / "psf.png").read_bytes().startswith(b"\x89PNG")
    assert "PSF over the field" in result.err


def test_a_coadd_says_how_many_inputs_it_has_and_where_no_psf_is(cli, reference):
    result = cli("info", reference / "coaddpsf_mixed" / "exposure.fits")
    lines = dict(line.split("  ", 1) for line in result.out.splitlines())
    assert "7 detector images; " in lines["coadd inputs"]
    assert lines["PSF"].strip().startswith("CoaddPsf")


def test_parts_that_cannot_be_read_leave_out_what_needs_them(visit_image):
    exposure = open_exposure(visit_image)
    unread = dict.fromkeys(("wcs", "psf", "photo_calib"), "New")
    bare = dataclasses.replace(exposure, wcs=None, psf=None, photo_calib=None, ap_corr={}, unsupported=unread)
    lines = dict(describe(bare))
    assert not {"WCS", "PSF", "calibration", "measured fluxes are in"} & set(lines)
    assert lines["aperture corrections"] == ""
    assert dict(describe(dataclasses.replace(bare, unsupported={})))["PSF"].startswith("none: no PSF flux")


def test_what_is_not_covered_or_said_is_left_out(reference):
    exposure = open_exposure(reference / "coaddpsf_mixed" / "exposure.fits")
    lines = dict(describe(dataclasses.replace(exposure, wcs=None)))
    assert lines["coadd inputs"].endswith("7 detector images")


def test_archive_classes_that_are_not_read_are_listed(cli, visit_image, monkeypatch):
    unknown = [ArchiveClass("NewThing", "", 2, known=False)]
    monkeypatch.setattr("forcedsql.readers.archive_classes", lambda _: unknown)
    lines = dict(line.split("  ", 1) for line in cli("info", visit_image).out.splitlines())
    assert lines["archive classes not read"].strip() == "NewThing (2)"
