"""PSF images in C against the NumPy that says what they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.native import images as native_images
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.shift import shift_images
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")

SEEDS = st.integers(0, 1 << 32)


def in_both(function, *arguments, **options):
    """Results of the native and of the NumPy code."""
    results = []
    for kernel in ("native", "numpy"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FORCEDSQL_KERNEL", kernel)
            results.append(function(*arguments, **options))
    return results


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, plane=st.tuples(st.integers(1, 45), st.integers(1, 45)), one_image=st.booleans())
def test_shifts_agree_to_rounding(seed, plane, one_image):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 6))
    images = np.zeros((1 if one_image else count, *plane))
    height = rng.integers(0, plane[0] + 1, count)
    width = rng.integers(0, plane[1] + 1, count)
    images[:] = rng.normal(size=images.shape)
    dx, dy = rng.uniform(-0.5, 0.5, (2, count))
    dx[rng.random(count) < 0.2] = 0.0
    for sizes in ({}, {"height": height, "width": width}):
        native, numpy = in_both(shift_images, images, dx, dy, **sizes)
        # Twice eleven products of numbers of order 1, in another order.
        np.testing.assert_allclose(native, numpy, rtol=0, atol=1e-14)


def test_shifted_images_fill_a_strided_block():
    rng = np.random.default_rng(3)
    images, (dx, dy) = rng.normal(size=(5, 9, 11)), rng.uniform(-0.5, 0.5, (2, 5))
    for kernel in ("native", "numpy"):
        block = np.full((5, 14, 16), np.nan)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FORCEDSQL_KERNEL", kernel)
            shift_images(images, dx, dy, out=block[:, :9, :11])
        assert np.isfinite(block[:, :9, :11]).all()
        assert np.isnan(block[:, 9:]).all()
        assert np.isnan(block[:, :, 11:]).all()


def stars(rng, count, size):
    """Lopsided, noisy stars, some undersampled, some without a solution, some hostile."""
    grid = np.arange(size) - size // 2
    images = np.empty((count, size, size))
    for image in images:
        xx, yy = rng.uniform(0.05, 9.0, 2)
        xy = rng.uniform(-0.8, 0.8) * np.sqrt(xx * yy)
        x, y = grid[None, :] - rng.uniform(-1, 1), grid[:, None] - rng.uniform(-1, 1)
        image[:] = np.exp(-0.5 * (yy * x * x - 2 * xy * x * y + xx * y * y) / (xx * yy - xy * xy))
        image[:] += rng.normal(0, rng.choice([0.0, 1e-4, 1e-2, 1.0]), image.shape)
        if rng.random() < 0.05:
            image[rng.integers(size), rng.integers(size)] = rng.choice([np.nan, np.inf, 1e300, -1e30])
    return images


def settled(images, moments, rng, *centre, **options):
    """Which moments, (n,), do not hang on the last bits of the pixels.

    The iteration stops at a change of 1e-4, or fails; where a rounding decides when it does, the
    results are far apart.
    """
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORCEDSQL_KERNEL", "numpy")
        close = np.ones(len(moments), np.bool_)
        for _ in range(2):
            touched = images * (1.0 + 1e-7 * rng.normal(size=images.shape))
            again = adaptive_moments(touched, *centre, **options)
            close &= np.abs(again - moments).max(axis=1) <= 1e-6 * np.abs(moments).max(axis=1)
    return close


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, size=st.integers(1, 35))
def test_moments_agree_to_the_rounding_of_the_algorithm(seed, size):
    rng = np.random.default_rng(seed)
    images = stars(rng, 8, size)
    centre = rng.integers(-2, size + 2, (2, 8))
    sizes = rng.integers(0, size + 1, (2, 8))
    for options in ({}, {"height": sizes[0], "width": sizes[1]}):
        with np.errstate(all="ignore"):
            native, numpy = in_both(adaptive_moments, images, *centre, **options)
        np.testing.assert_array_equal(np.isnan(native), np.isnan(numpy))
        good = settled(images, numpy, rng, *centre, **options)
        # Sums in another order round to another float32: up to 3e-6 was seen of 60,000 stars.
        np.testing.assert_allclose(native[good], numpy[good], rtol=1e-4, atol=1e-5)


def test_most_moments_are_settled():
    rng = np.random.default_rng(9)
    images = stars(rng, 400, 15)
    centre = np.full((2, len(images)), 7)
    with np.errstate(all="ignore"):
        native, numpy = in_both(adaptive_moments, images, *centre)
    good = settled(images, numpy, rng, *centre)
    assert good.mean() > 0.8
    np.testing.assert_allclose(native[good], numpy[good], rtol=1e-5, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, terms=st.integers(1, 12), shape=st.tuples(st.integers(1, 45), st.integers(1, 45)))
def test_combinations_agree_to_rounding(seed, terms, shape):
    rng = np.random.default_rng(seed)
    weights, basis = rng.normal(size=(7, terms)), rng.normal(size=(terms, *shape))
    out = np.empty((7, *shape))
    native_images.combine_images(loaded(), weights, basis, out)
    np.testing.assert_allclose(out, np.einsum("nk,khw->nhw", weights, basis), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["combine", "shift", "moments"])
def test_bits_do_not_depend_on_threads_company_or_place(library, threads, monkeypatch, kind):
    monkeypatch.setenv("FORCEDSQL_KERNEL", "native")
    rng = np.random.default_rng(5)
    count = 400
    images = np.abs(stars(rng, count, 23))
    dx, dy = rng.uniform(-0.5, 0.5, (2, count))
    weights, basis = rng.normal(size=(count, 3)), images[:3]

    def run(rows):
        if kind == "combine":
            out = np.empty((len(rows), 23, 23))
            native_images.combine_images(library, weights[rows], basis, out)
            return out
        if kind == "shift":
            return shift_images(images[rows], dx[rows], dy[rows])
        centre = np.full(len(rows), 11)
        return adaptive_moments(images[rows], centre, centre)

    threads(1)
    alone = np.concatenate([run(np.array([i])) for i in range(count)])
    for limit in (1, 3):
        threads(limit)
        np.testing.assert_array_equal(run(np.arange(count)), alone)
        np.testing.assert_array_equal(run(np.arange(count)[::-1]), alone[::-1])


def test_sizes_beyond_the_plane_do_not_reach_c(library):
    images, one = np.zeros((1, 5, 5)), np.ones(1, np.int64)
    with pytest.raises(ValueError, match="in a plane of 5"):
        native_images.adaptive_moments(library, images, one, one, width=6 * one, height=one)
    with pytest.raises(ValueError, match="in a plane of 5"):
        native_images.adaptive_moments(library, images, one, one, width=one, height=-one)
    with pytest.raises(ValueError, match="cannot move to"):
        native_images.shift_images(
            library,
            images,
            np.zeros(2),
            np.zeros(2),
            width=None,
            height=None,
            out=np.zeros((2, 4, 5)),
        )


@pytest.mark.parametrize(
    "target",
    [np.zeros((1, 5, 10))[:, :, ::2], np.zeros((1, 5, 5))[:, :, ::-1], np.broadcast_to(0.0, (1, 5, 5))],
)
def test_images_do_not_move_to_rows_that_are_not_contiguous_or_not_writable(library, target):
    shift, images = np.zeros(1), np.zeros((1, 5, 5))
    with pytest.raises(ValueError, match="need writable, contiguous rows"):
        native_images.shift_images(library, images, shift, shift, width=None, height=None, out=target)
