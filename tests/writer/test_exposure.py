"""Whole exposures: what is written is what is read, in the layout that LSST writes."""

import dataclasses
import re

import numpy as np
import pytest
from astropy.io import fits

from forcedsql import open_exposure
from forcedsql.errors import ForcedSQLError
from forcedsql.exposure import Exposure, ExposureInfo
from forcedsql.fields.bounded_field import ChebyshevField, ConstantField
from forcedsql.fields.calibration import PhotoCalib
from forcedsql.geometry import Box
from forcedsql.psf.analytic import DoubleGaussianPsf, GaussianPsf, SingleGaussianPsf
from forcedsql.psf.functions import (
    Chebyshev1Function2D,
    DoubleGaussianFunction2D,
    GaussianFunction2D,
    PolynomialFunction2D,
)
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import AnalyticKernel, DeltaFunctionKernel, FixedKernel, LinearCombinationKernel
from forcedsql.simulate import tangent_wcs
from forcedsql.writer import write_exposure

XY0 = (1650, -41)
WIDTH, HEIGHT = 57, 46

WRITABLE = [
    "constant_scan",
    "doublegauss_noise",
    "doublegauss_tansip_xy0",
    "gaussianpsf_noapcorr",
    "kernelpsf_analytic",
    "kernelpsf_even",
    "mask_remap",
    "pcapsf_polywcs",
    "piff17",
    "singlegauss_tan",
]


def random_kernel(seed):
    return FixedKernel(np.random.default_rng(seed).uniform(0.1, 1.0, (7, 9)), (4, 3))


def varying_kernel():
    functions = (PolynomialFunction2D([1.0, 1e-4, -2e-4]), PolynomialFunction2D([0.5, 1e-5, 1e-4]))
    return LinearCombinationKernel((random_kernel(1), random_kernel(2)), functions=functions)


def chebyshev_kernel():
    functions = [
        Chebyshev1Function2D(c, 1650.0, -41.0, 1706.0, 4.0) for c in ([1.0, 0.1, 0.2], [0.3, 0.0, -0.1])
    ]
    return LinearCombinationKernel((random_kernel(3), random_kernel(4)), functions=functions)


def constant_kernel():
    delta = DeltaFunctionKernel(9, 7, (4, 3), (5, 2))
    return LinearCombinationKernel((random_kernel(5), delta), amplitudes=(1.0, 0.25))


PSFS = {
    "SingleGaussianPsf": SingleGaussianPsf(25, 23, 1.9),
    "GaussianPsf": GaussianPsf(23, 19, 2.1),
    "DoubleGaussianPsf": DoubleGaussianPsf(31, 31, 1.7, 3.9, 0.1),
    "fixed": KernelPsf(random_kernel(6), (10.5, -3.25)),
    "Gaussian kernel": KernelPsf(AnalyticKernel(21, 27, (10, 13), GaussianFunction2D(2.3, 1.6, 0.6))),
    "double Gaussian kernel": KernelPsf(
        AnalyticKernel(9, 9, (4, 4), DoubleGaussianFunction2D(1.5, 3.0, 0.2))
    ),
    "PcaPsf": KernelPsf(varying_kernel(), (1678.0, -18.0), kind="PcaPsf"),
    "Chebyshev kernel": KernelPsf(chebyshev_kernel(), kind="PcaPsf"),
    "amplitudes": KernelPsf(constant_kernel()),
}


def an_exposure(**changes):
    rng = np.random.default_rng(7)
    image = rng.normal(0.0, 30.0, (HEIGHT, WIDTH)).astype(np.float32)
    variance = rng.uniform(800.0, 1000.0, image.shape).astype(np.float32)
    image[3, 4], variance[5, 6], variance[0, 0] = np.nan, np.inf, np.nan
    box = Box(*XY0, WIDTH, HEIGHT)
    varying = ChebyshevField(box, np.array([[0.98, 0.01, 0.002], [-0.01, 0.003, 0.0]]))
    exposure = Exposure(
        image=image,
        mask=rng.integers(0, 2**12, image.shape, dtype=np.int32),
        variance=variance,
        mask_planes={"BAD": 0, "SAT": 1, "NO_DATA": 8, "DETECTED_NEGATIVE": 6, "STREAK": 11},
        xy0=XY0,
        wcs=tangent_wcs((53.1, -28.1), (1700.0, 20.0), rotation=25.0, a={(2, 0): 1e-6}, b={(1, 1): 2e-6}),
        psf=PSFS["SingleGaussianPsf"],
        photo_calib=PhotoCalib(0.83, 0.01),
        ap_corr={"base_PsfFlux_instFlux": varying, "base_PsfFlux_instFluxErr": ConstantField(0.002)},
        unit="nJy",
        info=ExposureInfo(
            band="i",
            physical_filter="i_06",
            visit=2024120600102,
            detector=4,
            mjd=60651.123456789,
            exposure_time=30.0,
            dataset_type="visit_image",
        ),
    )
    return dataclasses.replace(exposure, **changes)


