import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.psf.analytic import DoubleGaussianPsf, GaussianPsf, SingleGaussianPsf

ORIGIN = np.zeros(1), np.zeros(1)


def test_the_shape_of_a_gaussian_psf_is_its_variance():
    shapes = GaussianPsf(11, 13, 1.7).shapes(np.array([3.2, np.nan]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(shapes[0], [1.7**2, 1.7**2, 0.0])
    assert np.isnan(shapes[1]).all()


def test_the_measured_shape_of_a_single_gaussian_psf_is_close_to_its_variance():
    shape = SingleGaussianPsf(41, 41, 2.0).shapes(*ORIGIN)[0]
    # Leaving out pixels beyond E = 14 costs 1e-4 or less.
    np.testing.assert_allclose(shape, [4.0, 4.0, 0.0], rtol=0, atol=2e-3)


def test_a_single_gaussian_is_sampled_at_pixel_centres():
    image = SingleGaussianPsf(9, 7, 1.3).kernel_images(*ORIGIN).values[0]
    x, y = np.arange(-4, 5), np.arange(-3, 4)
    expected = np.exp(-0.5 * (x[None, :] ** 2 + y[:, None] ** 2) / 1.3**2)
    np.testing.assert_allclose(image, expected / expected.sum(), rtol=1e-14)


def test_b_is_the_ratio_of_central_values_in_a_double_gaussian():
    image = DoubleGaussianPsf(25, 25, 1.5, 3.0, 0.1).kernel_images(*ORIGIN).values[0]
    r2 = np.arange(-12, 13)[None, :] ** 2 + np.arange(-12, 13)[:, None] ** 2
    expected = np.exp(-0.5 * r2 / 1.5**2) + 0.1 * np.exp(-0.5 * r2 / 3.0**2)
    np.testing.assert_allclose(image, expected / expected.sum(), rtol=1e-13)


def test_a_double_gaussian_without_wings_needs_no_second_width():
    one, other = DoubleGaussianPsf(15, 15, 1.5, 0.0, 0.0), SingleGaussianPsf(15, 15, 1.5)
    np.testing.assert_allclose(
        one.kernel_images(*ORIGIN).values, other.kernel_images(*ORIGIN).values, rtol=1e-14
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GaussianPsf(10, 11, 1.0), "must be odd, not 10 x 11"),
        (lambda: SingleGaussianPsf(11, 11, 0.0), "sigma1 must be positive and finite, not 0.0"),
        (lambda: DoubleGaussianPsf(11, 11, 1.0, -2.0, 0.1), "sigma2 must be positive"),
        (lambda: SingleGaussianPsf(0, 11, 1.0), "0 x 11"),
    ],
)
def test_parameters_that_make_no_psf_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
