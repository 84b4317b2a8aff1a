import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forcedsql.psf.shift import lanczos5_taps, shift_images, split_position
from tests.psf import brute_force

FRACTIONS = st.floats(-0.5, 0.5)


@settings(max_examples=60, deadline=None)
@given(
    image=st.tuples(st.integers(1, 17), st.integers(1, 17)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.floats(-100, 100))
    ),
    dx=FRACTIONS,
    dy=FRACTIONS,
)
def test_a_shift_equals_the_sum_written_out(image, dx, dy):
    moved = shift_images(image[None], np.array([dx]), np.array([dy]))[0]
    # Products of ten-term sums in another order: some 1e-15 of the largest pixel.
    np.testing.assert_allclose(moved, brute_force.shift_image(image, dx, dy), rtol=0, atol=1e-12)


@pytest.mark.parametrize("fraction", [0.0, 0.3, -0.3, 0.5, -0.5, 1e-12, 2e-6, -4e-6])
def test_taps_equal_the_lanczos_function(fraction):
    taps, first = lanczos5_taps(np.array([fraction]))
    weights = [brute_force.lanczos5(d + fraction) for d in range(first[0], first[0] + 10)]
    assert first[0] == (-5 if fraction > 0 else -4)
    np.testing.assert_allclose(taps[0], np.array(weights) / sum(weights), rtol=0, atol=1e-15)


def test_taps_sum_to_one():
    taps, _ = lanczos5_taps(np.linspace(-0.5, 0.5, 101))
    np.testing.assert_allclose(taps.sum(axis=1), 1.0, rtol=0, atol=1e-15)


def test_no_shift_returns_the_very_pixels():
    images = np.random.default_rng(4).normal(size=(3, 11, 13))
    np.testing.assert_array_equal(shift_images(images, np.zeros(3), np.zeros(3)), images)


def test_a_well_sampled_gaussian_moves_where_it_should():
    grid = np.arange(41) - 20.0
    star = np.exp(-0.5 * (grid[None, :] ** 2 + grid[:, None] ** 2) / 2.0**2)
    moved = shift_images(star[None], np.array([0.31]), np.array([-0.44]))[0]
    expected = np.exp(-0.5 * ((grid[None, :] - 0.31) ** 2 + (grid[:, None] + 0.44) ** 2) / 2.0**2)
    # Lanczos-5 interpolates a Gaussian of sigma 2 to some 1e-3 of its peak.
    np.testing.assert_allclose(moved, expected, rtol=0, atol=2e-3)


def test_images_of_several_sizes_share_a_block():
    rng = np.random.default_rng(6)
    width, height = np.array([9, 12, 0, 9]), np.array([7, 12, 0, 10])
    block = np.zeros((4, 12, 12))
    for i in range(4):
        block[i, : height[i], : width[i]] = rng.random((height[i], width[i]))
    dx, dy = rng.uniform(-0.5, 0.5, (2, 4))
    moved = shift_images(block, dx, dy, width=width, height=height)
    for i in range(4):
        alone = block[i : i + 1, : height[i], : width[i]].copy()
        expected = np.zeros((12, 12))
        expected[: height[i], : width[i]] = shift_images(alone, dx[i : i + 1], dy[i : i + 1])[0]
        np.testing.assert_array_equal(moved[i], expected)


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_bits_do_not_depend_on_how_many_images_share_the_call(count):
    rng = np.random.default_rng(7)
    images, (dx, dy) = rng.random((1000, 25, 21)), rng.uniform(-0.5, 0.5, (2, 1000))
    together = shift_images(images, dx, dy)
    np.testing.assert_array_equal(shift_images(images[:count], dx[:count], dy[:count]), together[:count])
    last = slice(1000 - count, 1000)
    np.testing.assert_array_equal(shift_images(images[last], dx[last], dy[last]), together[last])


def test_one_image_serves_every_shift():
    image, (dx, dy) = np.random.default_rng(8).random((1, 9, 9)), np.array([[0.1, -0.2], [0.3, 0.4]])
    expected = shift_images(np.repeat(image, 2, axis=0), dx, dy)
    np.testing.assert_array_equal(shift_images(image, dx, dy), expected)


@given(st.floats(-1e9, 1e9))
def test_a_position_splits_into_pixel_and_single_precision_rest(position):
    pixel, fraction = split_position(np.array([position]))
    assert -0.5 <= fraction[0] <= 0.5
    assert fraction[0] == np.float32(position - pixel[0])


def test_half_pixels_belong_to_the_upper_pixel():
    pixel, fraction = split_position(np.array([2.5, -2.5, 3.0]))
    np.testing.assert_array_equal(pixel, [3, -2, 3])
    np.testing.assert_array_equal(fraction, [-0.5, -0.5, 0.0])
