"""SplineField: a grid of values that Akima splines join."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError
from forcedsql.geometry import Box

_VALUES_PER_BATCH = 1 << 20


@dataclass(frozen=True, eq=False)
class SplineField:
    """Akima splines along y through each column of a grid, then one along x through their values.

    Parameters
    ----------
    bbox : Box
    x : ndarray, (nx,) float64, pixel
        Increasing parent columns of the grid.
    y : ndarray, (ny,) float64, pixel
        Increasing parent rows of the grid.
    values : ndarray, (ny, nx) float64
        What is not finite is left out of its column's spline.

    Raises
    ------
    ConfigError
        If the sizes differ, the coordinates do not increase, or there are no finite values.

    Notes
    -----
    lsst.images ``fields/_spline.py``.  One point alone stands for a constant.
    """

    bbox: Box
    x: FloatArray
    y: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        for name, line in (("x", self.x), ("y", self.y)):
            if line.ndim != 1 or not np.isfinite(line).all() or not (np.diff(line) > 0.0).all():
                raise ConfigError(f"SplineField: {name} is no line of increasing coordinates")
        if self.values.shape != (len(self.y), len(self.x)):
            raise ConfigError(
                f"SplineField: {self.values.shape} values on a grid of {len(self.y)} x {len(self.x)}"
            )
        if not np.isfinite(self.values).any():
            raise ConfigError("SplineField: it has no finite value")

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the field at positions; see `BoundedField.evaluate`."""
        value = np.full(np.shape(x), np.nan)
        rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        step = max(1, _VALUES_PER_BATCH // len(self.x))
        with np.errstate(all="ignore"):
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                value[part] = self._evaluate(x[part], y[part])
        return value

    def _evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        known = np.isfinite(self.values)
        columns = np.flatnonzero(known.any(axis=0))
        along_x = np.stack([_spline(self.y[known[:, j]], self.values[known[:, j], j], y) for j in columns])
        value = np.full(x.shape, np.nan)
        # Far outside the grid a spline may overflow; SciPy refuses what is not finite.
        finite = np.isfinite(along_x).all(axis=0)
        value[finite] = _splines(self.x[columns], along_x[:, finite], x[finite])
        return value


def _spline(knots: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Return one spline at many coordinates."""
    if len(knots) == 1:
        return np.full(at.shape, values[0])
    result: FloatArray = _akima(knots, values)(at)
    return result


def _splines(knots: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Return spline i, through ``values[:, i]``, at coordinate ``at[i]``."""
    if len(knots) == 1:
        alone: FloatArray = values[0]
        return alone
    coefficients: FloatArray = _akima(knots, values).c
    # One row per power, highest first, of (pieces, splines).
    piece = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    power_3, power_2, power_1, power_0 = coefficients[:, piece, np.arange(len(at))]
    t = at - knots[piece]
    value: FloatArray = ((power_3 * t + power_2) * t + power_1) * t + power_0
    return value


def _akima(knots: FloatArray, values: FloatArray) -> Any:
    """Return the splines through values along their first axis, which go on beyond the knots."""
    from scipy.interpolate import Akima1DInterpolator  # noqa: PLC0415 - slow, and few files have such fields

    return Akima1DInterpolator(knots, values, axis=0, extrapolate=True)
