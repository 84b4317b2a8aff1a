"""Warping of PSF images in C against the NumPy that says what it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.native.warping import WarpingTable
from forcedsql.psf.protocol import PsfImages
from forcedsql.psf.warp import Warp
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.transforms import LocalMaps
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")

KERNELS = tuple(
    WarpingKernel(name, 1000) for name in ("lanczos3", "lanczos1", "lanczos5", "bilinear", "nearest")
)


def random_warp(seed, kernel, *, count=12, plane=(19, 23), hostile=True):
    """Images of several sizes, and maps that turn, stretch and squeeze them; some fit for nothing."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 1.0, (count, *plane))
    height, width = (rng.integers(1, size + 1, count) for size in plane)
    valid = rng.random(count) < 0.9
    matrix = rng.normal(size=(count, 2, 2)) * rng.choice([0.3, 1.0, 1.0, 3.0], count)[:, None, None]
    x0, y0 = rng.integers(-50, 50, (2, count))
    x, y = x0 + rng.uniform(-2, width + 1), y0 + rng.uniform(-2, height + 1)
    whole = rng.random(count) < 0.2
    x[whole], y[whole], matrix[whole] = np.round(x[whole]), np.round(y[whole]), np.eye(2)
    if hostile:
        values[0, 0, 0] = rng.choice([np.nan, np.inf, 1e308])
        values[1] = 0.0
        matrix[2] = [[1.0, 2.0], [2.0, 4.0]]
        x[3] = np.nan
    with np.errstate(all="ignore"):
        (a, b), (c, d) = matrix.transpose(1, 2, 0)
        inverse = (np.array([[d, -b], [-c, a]]) / (a * d - b * c)).transpose(2, 0, 1)
    images = PsfImages(values, x0, y0, np.where(valid, width, 0), np.where(valid, height, 0), valid)
    return Warp.of(images, LocalMaps(x, y, matrix, inverse), kernel)


def warped(warp, kernel):
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setenv("FORCEDSQL_KERNEL", kernel)
        return warp.centred()


def assert_same(native, numpy):
    np.testing.assert_array_equal(native.valid, numpy.valid)
    np.testing.assert_array_equal(native.half_width, numpy.half_width)
    np.testing.assert_array_equal(native.half_height, numpy.half_height)
    # An image is divided by its sum, whose rounding is that of the absolute values added up.
    size = np.abs(numpy.values)
    scale = size.max(axis=(1, 2)) * np.maximum(size.sum(axis=(1, 2)), 1.0)
    assert (np.abs(native.values - numpy.values) <= 1e-13 * scale[:, None, None]).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), kernel=st.sampled_from(KERNELS))
def test_warped_images_agree_to_rounding(seed, kernel):
    warp = random_warp(seed, kernel)
    assert_same(warped(warp, "native"), warped(warp, "numpy"))


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_every_instruction_set_agrees_with_numpy(library, kernel):
    warp = random_warp(1, kernel, count=60)
    assert warp.valid.sum() > 20
    assert_same(warped(warp, "native"), warped(warp, "numpy"))


def test_bits_do_not_depend_on_threads_or_company(library, threads, monkeypatch):
    monkeypatch.setenv("FORCEDSQL_KERNEL", "native")
    count, warp = 150, random_warp(2, KERNELS[0], count=150, hostile=False)
    planes, size = {}, (2 * warp.half_height.max() + 1, 2 * warp.half_width.max() + 1)
    for limit in (1, 3):
        threads(limit)
        planes[limit] = np.zeros((count, *size))
        warp.add_to(planes[limit], np.arange(count), 0.7)
    np.testing.assert_array_equal(planes[1], planes[3])
    maps, images = warp.maps, warp.images
    for i in range(0, count, 20):
        one = slice(i, i + 1)
        part = Warp(
            PsfImages(
                *(
                    a[one]
                    for a in (images.values, images.x0, images.y0, images.width, images.height, images.valid)
                )
            ),
            LocalMaps(maps.x[one], maps.y[one], maps.matrix[one], maps.inverse[one]),
            warp.kernel,
            warp.half_width[one],
            warp.half_height[one],
            warp.valid[one],
        )
        alone = np.zeros((1, *size))
        part.add_to(alone, np.zeros(1, np.int64), 0.7)
        np.testing.assert_array_equal(alone[0], planes[1][i])


@pytest.mark.parametrize("kernel", ["native", "numpy"])
def test_images_are_added_times_a_weight_to_their_planes(kernel, monkeypatch):
    monkeypatch.setenv("FORCEDSQL_KERNEL", kernel)
    warp = random_warp(3, KERNELS[0], hostile=False)
    images = warp.centred()
    before = np.random.default_rng(1).normal(size=(20, *images.values.shape[1:]))
    planes, rows = before.copy(), np.random.default_rng(2).permutation(20)[: len(warp.valid)]
    valid = warp.add_to(planes, rows, 0.25)
    np.testing.assert_array_equal(valid, images.valid)
    np.testing.assert_allclose(planes[rows], before[rows] + 0.25 * images.values, rtol=0, atol=1e-14)
    others = np.setdiff1d(np.arange(20), rows)
    np.testing.assert_array_equal(planes[others], before[others])


def test_planes_that_are_too_small_or_shared_do_not_reach_c(library, monkeypatch):
    monkeypatch.setenv("FORCEDSQL_KERNEL", "native")
    warp = random_warp(3, KERNELS[0], hostile=False)
    rows, large = np.arange(len(warp.valid)), np.zeros((12, 201, 201))
    with pytest.raises(ValueError, match="do not fit into planes of 3"):
        warp.add_to(np.zeros((12, 201, 3)), rows, 1.0)
    with pytest.raises(ValueError, match="each to its own"):
        warp.add_to(large, np.zeros_like(rows), 1.0)
    with pytest.raises(ValueError, match="each to its own"):
        warp.add_to(large, rows + 1, 1.0)
    with pytest.raises(ValueError, match="reach over 2 zeros"):
        WarpingTable(np.ones((10, 6)), -2, 2).describe(library)