def assert_same(found, expected):
    for plane in ("image", "mask", "variance"):
        got, wanted = getattr(found, plane), getattr(expected, plane)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got.view(np.int32), wanted.view(np.int32), err_msg=plane)
    assert dict(found.mask_planes) == dict(expected.mask_planes)
    assert (found.xy0, found.unit) == (expected.xy0, expected.unit)
    assert found.psf.kind == expected.psf.kind
    rng = np.random.default_rng(11)
    x = rng.uniform(0.0, found.image.shape[1], 30) + found.xy0[0]
    y = rng.uniform(0.0, found.image.shape[0], 30) + found.xy0[1]
    np.testing.assert_array_equal(found.wcs.pixel_to_sky(x, y), expected.wcs.pixel_to_sky(x, y))
    np.testing.assert_array_equal(found.psf.images(x, y).values, expected.psf.images(x, y).values)
    np.testing.assert_array_equal(found.psf.shapes(x, y), expected.psf.shapes(x, y))
    np.testing.assert_array_equal(found.photo_calib.factor(x, y), expected.photo_calib.factor(x, y))
    assert set(found.ap_corr or {}) == set(expected.ap_corr or {})
    for name, field in (expected.ap_corr or {}).items():
        np.testing.assert_array_equal(found.ap_corr[name].evaluate(x, y), field.evaluate(x, y))


@pytest.mark.parametrize("psf", PSFS.values(), ids=PSFS)
def test_every_psf_comes_back_bit_for_bit(psf, tmp_path):
    exposure = an_exposure(psf=psf)
    write_exposure(exposure, tmp_path / "e.fits")
    assert_same(open_exposure(tmp_path / "e.fits"), exposure)


def test_what_an_exposure_says_of_itself_comes_back(tmp_path):
    visit = an_exposure()
    coadd = an_exposure(info=ExposureInfo(band="g", tract=5063, patch="14"))
    for exposure in (visit, coadd):
        write_exposure(exposure, tmp_path / "e.fits")
        info = open_exposure(tmp_path / "e.fits").info
        # The date card has nanoseconds: 1e-14 days, below the spacing of doubles at this MJD.
        assert (
            info.mjd == pytest.approx(exposure.info.mjd, abs=1e-11) if exposure.info.mjd else info.mjd is None
        )
        assert dataclasses.replace(info, mjd=exposure.info.mjd) == exposure.info


@pytest.mark.parametrize("compress", [True, False])
def test_reference_exposures_of_lsst_come_back_bit_for_bit(reference, tmp_path, compress):
    for name in WRITABLE:
        exposure = open_exposure(reference / name / "exposure.fits")
        if not compress:  # cfitsio, and so every reader that follows LSST, loses infinity there
            variance = np.where(np.isinf(exposure.variance), np.float32(np.nan), exposure.variance)
            exposure = dataclasses.replace(exposure, variance=variance)
        write_exposure(exposure, tmp_path / "e.fits", compress=compress)
        assert_same(open_exposure(tmp_path / "e.fits"), exposure)


def layout(path):
    """Return what a reader of the file relies on: per HDU its type, name and column cards."""
    hdus = []
    with fits.open(path, disable_image_compression=True) as file:
        for hdu in file:
            header = hdu.header
            names = [header.get(k) for k in ("EXTTYPE", "EXTNAME", "EXTVER", "FLAGCOL", "AFW_TABLE_VERSION")]
            columns = {
                keyword: re.sub(r"\(\d+\)", "", str(header[keyword]))
                for keyword in header
                if re.fullmatch(r"T(TYPE|FORM|UNIT|CCLS|FLAG)\d+", keyword)
            }
            hdus.append((type(hdu).__name__, names, header.get("AR_NAME"), columns))
    return hdus


def objects(path):
    """Return name, module and number of rows of every object of an archive, in no order."""
    with fits.open(path) as file:
        return sorted((row["name"], row["module"], row["nrows"]) for row in file["ARCHIVE_INDEX"].data)


@pytest.mark.parametrize("name", WRITABLE)
def test_the_layout_is_that_of_lsst(reference, tmp_path, name):
    theirs, ours = reference / name / "exposure.fits", tmp_path / "e.fits"
    compressed = "ZIMAGE" in fits.getheader(theirs, 1, disable_image_compression=True)
    write_exposure(open_exposure(theirs), ours, compress=compressed)
    assert objects(ours) == objects(theirs)
    # The planes and the index come in this order; tables may come in any, for the index numbers them.
    assert layout(ours)[:5] == layout(theirs)[:5]
    for table in layout(theirs)[5:]:
        assert table in layout(ours)[5:]


