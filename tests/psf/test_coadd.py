import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.footprints import Footprint
from forcedsql.geometry import Box
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.psf.coadd import CoaddPsf, CoaddPsfInput
from forcedsql.psf.warping_kernel import WarpingKernel
from tests.measure.exposures import FlatWcs, make_exposure, sky
from tests.psf.brute_force_warp import coadd_kernel_image
from tests.psf.coadds import coadd, piff_like_psf, projection
from tests.psf.models import varying_psf

FIELDS = ("values", "x0", "y0", "width", "height", "valid")


def pca_psf(seed):
    return varying_psf(19, 23, seed=seed + 40)


def around(count, half, seed=1):
    x, y = np.random.default_rng(seed).uniform(-half, half, (2, count))
    return 12000.0 + x, 8000.0 + y


@pytest.fixture(scope="module")
def patchwork():
    """Five inputs of two kinds, of which from none to all cover a position near the middle."""
    psfs = [lambda seed: piff_like_psf(21, seed=seed), pca_psf]
    return coadd(5, lambda seed: psfs[seed % 2](seed), side=300, dither=110.0, polygons=True)


def test_images_are_those_of_brute_force_position_by_position(patchwork):
    x, y = around(14, 220.0)
    x[:2] = np.floor(x[:2]) + np.array([0.5, 0.0])
    images = patchwork.kernel_images(x, y)
    sizes = set()
    for i in range(len(x)):
        expected = coadd_kernel_image(patchwork, x[i], y[i])
        assert images.valid[i] == (expected is not None)
        if expected is not None:
            own = images.values[i, : images.height[i], : images.width[i]]
            sizes.add(own.shape)
            # The brute force has AST's numerical derivatives, which are off by up to 2e-7 of the peak.
            np.testing.assert_allclose(own, expected, rtol=0, atol=5e-7 * expected.max())
    assert 2 < images.valid.sum() < len(x)
    assert len(sizes) > 1


@pytest.mark.parametrize("method", ["kernel_images", "images"])
def test_a_position_does_not_depend_on_its_company(patchwork, method):
    x, y = around(40, 220.0, seed=2)
    together = getattr(patchwork, method)(x, y)
    assert 0 < together.valid.sum() < 40
    for i in range(40):
        alone = getattr(patchwork, method)(x[i : i + 1], y[i : i + 1])
        h, w = together.height[i], together.width[i]
        np.testing.assert_array_equal(together.values[i, :h, :w], alone.values[0, :h, :w])
        assert not together.values[i, h:].any()
        assert not together.values[i, :, w:].any()
        for field in FIELDS[1:]:
            assert getattr(together, field)[i] == getattr(alone, field)[0]


def test_shapes_are_of_the_same_kernel_images(patchwork):
    x, y = around(40, 220.0, seed=2)
    images, shapes = patchwork.images_and_shapes(x, y)
    np.testing.assert_array_equal(np.isfinite(shapes).all(axis=1), images.valid)
    np.testing.assert_array_equal(shapes, patchwork.shapes(x, y))
    np.testing.assert_array_equal(images.values, patchwork.images(x, y).values)


def test_equal_inputs_weigh_in_by_their_weights():
    x, y = around(5, 50.0)
    one = coadd(1, pca_psf, side=300, dither=0.0)
    (part,) = one.inputs
    twice = CoaddPsf([part, part], one.coadd_wcs, one.kernel)
    np.testing.assert_allclose(twice.images(x, y).values, one.images(x, y).values, rtol=0, atol=1e-16)


def test_the_mean_is_that_of_the_inputs_alone():
    x, y = around(6, 40.0)
    both = coadd(2, side=400, dither=20.0)
    alone = [CoaddPsf([part], both.coadd_wcs, both.kernel).kernel_images(x, y) for part in both.inputs]
    weights = [part.weight for part in both.inputs]
    images = both.kernel_images(x, y)
    for i in range(len(x)):
        expected = np.zeros((images.height[i], images.width[i]))
        for image, weight in zip(alone, weights, strict=True):
            top, left = image.y0[i] - images.y0[i], image.x0[i] - images.x0[i]
            h, w = image.height[i], image.width[i]
            expected[top : top + h, left : left + w] += weight / sum(weights) * image.values[i, :h, :w]
        own = images.values[i, : images.height[i], : images.width[i]]
        np.testing.assert_allclose(own, expected, rtol=0, atol=1e-16)


