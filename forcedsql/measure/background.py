"""A smooth background: clipped means on a grid, joined by Akima splines."""

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array, FloatArray, IntArray
from forcedsql.measure.spans import Groups, clipped_statistics

_CLIP_SIGMAS, _CLIP_PASSES = 3.0, 3
"""Clipping of a cell's pixels: limit in standard deviations, and number of passes."""

_FEWEST_FOR_AKIMA = 5
"""Cells along an axis that an Akima spline needs; fewer take a polynomial."""


def background_image(image: Float32Array, bad: BoolArray, *, bin_size: int) -> FloatArray:
    """Return the smooth background of an image.

    Parameters
    ----------
    image : ndarray, (ny, nx) float32
    bad : ndarray, (ny, nx) bool
        Pixels that are left out.
    bin_size : int, pixel
        Cells are about that large; a whole number of them fills the image.

    Returns
    -------
    ndarray, (ny, nx) float64
        In the unit of the image; 0 where no cell has a good pixel.

    Notes
    -----
    Cells, statistics and interpolation are those of LSST's ``SubtractBackgroundTask`` with
    its defaults (afw ``src/math/Background.cc``, ``src/math/Interpolate.cc``): splines down
    the columns of cells, then along the rows, with parabolas beyond the outermost cells.
    """
    edges_y, edges_x = (_cell_edges(size, bin_size) for size in image.shape)
    cells = _cell_means(image, bad, edges_y, edges_x)
    centres_y, centres_x = ((e[:-1] + e[1:]) / 2.0 - 0.5 for e in (edges_y, edges_x))
    rows, columns = (np.arange(size, dtype=np.float64) for size in image.shape)
    down = np.stack([_interpolated(centres_y, column, rows) for column in cells.T], axis=1)
    known = np.isfinite(down).all(axis=0)
    if not known.any():
        return np.zeros(image.shape)
    return _interpolated(centres_x[known], down[:, known].T, columns).T


def _cell_edges(size: int, bin_size: int) -> IntArray:
    """Return the first pixel of each cell along an axis, and the end of the last."""
    count = max(1, -(-size // bin_size))
    return (np.arange(count + 1) * size + (np.arange(count + 1) > 0) * (count // 2)) // count


def _cell_means(image: Float32Array, bad: BoolArray, edges_y: IntArray, edges_x: IntArray) -> FloatArray:
    """Return the clipped mean of each cell, (rows, columns) float64; NaN where no pixel is good."""
    shape = len(edges_y) - 1, len(edges_x) - 1
    cell_row, cell_column = (np.repeat(np.arange(len(e) - 1), np.diff(e)) for e in (edges_y, edges_x))
    owner = cell_row[:, None] * shape[1] + cell_column
    good = ~bad & np.isfinite(image)
    groups = Groups.of(owner[good], image[good], shape[0] * shape[1])
    mean, _ = clipped_statistics(groups, sigmas=_CLIP_SIGMAS, iterations=_CLIP_PASSES)
    return mean.reshape(shape)


def _interpolated(at: FloatArray, values: AnyArray, wanted: FloatArray) -> FloatArray:
    """Interpolate values, (k,) or (k, m), given at k abscissae; NaN abscissae are left out."""
    if values.ndim == 1:
        finite = np.isfinite(values)
        at, values = at[finite], values[finite]
    if len(at) == 0:
        return np.full(len(wanted), np.nan)
    if len(at) < _FEWEST_FOR_AKIMA:
        return _low_order(at, values, wanted)
    from scipy.interpolate import Akima1DInterpolator  # noqa: PLC0415 - slow to import

    spline = Akima1DInterpolator(at, values)
    inner = np.clip(wanted, at[0], at[-1])
    beyond = (wanted - inner).reshape((-1,) + (1,) * (values.ndim - 1))
    result = spline(inner) + beyond * spline(inner, 1) + 0.5 * beyond**2 * spline(inner, 2)
    return np.asarray(result, dtype=np.float64)


def _low_order(at: FloatArray, values: AnyArray, wanted: FloatArray) -> FloatArray:
    """Interpolate few values by the polynomial of the highest order below 3 that they allow."""
    order = min(len(at) - 1, 2)
    coefficients = np.polynomial.polynomial.polyfit(at, values, order)
    return np.asarray(np.polynomial.polynomial.polyval(wanted, coefficients, tensor=True).T, dtype=np.float64)
