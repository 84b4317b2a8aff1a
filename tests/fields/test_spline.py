"""SplineField against SciPy, one spline and one position at a time."""

import numpy as np
import pytest
from scipy.interpolate import Akima1DInterpolator

from forcedsql.errors import ConfigError
from forcedsql.fields.spline import SplineField
from forcedsql.geometry import Box

BOX = Box(0, 0, 400, 300)
X, Y = np.array([20.0, 90.0, 150.0, 250.0, 310.0, 380.0]), np.array([15.0, 80.0, 150.0, 220.0, 285.0])


def values():
    return 100.0 + np.random.default_rng(2).normal(size=(5, 6))


def positions():
    """Some of them outside of the grid, where splines are extrapolated."""
    rng = np.random.default_rng(5)
    return rng.uniform(-10, 410, 60), rng.uniform(-10, 310, 60)


def by_scipy(grid, x, y):
    columns, line = [], []
    for j, at in enumerate(X):
        known = np.isfinite(grid[:, j])
        if known.sum() == 1:
            columns.append(at)
            line.append(grid[known, j][0])
        elif known.any():
            columns.append(at)
            line.append(Akima1DInterpolator(Y[known], grid[known, j], extrapolate=True)(y))
    return Akima1DInterpolator(columns, line, extrapolate=True)(x)


@pytest.mark.parametrize(
    "holes", [[], [(1, 2), (3, 2)], [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)], [(i, 4) for i in range(4)]]
)
def test_a_field_is_a_spline_through_splines(holes):
    grid = values()
    for hole in holes:
        grid[hole] = np.nan
    x, y = positions()
    expected = [by_scipy(grid, *position) for position in zip(x, y, strict=True)]
    np.testing.assert_allclose(SplineField(BOX, X, Y, grid).evaluate(x, y), expected, rtol=1e-13)


def test_the_grids_own_values_come_back():
    grid, (x, y) = values(), np.meshgrid(X, Y)
    field = SplineField(BOX, X, Y, grid).evaluate(x.ravel(), y.ravel())
    np.testing.assert_allclose(field, grid.ravel(), rtol=1e-13)


def test_one_value_is_a_constant_and_two_make_a_line():
    x, y = positions()
    one = SplineField(BOX, X[:1], Y[:1], np.array([[7.0]]))
    assert (one.evaluate(x, y) == 7.0).all()
    two = SplineField(BOX, X[:2], Y[:1], np.array([[1.0, 8.0]]))
    np.testing.assert_allclose(two.evaluate(x, y), 1.0 + (x - 20.0) / 10.0, rtol=1e-12, atol=1e-12)


def test_positions_without_place_have_no_value():
    field = SplineField(BOX, X, Y, values())
    x, y = np.array([np.nan, 100.0, np.inf]), np.array([100.0, np.nan, 100.0])
    assert np.isnan(field.evaluate(x, y)).all()
    assert np.isnan(field.evaluate(np.array([1e200]), np.array([1e200]))).all()


def test_a_field_does_not_depend_on_how_many_positions_share_the_call(monkeypatch):
    x, y = positions()
    field = SplineField(BOX, X, Y, values())
    together = field.evaluate(x, y)
    monkeypatch.setattr("forcedsql.fields.spline._VALUES_PER_BATCH", 42)
    np.testing.assert_array_equal(field.evaluate(x, y), together)


@pytest.mark.parametrize(
    ("x", "y", "grid"),
    [
        (X[::-1], Y, values()),
        (X, np.array([0.0, 0.0, 1.0, 2.0, 3.0]), values()),
        (X, np.array([0.0, np.nan, 1.0, 2.0, 3.0]), values()),
        (X, Y, values().T),
        (X, Y, np.full((5, 6), np.nan)),
        (np.empty(0), Y, np.empty((5, 0))),
    ],
)
def test_grids_without_order_or_values_are_refused(x, y, grid):
    with pytest.raises(ConfigError, match="SplineField"):
        SplineField(BOX, x, y, grid)
