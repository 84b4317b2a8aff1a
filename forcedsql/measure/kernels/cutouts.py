"""Gathering small boxes of pixels around many positions."""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forcedsql.arrays import AnyArray, BoolArray, IntArray

_CACHE_ELEMENTS = 1 << 16
"""Elements of one gathered block: small enough that it stays in the processor's cache."""


def batches(rows: int, elements: int) -> Iterator[slice]:
    """Split `rows` positions of `elements` pixels each into blocks that fit the cache."""
    step = max(8, min(256, _CACHE_ELEMENTS // max(elements, 1)))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def inside_image(
    shape: tuple[int, int], x0: IntArray, y0: IntArray, height: int | IntArray, width: int | IntArray
) -> BoolArray:
    """Tell, (n,) bool, which boxes lie wholly inside an image; they have one size, or (n,) sizes."""
    rows, columns = shape
    return (x0 >= 0) & (y0 >= 0) & (x0 + width <= columns) & (y0 + height <= rows)


def cutouts(plane: AnyArray, x0: IntArray, y0: IntArray, height: int, width: int) -> AnyArray:
    """Return the pixels of n boxes, zero where a box reaches outside the image.

    Parameters
    ----------
    plane : ndarray, (ny, nx)
    x0, y0 : ndarray, (n,) int64
        Local lower-left pixels.
    height, width : int

    Returns
    -------
    ndarray, (n, height, width)
        Of the plane's type, C-contiguous.
    """
    whole = inside_image(plane.shape, x0, y0, height, width)
    if whole.all():
        return np.ascontiguousarray(sliding_window_view(plane, (height, width))[y0, x0])
    result = np.zeros((len(x0), height, width), plane.dtype)
    if whole.any():
        result[whole] = sliding_window_view(plane, (height, width))[y0[whole], x0[whole]]
    clipped = ~whole
    row = y0[clipped, None] + np.arange(height)
    column = x0[clipped, None] + np.arange(width)
    seen = _in_range(row, plane.shape[0])[:, :, None] & _in_range(column, plane.shape[1])[:, None, :]
    row = np.clip(row, 0, plane.shape[0] - 1)
    column = np.clip(column, 0, plane.shape[1] - 1)
    result[clipped] = np.where(seen, plane[row[:, :, None], column[:, None, :]], 0)
    return result


def seen_pixels(
    shape: tuple[int, int], x0: IntArray, y0: IntArray, height: int, width: int
) -> BoolArray | None:
    """Tell which pixels of n boxes are inside the image, (n, height, width) bool; None for all."""
    if inside_image(shape, x0, y0, height, width).all():
        return None
    row = _in_range(y0[:, None] + np.arange(height), shape[0])
    column = _in_range(x0[:, None] + np.arange(width), shape[1])
    return row[:, :, None] & column[:, None, :]


def _in_range(index: IntArray, size: int) -> BoolArray:
    return (index >= 0) & (index < size)
