"""Sums over the pixels around positions under an elliptical Gaussian weight.

The rounding is that of meas_base ``src/SdssShape.cc``, which sums in double precision
products that it takes in single: it enters the next weight of the adaptive moments.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array, FloatArray, IntArray
from forcedsql.measure.kernels.cutouts import cutouts, seen_pixels
from forcedsql.measure.kernels.protocol import Planes
from forcedsql.psf.adaptive_iteration import (
    BOX_SIGMAS,
    LARGEST_BOX,
    SUBPIXEL_WEIGHT_LIMIT,
    SUBPIXELS,
    WEIGHT_LIMIT,
    YY,
)

_BLOCK_ELEMENTS = 1 << 18
X, Y = range(YY + 1, YY + 3)
"""Further columns of sums: of I g times x and y, column and row."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Gaussian weights about n positions.

    Parameters
    ----------
    x, y : ndarray, (n,) float64, pixel
        Centres, as column and row of the arrays.
    covariance : ndarray, (n, 3) float64, pixel^2
        xx, xy, yy that set the box: four sigmas of the wider axis.
    inverse : ndarray, (n, 3) float64, 1 / pixel^2
        xx, xy, yy of the exponent's matrix; zero for no weight.
    subpixel : ndarray, (n,) bool
        Whether the weight is taken at 4 x 4 points of each pixel.
    """

    x: FloatArray
    y: FloatArray
    covariance: FloatArray
    inverse: FloatArray
    subpixel: BoolArray


def weighted_sums(planes: Planes, weights: Weights) -> FloatArray:
    """Return the sums of I g under each weight; pixels off the image don't count.

    Returns
    -------
    ndarray, (n, 6) float64
        Columns as in `forcedsql.psf.adaptive_iteration`, then `X` and `Y`.
    """
    n = len(weights.x)
    sums = np.zeros((n, 6))
    widest = np.maximum(weights.covariance[:, 0], weights.covariance[:, 2])
    radius = np.minimum(BOX_SIGMAS * np.sqrt(widest), LARGEST_BOX)
    largest = max(planes.shape)
    half = np.minimum(np.nan_to_num(np.ceil(radius), nan=0.0), largest).astype(np.int64) + 1
    for rows in _blocks(2 * half + weights.subpixel):
        sums[rows] = _sums_of_block(planes, weights, rows, int(half[rows[0]]), radius[rows])
    return sums


def _blocks(labels: IntArray) -> Iterator[IntArray]:
    """Yield rows of one label, as many at a time as fit the memory."""
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        step = max(1, _BLOCK_ELEMENTS // int(label + 1) ** 2)
        for start in range(0, len(rows), step):
            yield rows[start : start + step]


def _sums_of_block(
    planes: Planes, weights: Weights, rows: IntArray, half: int, radius: FloatArray
) -> FloatArray:
    x, y = weights.x[rows], weights.y[rows]
    size = 2 * half + 1
    x0, y0 = (np.floor(v + 0.5).astype(np.int64) - half for v in (x, y))
    image = cutouts(planes.image, x0, y0, size, size)
    inside = _box_pixels(x, x0, radius, size)[:, None, :] & _box_pixels(y, y0, radius, size)[:, :, None]
    seen = seen_pixels(planes.shape, x0, y0, size, size)
    if seen is not None:
        inside &= seen
    column, row = ((v[:, None] + np.arange(size)).astype(np.float32) for v in (x0, y0))
    # The centre passes through single precision before the offsets are taken.
    dx = (column - x.astype(np.float32)[:, None])[:, None, :]
    dy = (row - y.astype(np.float32)[:, None])[:, :, None]
    inverse = weights.inverse[rows]
    if weights.subpixel[rows[0]]:
        return _subpixel_sums(image, inside, dx, dy, column, row, inverse)
    exponent = _exponents(dx, dy, inverse)
    inside &= exponent <= WEIGHT_LIMIT
    return _products(image, inside, exponent, dx, dy, column[:, None, :], row[:, :, None])


def _box_pixels(centre: FloatArray, first: IntArray, radius: FloatArray, size: int) -> BoolArray:
    """Tell, (n, size) bool, which pixels of an axis the box of `radius` around `centre` touches."""
    index = first[:, None] + np.arange(size)
    low, high = np.ceil(centre - radius - 0.5), np.floor(centre + radius + 0.5)
    return np.asarray((index >= low[:, None]) & (index <= high[:, None]))


def _exponents(dx: Float32Array, dy: Float32Array, inverse: FloatArray) -> Float32Array:
    xx, xy, yy = (inverse[:, i, None, None] for i in range(3))
    # The squares are single precision, like the offsets; what they are multiplied with is not.
    return np.asarray(dx * dx * xx + 2.0 * (dx * dy) * xy + dy * dy * yy).astype(np.float32)


def _products(
    image: Float32Array,
    inside: BoolArray,
    exponent: Float32Array,
    dx: Float32Array,
    dy: Float32Array,
    column: Float32Array,
    row: Float32Array,
    *,
    product_type: type[np.floating] = np.float32,
) -> FloatArray:
    """Return the six sums of each position from its pixels, (n, 6)."""
    weight = np.exp(-0.5 * exponent.astype(np.float64)).astype(np.float32)
    weighted = np.where(inside, image * weight, np.float32(0.0))
    squares = (np.asarray(v, product_type) for v in (dx * dx, dx * dy, dy * dy))
    factors = (np.float32(1.0), *squares, column, row)
    sums = np.empty((len(image), 6))
    for index, factor in enumerate(factors):
        product = weighted * factor
        sums[:, index] = product.reshape(len(image), -1).sum(axis=1, dtype=np.float64)
    return sums


def _subpixel_sums(
    image: Float32Array,
    inside: BoolArray,
    dx: Float32Array,
    dy: Float32Array,
    column: Float32Array,
    row: Float32Array,
    inverse: FloatArray,
) -> FloatArray:
    """Return the sums with weights taken at 4 x 4 points of each pixel, (n, 6)."""
    ends = SUBPIXELS[[0, -1]].astype(np.float32)
    for end_x in ends:
        for end_y in ends:
            inside &= _exponents(dx + end_x, dy + end_y, inverse) <= SUBPIXEL_WEIGHT_LIMIT
    sums = np.zeros((len(image), 6))
    for offset_y in SUBPIXELS.astype(np.float32):
        for offset_x in SUBPIXELS.astype(np.float32):
            x, y = dx + offset_x, dy + offset_y
            exponent = _exponents(x, y, inverse)
            at_x, at_y = column[:, None, :] + offset_x, row[:, :, None] + offset_y
            sums += _products(image, inside, exponent, x, y, at_x, at_y, product_type=np.float64)
    return sums
