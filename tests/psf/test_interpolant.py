import math

import numpy as np
import pytest
from scipy.integrate import quad

from forcedsql.errors import ConfigError
from forcedsql.psf.interpolant import LanczosInterpolant


def plain(t, order):
    return float(np.sinc(t) * np.sinc(t / order)) if abs(t) < order else 0.0


@pytest.mark.parametrize("order", [3, 5, 11])
def test_the_plain_kernel_is_a_windowed_sinc(order):
    t = np.linspace(-order - 1.5, order + 1.5, 301)
    kernel = LanczosInterpolant(order, conserve_dc=False)
    np.testing.assert_allclose(kernel.evaluate(t), [plain(v, order) for v in t], rtol=0, atol=1e-15)


@pytest.mark.parametrize("order", [3, 5, 11])
def test_conserving_divides_by_the_fourier_series_of_the_sum(order):
    def transform(frequency):
        integrand = lambda t: 2 * math.cos(2 * math.pi * frequency * t) * plain(t, order)  # noqa: E731
        return sum(quad(integrand, k, k + 1, epsabs=1e-13)[0] for k in range(order))

    t = np.random.default_rng(1).uniform(-order, order, 40)
    series = 1 - 2 * sum(transform(j) * (1 - np.cos(2 * math.pi * j * t)) for j in range(1, 6))
    expected = np.array([plain(v, order) for v in t]) / series
    np.testing.assert_allclose(LanczosInterpolant(order).evaluate(t), expected, rtol=0, atol=1e-12)


def test_conserving_keeps_the_sum_over_a_grid_near_one():
    grid = np.arange(-12, 13)
    sums = np.array([LanczosInterpolant(11).evaluate(grid - f).sum() for f in np.linspace(-0.5, 0.5, 21)])
    plain_sums = np.array(
        [
            LanczosInterpolant(11, conserve_dc=False).evaluate(grid - f).sum()
            for f in np.linspace(-0.5, 0.5, 21)
        ]
    )
    # Five terms of the series leave 4e-8; without them it is 1e-4.
    assert np.abs(sums - 1).max() < 1e-7
    assert np.abs(plain_sums - 1).max() > 5e-5


@pytest.mark.parametrize(("pixels", "grid"), [(25, 25), (27, 25), (4, 9), (9, 4), (24, 24), (1, 1), (40, 3)])
@pytest.mark.parametrize("step", [1.0, 0.7, 2.0])
def test_matrices_hold_the_weight_of_each_point_in_each_pixel(pixels, grid, step):
    interpolant = LanczosInterpolant(5)
    fractions = np.array([0.0, 0.31, -0.5, 0.5, -1.0])
    matrices = interpolant.resampling_matrices(fractions, pixels=pixels, grid=grid, step=step)
    assert matrices.shape == (5, pixels, grid)
    for k, fraction in enumerate(fractions):
        for i in range(pixels):
            for g in range(grid):
                t = step * (i - pixels // 2 - fraction) - (g - grid // 2)
                expected = interpolant.evaluate(np.array([t]))[0]
                # The angle of a sine at t = 20 rounds to 1e-14.
                assert matrices[k, i, g] == pytest.approx(expected, abs=1e-14)


def test_pixels_on_the_points_copy_them():
    matrix = LanczosInterpolant(11).resampling_matrices(np.zeros(1), pixels=25, grid=25)[0]
    np.testing.assert_allclose(matrix, np.eye(25), rtol=0, atol=1e-15)


def test_distances_of_any_size_have_a_weight():
    weights = LanczosInterpolant(11).evaluate(np.array([0.0, 1e-300, 1e-9, 1e30, 1e300, -1e300]))
    np.testing.assert_array_equal(weights, [1, 1, 1, 0, 0, 0])


def test_an_order_below_one_is_refused():
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        LanczosInterpolant(0)