@pytest.mark.parametrize(
    "name", ["singlegauss_tan", "doublegauss_tansip_xy0", "pcapsf_polywcs", "mask_remap"]
)
def test_the_plane_headers_are_those_of_lsst(reference, tmp_path, name):
    theirs, ours = reference / name / "exposure.fits", tmp_path / "e.fits"
    write_exposure(open_exposure(theirs), ours)
    with fits.open(theirs) as expected, fits.open(ours) as found:
        for hdu in (1, 2, 3):
            left, right = expected[hdu].header, found[hdu].header
            wanted = {
                k for k in left if not re.match(r"BITPIX|NAXIS|PCOUNT|GCOUNT|XTENSION|BUNIT|COMMENT|$", k)
            }
            assert wanted <= set(right)
            for key in wanted:
                # Numbers were written with 15 digits, and computed by AST in another order.
                if isinstance(left[key], float):
                    assert right[key] == pytest.approx(left[key], rel=1e-11, abs=1e-22), key
                else:
                    assert right[key] == left[key], key
        assert set(found[0].header) >= {
            "EXPINFO_V",
            "AR_HDU",
            "PSF_ID",
            "ARCHIVE_ID_PSF",
            "ARCHIVE_ID_SKYWCS",
        }
        assert found[0].header["AR_HDU"] == expected[0].header["AR_HDU"]


def test_headers_pass_astropys_verification(tmp_path):
    write_exposure(an_exposure(psf=PSFS["PcaPsf"]), tmp_path / "e.fits")
    with fits.open(tmp_path / "e.fits") as hdus:
        hdus.verify("exception")
        assert (tmp_path / "e.fits").stat().st_size % 2880 == 0
        assert hdus["IMAGE"].header["BUNIT"] == "nJy"
        assert hdus["VARIANCE"].header["BUNIT"] == "nJy**2"


def test_the_bytes_depend_on_the_exposure_alone(tmp_path):
    write_exposure(an_exposure(), tmp_path / "a.fits")
    write_exposure(an_exposure(), tmp_path / "b.fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


def test_an_exposure_of_pixels_alone_is_written(tmp_path):
    bare = Exposure(
        image=np.ones((4, 5), np.float32),
        mask=np.zeros((4, 5), np.int32),
        variance=np.ones((4, 5), np.float32),
    )
    write_exposure(bare, tmp_path / "e.fits")
    found = open_exposure(tmp_path / "e.fits")
    assert (found.wcs, found.psf, found.photo_calib, found.ap_corr, found.unit) == (
        None,
        None,
        None,
        None,
        "",
    )
    assert found.info == ExposureInfo()


def test_a_varying_calibration_comes_back(tmp_path):
    field = ChebyshevField(Box(*XY0, WIDTH, HEIGHT), np.array([[0.8, 0.1], [0.05, 0.0]]))
    for calib in (PhotoCalib(0.8, 0.0, field), PhotoCalib(0.8, 0.0, ConstantField(0.9))):
        write_exposure(an_exposure(photo_calib=calib), tmp_path / "e.fits")
        found = open_exposure(tmp_path / "e.fits").photo_calib
        x, y = np.array([1651.0, 1700.0]), np.array([-40.0, 0.0])
        np.testing.assert_array_equal(found.factor(x, y), calib.factor(x, y))


def test_a_part_that_afw_cannot_hold_is_named_and_nothing_is_written(tmp_path):
    class HomeMadePsf:
        kind = "HomeMadePsf"

    with pytest.raises(ForcedSQLError, match="HomeMadePsf"):
        write_exposure(an_exposure(psf=HomeMadePsf()), tmp_path / "e.fits")
    with pytest.raises(ForcedSQLError, match="its psf is a CoaddPsf"):
        write_exposure(an_exposure(psf=None, unsupported={"psf": "CoaddPsf"}), tmp_path / "e.fits")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "e.fits"
    path.write_bytes(b"old")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(ForcedSQLError, match="No space left on device"):
        write_exposure(an_exposure(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_one_clear_line(tmp_path):
    with pytest.raises(ForcedSQLError, match=r"cannot write .*nowhere/e\.fits: No such file or directory"):
        write_exposure(an_exposure(), tmp_path / "nowhere" / "e.fits")


@pytest.mark.parametrize("name", ["n" * 300 + ".fits", "a\0.fits", ""])
def test_a_name_that_no_file_can_have_is_one_clear_line(tmp_path, name):
    with pytest.raises(ForcedSQLError, match="cannot write"):
        write_exposure(an_exposure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_visit_0_comes_back(tmp_path):
    write_exposure(an_exposure(info=ExposureInfo(visit=0, detector=0, tract=0)), tmp_path / "e.fits")
    info = open_exposure(tmp_path / "e.fits").info
    assert (info.visit, info.detector, info.tract) == (0, 0, 0)
