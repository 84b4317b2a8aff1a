import math

import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.psf.drawn_gaussian import DrawnGaussianPsf


def gaussian_on_pixels(x, y, *, size, sigma):
    """The model of one position, pixel by pixel."""
    first_x, first_y = math.floor(x + 0.5) - size // 2, math.floor(y + 0.5) - size // 2
    values = [
        [math.exp(-((first_x + i - x) ** 2 + (first_y + j - y) ** 2) / (2 * sigma**2)) for i in range(size)]
        for j in range(size)
    ]
    return np.array(values) / np.sum(values), first_x, first_y


def test_images_are_sampled_at_the_pixels_around_the_position():
    x, y = np.array([10.0, 3.5, -7.49, 1e6 + 0.3]), np.array([20.0, -2.5, 8.01, 0.7])
    images = DrawnGaussianPsf(15, 2.1).images(x, y)
    for k in range(4):
        expected, x0, y0 = gaussian_on_pixels(x[k], y[k], size=15, sigma=2.1)
        # Positions of a million pixels carry an error of 1e-10.
        np.testing.assert_allclose(images.values[k], expected, atol=1e-16 if k < 3 else 1e-11)
        assert (images.x0[k], images.y0[k]) == (x0, y0)


def test_kernel_images_are_centred_and_of_sum_1():
    kernels = DrawnGaussianPsf(9, 1.5).kernel_images(np.array([0.3, 7.9]), np.array([0.0, 4.2]))
    expected, _, _ = gaussian_on_pixels(0.0, 0.0, size=9, sigma=1.5)
    for image in kernels.values:
        np.testing.assert_allclose(image, expected, atol=1e-16)
    assert kernels.x0.tolist() == kernels.y0.tolist() == [-4, -4]


def test_shapes_are_those_of_the_gaussian():
    xx, yy, xy = DrawnGaussianPsf(41, 2.0).shapes(np.array([5.0]), np.array([6.0]))[0]
    # The iteration for adaptive moments stops at 1e-4 of the size (meas_base src/SdssShape.cc).
    assert (xx, yy, xy) == pytest.approx((4.0, 4.0, 0.0), abs=1e-3)


def test_there_is_no_image_at_nan_or_infinity():
    x = np.array([np.nan, np.inf, 1.0])
    images, shapes = DrawnGaussianPsf(9, 1.5).images_and_shapes(x, np.ones(3))
    assert images.valid.tolist() == [False, False, True]
    assert np.isnan(shapes[:2]).all()
    assert not images.values[:2].any()


@pytest.mark.parametrize(("size", "sigma"), [(8, 1.0), (0, 1.0), (-3, 1.0), (9, 0.0), (9, -1.0), (9, np.nan)])
def test_an_even_side_and_a_sigma_that_is_not_positive_are_refused(size, sigma):
    with pytest.raises(ConfigError, match="DrawnGaussianPsf"):
        DrawnGaussianPsf(size, sigma)
