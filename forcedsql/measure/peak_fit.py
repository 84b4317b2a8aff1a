"""The maximum of a smoothed source from its 3 x 3 central pixels.

The quadratic estimate of the maximum with the quartic correction for a Gaussian, and its
error, of SDSS's photo (Pier et al. 2003, AJ 125, 1559; meas_base ``src/SdssCentroid.cc``).
"""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray

_QUARTIC = np.float64(np.float32(1.33))
"""Factor of the quartic correction, in the original's single precision."""

_FARTHEST = 10.0
"""Pixels from the centre beyond which a maximum is taken for a lack of curvature."""


@dataclass(frozen=True, slots=True, eq=False)
class PeakFit:
    """Maxima of n sources; each array is (n,).

    Parameters
    ----------
    x, y : float64, pixel
        Offset from the central pixel.
    x_error, y_error : float64, pixel
    x_size, y_size : float64, pixel^2
        Squared widths of the source before it was smoothed.
    peak : float64
        Height of the smoothed maximum.
    flat, nearly_flat, no_maximum : bool
        No curvature, too little of it, or one of the wrong sign.
    """

    x: FloatArray
    y: FloatArray
    x_error: FloatArray
    y_error: FloatArray
    x_size: FloatArray
    y_size: FloatArray
    peak: FloatArray
    flat: BoolArray
    nearly_flat: BoolArray
    no_maximum: BoolArray

    @property
    def failed(self) -> BoolArray:
        """Whether there is no maximum to be found."""
        return self.flat | self.nearly_flat | self.no_maximum


def fit_peak(image: FloatArray, variance: FloatArray, sigma: FloatArray) -> PeakFit:
    """Find the maximum of smoothed sources.

    Parameters
    ----------
    image, variance : ndarray, (n, 3, 3) float64
        Smoothed pixels, and their variances with the smoothing undone.
    sigma : ndarray, (n,) float64, pixel
        Width of the smoothing.
    """
    centre = image[:, 1, 1]
    curve_x = 2.0 * centre - image[:, 1, 0] - image[:, 1, 2]
    curve_y = 2.0 * centre - image[:, 0, 1] - image[:, 2, 1]
    slope_x, slope_y = 0.5 * (image[:, 1, 2] - image[:, 1, 0]), 0.5 * (image[:, 2, 1] - image[:, 0, 1])
    flat = (curve_x == 0.0) | (curve_y == 0.0)
    no_maximum = ~flat & ((curve_x < 0.0) | (curve_y < 0.0))
    x0, y0 = slope_x / curve_x, slope_y / curve_y
    nearly_flat = ~flat & ~no_maximum & ((np.abs(x0) > _FARTHEST) | (np.abs(y0) > _FARTHEST))
    peak = centre + 0.5 * (slope_x * x0 + slope_y * y0)
    rows, row_bad = _stripe_maxima(image)
    columns, column_bad = _stripe_maxima(image.transpose(0, 2, 1))
    bad = row_bad | column_bad
    x4, y4 = _crossing(rows, columns, x0, y0)
    x_size = peak / curve_x - np.where(bad, 0.0, (1.0 + 6.0 * x0 * x0) / 4.0)
    y_size = peak / curve_y - np.where(bad, 0.0, (1.0 + 6.0 * y0 * y0) / 4.0)
    x_tau, y_tau = (_unsmoothed(size, sigma) for size in (x_size, y_size))
    source = variance[:, 1, 1]
    sky = np.delete(variance.reshape(-1, 9), 4, axis=1).sum(axis=1) / 8.0
    k = np.where(bad, 0.0, _QUARTIC)
    return PeakFit(
        x=np.where(bad, x0, x4),
        y=np.where(bad, y0, y4),
        x_error=_error(sky, source, peak, slope_x, curve_x, sigma, k),
        y_error=_error(sky, source, peak, slope_y, curve_y, sigma, k),
        x_size=x_tau,
        y_size=y_tau,
        peak=peak,
        flat=flat,
        nearly_flat=nearly_flat,
        no_maximum=no_maximum,
    )


def _stripe_maxima(image: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the maximum along each row of three, (n, 3), and whether one of them has none, (n,)."""
    before, middle, after = (image[:, :, i].astype(np.float32) for i in range(3))
    down, up = middle - after, middle - before
    curve = down + up
    slope = np.float32(0.5) * (after - before)
    good = ~((curve <= 0.0) | (middle <= 0.0))
    ratio = (slope / curve).astype(np.float64)
    correction = _QUARTIC * down * up / (curve * middle).astype(np.float64)
    at = (ratio * (1.0 + correction)).astype(np.float32).astype(np.float64)
    good &= np.abs(at) < 1.0
    return at, np.asarray((~good).any(axis=1))


def _crossing(
    rows: FloatArray, columns: FloatArray, x0: FloatArray, y0: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return where the lines through the maxima of rows and columns cross, in two approximations."""
    (slope_x, bend_x), (slope_y, bend_y) = (
        (0.5 * (m[:, 2] - m[:, 0]), m[:, 1] - 0.5 * (m[:, 0] + m[:, 2])) for m in (rows, columns)
    )
    x, y = x0, y0
    for _ in range(2):
        x, y = rows[:, 1] + y * (slope_x - y * bend_x), columns[:, 1] + x * (slope_y - x * bend_y)
    return x, y


def _unsmoothed(size: FloatArray, sigma: FloatArray) -> FloatArray:
    squared = sigma * sigma
    return np.asarray(np.maximum((size - squared).astype(np.float32).astype(np.float64), squared))


def _error(
    sky: FloatArray,
    source: FloatArray,
    peak: FloatArray,
    slope: FloatArray,
    curve: FloatArray,
    sigma: FloatArray,
    k: FloatArray,
) -> FloatArray:
    """Return the error of a maximum from the variances of slope and curvature; 1000 for none."""
    s2 = sigma * sigma
    e1, e3, e4 = np.exp(-1.0 / s2), np.exp(-1.0 / (3.0 * s2)), np.exp(-1.0 / (4.0 * s2))
    of_slope = sky / (8.0 * np.pi * s2) * (1.0 - e1) + source / (12.0 * np.pi * s2) * (e3 - e1)
    of_curve = sky / (2.0 * np.pi * s2) * (3.0 - 4.0 * e4 + e1)
    of_curve += source / (3.0 * np.pi * s2) * (2.0 - 3.0 * e3 + e1)
    by_slope = 1.0 / curve + k / (4.0 * peak) * (1.0 - 12.0 * slope**2 / curve**2)
    by_curve = slope / curve**2 - k / (4.0 * peak) * 8.0 * slope**2 / curve**3
    variance = of_slope * by_slope**2 + of_curve * by_curve**2
    smallest = np.finfo(np.float32).tiny
    none = (np.abs(peak) < smallest) | (np.abs(curve) < smallest)
    return np.where(none, 1e3, np.where(variance >= 0.0, np.sqrt(variance), np.nan))
