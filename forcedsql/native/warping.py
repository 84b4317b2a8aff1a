"""Warping of PSF images in C; `forcedsql.psf.warp` says what it means."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.native.blocks import block_of, readable, sizes_within
from forcedsql.native.library import Library

_LINE = 8
"""Numbers in a cache line, and in the widest vector."""


@dataclass(frozen=True, eq=False)
class WarpingTable:
    """A separable interpolation kernel as the C code takes it.

    Parameters
    ----------
    weights : ndarray, (phases, taps) float64
        Weights at equally spaced sub-pixel phases.
    first : int, pixel
        Offset of the first tap.
    padding : int, pixel
        Zeros around an image before it is warped; all taps of its pixels are within them.
    """

    weights: FloatArray
    first: int
    padding: int

    @cached_property
    def _padded(self) -> FloatArray:
        """The weights with room for whole vectors in every row, which begin on a cache line."""
        phases, taps = self.weights.shape
        stride = -(-taps // _LINE) * _LINE
        room = np.zeros(phases * stride + _LINE)
        start = -(room.__array_interface__["data"][0] // room.itemsize) % _LINE
        padded = room[start : start + phases * stride].reshape(phases, stride)
        padded[:, :taps] = self.weights
        return padded

    def describe(self, library: Library) -> Any:
        """Return the C description, which points into this object's arrays."""
        phases, taps = self.weights.shape
        if not -self.padding <= self.first <= self.padding - taps:
            raise ValueError(f"taps {self.first} to {self.first + taps} reach over {self.padding} zeros")
        struct = library.ffi.new("forcedsql_warping_kernel *")
        struct.taps, struct.first, struct.padding, struct.phases = taps, self.first, self.padding, phases
        struct.stride = self._padded.shape[1]
        struct.weights = library.given(self._padded, "double", *self._padded.shape)
        return struct


def add_warped(
    library: Library,
    images: FloatArray,
    x: FloatArray,
    y: FloatArray,
    matrix: FloatArray,
    *,
    width: IntArray,
    height: IntArray,
    half_sides: tuple[IntArray, IntArray],
    valid: BoolArray,
    table: WarpingTable,
    planes: FloatArray,
    rows: IntArray,
    weight: float,
) -> BoolArray:
    """Warp images and add them to planes; see `forcedsql.psf.warp.Warp.add_to`.

    Parameters
    ----------
    library : Library
    images : ndarray, (n, h, w) float64
    x, y : ndarray, (n,) float64, pixel
        Column and row of each image that comes to the middle of its plane.
    matrix : ndarray, (n, 2, 2) float64
        Derivatives of column and row by pixels of the plane.
    width, height : ndarray, (n,) int64, pixel
    half_sides : (ndarray, ndarray), (n,) int64, pixel
        How far the warped images reach along x and along y.
    valid : ndarray, (n,) bool
        Which images to warp.
    table : WarpingTable
    planes : ndarray, (m, 2 k + 1, 2 l + 1) float64
        C-contiguous.
    rows : ndarray, (n,) int64
        Plane of each image, each its own.
    weight : float

    Returns
    -------
    ndarray, (n,) bool
        Which images were added: those that have a sum.
    """
    count, plane_height, plane_width = images.shape
    half_x, half_y = half_sides
    _, height_of_planes, width_of_planes = planes.shape
    _require_room(planes, rows, half_sides)
    height, width = sizes_within(height, count, plane_height), sizes_within(width, count, plane_width)
    images = readable(images)
    added = valid.astype(np.int32)
    kernel = table.describe(library)
    library.call(
        "add_warped",
        count,
        *block_of(library, images),
        *(library.given(values, "int64_t", count) for values in (height, width)),
        *(library.given(values, "double", count) for values in (x, y)),
        library.given(matrix, "double", count, 2, 2),
        *(library.given(values, "int64_t", count) for values in (half_y, half_x)),
        kernel,
        library.given(rows, "int64_t", count),
        weight,
        library.filled(planes, "double", *planes.shape),
        height_of_planes,
        width_of_planes,
        library.filled(added, "int32_t", count),
    )
    return added.astype(np.bool_)


def _require_room(planes: FloatArray, rows: IntArray, half_sides: tuple[IntArray, IntArray]) -> None:
    """Refuse images that share a plane, have none, or are larger than theirs."""
    count = len(rows)
    if count and not (rows.min() >= 0 and rows.max() < len(planes) and np.bincount(rows).max() == 1):
        raise ValueError(f"{count} images cannot go to {len(planes)} planes, each to its own")
    _, height, width = planes.shape
    for half, size in zip(half_sides, (width, height), strict=True):
        if count and not (half.min() >= 0 and 2 * half.max() < size):
            raise ValueError(f"images that reach {half.max()} pixels do not fit into planes of {size}")