def test_an_input_without_a_psf_at_a_position_it_covers_invalidates_it():
    one = coadd(1, side=300, dither=0.0)
    (part,) = one.inputs
    inner = CoaddPsf([CoaddPsfInput(part.psf, Footprint(part.footprint.wcs, Box(0, 0, 10, 10)), 1.0)],
                     part.footprint.wcs, one.kernel)  # fmt: skip
    partial = CoaddPsf([part, CoaddPsfInput(inner, part.footprint, 1.0)], one.coadd_wcs, one.kernel)
    x, y = around(3, 20.0)
    assert one.images(x, y).valid.all()
    assert not partial.images(x, y).valid.any()
    assert partial.component_count == 2


@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.0, 0.0), (np.nan, 1.0), (np.inf, 1.0)])
def test_weights_without_a_usable_sum_have_no_psf(weights):
    two = coadd(2, side=300, dither=0.0)
    parts = [
        CoaddPsfInput(part.psf, part.footprint, weight)
        for part, weight in zip(two.inputs, weights, strict=True)
    ]
    x, y = around(3, 20.0)
    images = CoaddPsf(parts, two.coadd_wcs, two.kernel).images(x, y)
    assert not images.valid.any()
    assert not images.values.any()


def test_a_coadd_of_nothing_has_no_psf_anywhere():
    x, y = around(3, 20.0)
    images = CoaddPsf([], projection(), WarpingKernel()).images(x, y)
    assert not images.valid.any()
    assert images.width.tolist() == [0, 0, 0]


def test_positions_off_the_pixel_grid_have_no_psf():
    x, y = around(4, 20.0)
    x[0], y[1], x[2] = np.nan, np.inf, 1e30
    assert coadd(1, side=300, dither=0.0).images(x, y).valid.tolist() == [False, False, False, True]


def test_threads_share_a_coadd(patchwork):
    batches = [around(60, 200.0, seed=seed) for seed in range(8)]
    serial = [patchwork.images(x, y) for x, y in batches]
    fresh = CoaddPsf(patchwork.inputs, patchwork.coadd_wcs, patchwork.kernel)
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda batch: fresh.images(*batch), batches))
    for one, other in zip(serial, threaded, strict=True):
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_memory_does_not_grow_with_the_number_of_inputs():
    x, y = around(512, 60.0)

    def peak(count):
        psf = coadd(count, pca_psf, side=300, dither=5.0)
        psf.images_and_shapes(x[:8], y[:8])
        tracemalloc.start()
        psf.images_and_shapes(x, y)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    # The images themselves are 5 MB; with more inputs their boxes grow a little.
    few, many = peak(2), peak(24)
    assert many < 1.5 * few
    assert many < 30_000_000


def test_where_no_input_is_the_measurement_flags_the_row_among_good_ones():
    footprint = Footprint(FlatWcs(), Box(0, 0, 120, 200))
    psf = CoaddPsf(
        [CoaddPsfInput(SingleGaussianPsf(25, 25, 1.8), footprint, 1.0)], FlatWcs(), WarpingKernel()
    )
    exposure = make_exposure(psf=psf)
    x, y = np.array([60.0, 170.0, 90.0]), np.array([60.0, 100.0, 150.0])
    measured = measure_positions(exposure, *sky(x, y), MeasurementConfig())
    for name in ("invalidPsfFlag", "psfFlux_flag", "pixelFlags_flag"):
        assert measured[name].tolist() == [False, True, False], name
    for name in ("psfFlux", "psfFluxErr", "psfFlux_area", "psfFlux_chi2"):
        assert np.isnan(measured[name]).tolist() == [False, True, False], name
    # Apertures need no PSF.
    assert np.isfinite(measured["ap12Flux"]).all()
