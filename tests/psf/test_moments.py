import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.psf.moments import adaptive_moments
from tests.psf import brute_force


def gaussian(xx, yy, xy, size=61, offset=(0.0, 0.0)):
    """A normalised Gaussian of the given covariance on a square of odd size."""
    grid = np.arange(size) - size // 2
    x, y = grid[None, :] - offset[0], grid[:, None] - offset[1]
    determinant = xx * yy - xy * xy
    image = np.exp(-0.5 * (yy * x**2 - 2 * xy * x * y + xx * y**2) / determinant)
    return image / image.sum()


def moments_of(image, cx=None, cy=None):
    cx = image.shape[1] // 2 if cx is None else cx
    cy = image.shape[0] // 2 if cy is None else cy
    return adaptive_moments(image[None], np.array([cx]), np.array([cy]))[0]


@settings(max_examples=40, deadline=None)
@given(a=st.floats(1.3, 4.0), ratio=st.floats(1.0, 1.8), angle=st.floats(0.0, np.pi))
def test_the_moments_of_a_gaussian_are_its_covariance(a, ratio, angle):
    cos, sin = np.cos(angle), np.sin(angle)
    a2, b2 = (a * ratio) ** 2, a**2
    truth = np.array([a2 * cos**2 + b2 * sin**2, a2 * sin**2 + b2 * cos**2, (a2 - b2) * cos * sin])
    measured = moments_of(gaussian(*truth))
    # Pixels beyond E = 14 are left out and the iteration stops at 1e-4 in size: 2e-3 of the moments.
    np.testing.assert_allclose(measured, truth, rtol=0, atol=2e-3 * truth[:2].max())


def random_image(seed, height=19, width=23):
    """A lopsided, noisy star."""
    rng = np.random.default_rng(seed)
    xx, yy = rng.uniform(1.2, 5.0, 2)
    star = gaussian(xx, yy, rng.uniform(-0.5, 0.5) * np.sqrt(xx * yy), size=25)
    star = star[3 : 3 + height, 1 : 1 + width] + rng.normal(0, 2e-4, (height, width))
    return star, 11, 9


@pytest.mark.parametrize("seed", range(12))
def test_the_iteration_equals_the_algorithm_written_out(seed):
    image, cx, cy = random_image(seed)
    # The reference code rounds to single precision on the way, which is worth 1e-6 pixel^2.
    np.testing.assert_allclose(
        moments_of(image, cx, cy), brute_force.adaptive_moments(image, cx, cy), rtol=0, atol=5e-6
    )


@pytest.mark.parametrize(
    "variance", [(0.1, 0.1, 0.0), (0.2, 1.5, 0.05), (0.05, 0.3, 0.0), (0.3, 0.18, -0.08)]
)
def test_an_undersampled_image_is_measured_inside_pixels(variance):
    image = gaussian(*variance, size=15, offset=(0.1, -0.2))
    np.testing.assert_allclose(
        moments_of(image), brute_force.adaptive_moments(image, 7, 7), rtol=0, atol=5e-6
    )


def two_points():
    image = np.zeros((21, 21))
    image[10, 7] = image[10, 13] = 0.5
    return image


def spot_in_a_hole():
    image = -np.ones((15, 15)) * 1e-3
    image[7, 7] = 1.0
    image[0:2] = 0.3
    return image


def plain_negative():
    return -gaussian(2.0, 2.0, 0.0, size=15)


def flat():
    return np.ones((15, 15)) / 225


def one_pixel():
    image = np.zeros((15, 15))
    image[7, 7] = 1.0
    return image


def off_centre_line():
    image = np.zeros((15, 15))
    image[7, 2:] = 1.0
    return image


@pytest.mark.parametrize(
    "make",
    [two_points, spot_in_a_hole, plain_negative, flat, one_pixel, off_centre_line, lambda: np.zeros((9, 9))],
)
def test_images_without_a_solution_fall_back_as_written_out(make):
    image = make()
    centre = image.shape[0] // 2
    expected = brute_force.adaptive_moments(image, centre, centre)
    np.testing.assert_allclose(moments_of(image), expected, rtol=1e-6, atol=5e-6)


def test_an_image_without_a_positive_sum_has_no_shape():
    assert np.isnan(moments_of(plain_negative())).all()


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_bits_do_not_depend_on_how_many_images_share_the_call(count):
    rng = np.random.default_rng(12)
    images = np.stack(
        [
            gaussian(*rng.uniform(0.15, 9.0, 2), 0.0, size=21) + rng.normal(0, 1e-4, (21, 21))
            for _ in range(1000)
        ]
    )
    centre = np.full(1000, 10)
    together = adaptive_moments(images, centre, centre)
    np.testing.assert_array_equal(
        adaptive_moments(images[:count], centre[:count], centre[:count]), together[:count]
    )
    picked = np.sort(rng.permutation(1000)[:count])
    np.testing.assert_array_equal(
        adaptive_moments(images[picked], centre[:count], centre[:count]), together[picked]
    )


def test_images_of_several_sizes_share_a_block():
    sizes = [(19, 23), (21, 21), (0, 0), (19, 23)]
    block = np.zeros((4, 25, 25))
    for i, (h, w) in enumerate(sizes):
        if h:
            block[i, :h, :w] = random_image(20 + i, h, w)[0]
    height, width = np.array(sizes).T
    centre_x, centre_y = np.array([11, 11, 0, 11]), np.array([9, 9, 0, 9])
    together = adaptive_moments(block, centre_x, centre_y, width=width, height=height)
    assert np.isnan(together[2]).all()
    for i in (0, 1, 3):
        alone = moments_of(block[i, : height[i], : width[i]].copy(), 11, 9)
        np.testing.assert_array_equal(together[i], alone)


def test_no_images_give_no_moments():
    none = np.zeros(0, dtype=np.int64)
    assert adaptive_moments(np.zeros((0, 5, 5)), none, none).shape == (0, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308, 1e-300])
def test_hostile_pixels_neither_raise_nor_warn(value):
    image = gaussian(2.0, 2.0, 0.0, size=15)
    image[7, 8] = value
    assert moments_of(image).shape == (3,)
