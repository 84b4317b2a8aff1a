"""The reader and the public package lsst-images on the same files."""

import sys

import numpy as np
import pytest

from forcedsql.readers import open_exposure
from tests.readers import lsst_images_file as layout
from tests.readers.lsst_images.small_files import small_file


def random_positions(exposure, count=30):
    box = exposure.bbox
    rng = np.random.default_rng(4)
    return rng.uniform(box.x0, box.x1, count), rng.uniform(box.y0, box.y1, count)


def files_for_the_package(tmp_path):
    """A coadd; images with fields of every kind, with more planes than an HDU has, with a Piff fit."""
    yield small_file("coadd").write(tmp_path / "coadd.fits")
    file, rng, bounds = small_file("visit"), np.random.default_rng(6), layout.box(0, 0, 40, 40)
    slope = layout.chebyshev(bounds, [[1.0, 0.1], [0.3, 0.0]])
    lines = {axis: layout.inline(np.linspace(0.0, 39.0, 5)) for axis in "xy"}
    grid = {"bounds": bounds, "data": layout.inline(rng.normal(size=(5, 5))), "field_type": "SPLINE"}
    file.tree["aperture_corrections"]["fields"] = {
        "sum": layout.combined("SUM", slope, slope),
        "product": layout.combined("PRODUCT", slope, slope),
        "spline": {**layout.schema("spline_field"), **grid, **lines},
    }
    file.tree["psf"] = layout.gaussian_psf(1.8, 15)
    names = [f"P{n}" for n in range(28)] + ["NO_DATA", "SATURATED", "BAD", "CROSSTALK"]
    file.tree["mask"]["planes"] = [{"name": name, "description": "."} for name in names]
    file.images["MASK"] = rng.integers(2**31, size=(40, 40)).astype(np.int32)
    second = rng.integers(2, size=(40, 40)).astype(np.int32)
    file.tree["mask"]["data"].append(file.image_node("MASK_2", second))
    yield file.write(tmp_path / "visit.fits")
    solution = rng.uniform(0.1, 1.0, (25, 6)) * [1.0, 1e-3, 1e-6, 1e-3, 1e-6, 1e-6]
    file.tree["psf"] = layout.piff_psf(file, solution, stamp_size=9, order=2, keys=("u", "v"))
    yield file.write(tmp_path / "piff.fits")


def test_the_package_and_this_reader_agree(tmp_path):
    if sys.version_info < (3, 12):
        pytest.skip("lsst-images needs Python 3.12")
    pytest.importorskip("lsst.images", reason="lsst-images is not installed")
    from lsst.images.serialization import read_archive

    for path in files_for_the_package(tmp_path):
        theirs, ours = read_archive(str(path)), open_exposure(path)
        np.testing.assert_array_equal(ours.image, theirs.image.array)
        np.testing.assert_array_equal(ours.variance, theirs.variance.array)
        names = {"SATURATED": "SAT", "INTERPOLATED": "INTRP", "COSMIC_RAY": "CR", "DETECTION_EDGE": "EDGE"}
        for name in theirs.mask.schema.names:
            bit = ours.mask_planes[names.get(name, name)]
            np.testing.assert_array_equal((ours.mask >> bit) & 1 == 1, theirs.mask.get(name))
        x, y = random_positions(ours)
        sky = theirs.sky_projection.pixel_to_sky(x=x, y=y)
        np.testing.assert_allclose(ours.wcs.pixel_to_sky(x, y), [sky.ra.deg, sky.dec.deg], atol=1e-12)
        for name, field in theirs.aperture_corrections.items():
            np.testing.assert_allclose(ours.ap_corr[name].evaluate(x, y), field(x=x, y=y), rtol=1e-12)
        kernels, images = ours.psf.kernel_images(x, y), ours.psf.images(x, y)
        for k in np.flatnonzero(kernels.valid):
            expected = theirs.psf.compute_kernel_image(x=x[k], y=y[k]).array
            np.testing.assert_allclose(kernels.values[k], expected, atol=1e-9)
            if ours.info.tract is None:  # the package cannot move the PSF of a cell
                expected = theirs.psf.compute_stellar_image(x=x[k], y=y[k])
                np.testing.assert_allclose(images.values[k], expected.array, atol=1e-9)
                assert (images.x0[k], images.y0[k]) == (expected.bbox.x.start, expected.bbox.y.start)
