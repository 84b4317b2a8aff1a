import numpy as np
import pytest
from numpy.polynomial import chebyshev, polynomial

from forcedsql.errors import ConfigError
from forcedsql.psf.functions import (
    Chebyshev1Function2D,
    DoubleGaussianFunction2D,
    GaussianFunction2D,
    PolynomialFunction2D,
)

ORDER_2 = (1.5, -0.2, 0.3, 0.04, -0.05, 0.06)
# The same coefficients as numpy wants them: [power of x, power of y].
MATRIX = np.array([[1.5, 0.3, 0.06], [-0.2, -0.05, 0.0], [0.04, 0.0, 0.0]])


def integral(function):
    grid = np.arange(-40.0, 40.25, 0.25)
    return function.evaluate(grid[None, :], grid[:, None]).sum() * 0.25**2


@pytest.mark.parametrize(
    "function",
    [
        GaussianFunction2D(1.3, 2.9, 0.4),
        DoubleGaussianFunction2D(1.3, 4.0, 0.2),
        DoubleGaussianFunction2D(2.0, 1.0, 0.0),
    ],
)
def test_a_profile_integrates_to_one(function):
    # A sum over samples of a Gaussian this well sampled is its integral to 1e-12.
    assert integral(function) == pytest.approx(1.0, abs=1e-12)


def test_the_angle_of_a_gaussian_turns_its_first_axis_from_x_to_y():
    function = GaussianFunction2D(3.0, 1.0, np.pi / 2)
    on_x, on_y = function.evaluate(np.array([2.0, 0.0]), np.array([0.0, 2.0]))
    assert on_y / on_x == pytest.approx(np.exp(-0.5 * 4 / 9) / np.exp(-0.5 * 4))


def test_ampl2_is_the_ratio_of_central_values():
    function = DoubleGaussianFunction2D(1.0, 2.0, 0.3)
    centre, off = function.evaluate(np.array([0.0, 1.5]), np.zeros(2))
    expected = (np.exp(-0.5 * 1.5**2) + 0.3 * np.exp(-0.5 * (1.5 / 2) ** 2)) / 1.3
    assert off / centre == pytest.approx(expected, rel=1e-14)


def test_a_polynomial_equals_numpys():
    x, y = np.random.default_rng(1).uniform(-20, 20, (2, 50))
    ours = PolynomialFunction2D(ORDER_2).evaluate(x, y)
    np.testing.assert_allclose(ours, polynomial.polyval2d(x, y, MATRIX), rtol=1e-13, atol=1e-12)


def test_a_chebyshev_series_equals_numpys_on_the_mapped_range():
    x, y = np.random.default_rng(2).uniform(-100, 300, (2, 50))
    ours = Chebyshev1Function2D(ORDER_2, min_x=-100, min_y=0, max_x=300, max_y=200).evaluate(x, y)
    theirs = chebyshev.chebval2d((x - 100) / 200, (y - 100) / 100, MATRIX)
    np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("function", [PolynomialFunction2D((4.0,)), Chebyshev1Function2D((4.0,))])
def test_a_constant_is_constant(function):
    np.testing.assert_array_equal(function.evaluate(np.array([0.0, 9.0]), np.array([1.0, -3.0])), [4.0, 4.0])


@pytest.mark.parametrize(
    "function",
    [
        GaussianFunction2D(1.0, 1.0),
        DoubleGaussianFunction2D(1.0, 2.0, 0.1),
        PolynomialFunction2D(ORDER_2),
        Chebyshev1Function2D(ORDER_2),
    ],
)
def test_hostile_points_neither_raise_nor_warn(function):
    hostile = np.array([np.nan, np.inf, -np.inf, 1e300, 0.0])
    values = function.evaluate(hostile, hostile[::-1].copy())
    assert values.shape == (5,)
    assert np.isnan(function.evaluate(np.array([np.nan]), np.zeros(1))).all()


@pytest.mark.parametrize("count", [0, 2, 4, 5])
def test_coefficients_that_fill_no_order_are_refused(count):
    with pytest.raises(ConfigError, match=f"{count} coefficients"):
        PolynomialFunction2D([0.0] * count)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf])
def test_a_width_that_is_not_positive_is_refused(sigma):
    with pytest.raises(ConfigError, match="sigma2 must be positive"):
        GaussianFunction2D(1.0, sigma)


def test_functions_of_equal_parameters_are_equal():
    assert PolynomialFunction2D(np.array([1.0])) == PolynomialFunction2D((1.0,))
