"""PSF images in C; the NumPy of `forcedsql.psf` says what each function means."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray, IntArray
from forcedsql.native.library import Library

_LINE = 8
"""Numbers in a cache line, and in the widest vector."""


def combine_images(library: Library, weights: FloatArray, basis: FloatArray, out: FloatArray) -> None:
    """Write sums of basis images to `out`.

    Parameters
    ----------
    library : Library
    weights : ndarray, (n, k) float64
    basis : ndarray, (k, h, w) float64
    out : ndarray, (n, h, w) float64
        C-contiguous.
    """
    n, terms = weights.shape
    _, height, width = basis.shape
    library.call(
        "combine_images",
        n,
        terms,
        height * width,
        library.given(weights, "double", n, terms),
        library.given(basis, "double", terms, height, width),
        library.filled(out, "double", n, height, width),
    )


def shift_images(
    library: Library,
    images: FloatArray,
    dx: FloatArray,
    dy: FloatArray,
    *,
    width: IntArray | None,
    height: IntArray | None,
    out: FloatArray,
) -> None:
    """Move images by fractions of a pixel; see `forcedsql.psf.shift.shift_images`.

    Parameters
    ----------
    library : Library
    images : ndarray, (n, h, w) or (1, h, w) float64
    dx, dy : ndarray, (n,) float64, pixel
    width, height : ndarray, (n,) int64, pixel, or None
    out : ndarray, (n, h, w) float64
        Its rows must be contiguous.
    """
    count, plane_height, plane_width = out.shape
    if images.shape[1:] != out.shape[1:] or len(images) not in (1, count):
        raise ValueError(f"images of shape {images.shape} cannot move to {out.shape}")
    if out.size == 0:
        return
    if not out.flags.writeable or not _rows_contiguous(out):
        raise ValueError("the moved images need writable, contiguous rows")
    height, width = _sizes(height, count, plane_height), _sizes(width, count, plane_width)
    readable = _readable(images)
    source, stride, row_stride = _block(library, readable)
    target, moved_stride, moved_row_stride = _block(library, out)
    library.call(
        "shift_images",
        count,
        source,
        stride if len(images) == count else 0,
        row_stride,
        library.given(height, "int64_t", count),
        library.given(width, "int64_t", count),
        library.given(dx, "double", count),
        library.given(dy, "double", count),
        target,
        moved_stride,
        moved_row_stride,
        plane_height,
        plane_width,
    )


def adaptive_moments(
    library: Library,
    images: FloatArray,
    centre_x: IntArray,
    centre_y: IntArray,
    *,
    width: IntArray | None,
    height: IntArray | None,
) -> FloatArray:
    """Return adaptive moments, (n, 3) float64; see `forcedsql.psf.moments.adaptive_moments`.

    Parameters
    ----------
    library : Library
    images : ndarray, (n, h, w) float64
    centre_x, centre_y : ndarray, (n,) int64, pixel
    width, height : ndarray, (n,) int64, pixel, or None
    """
    count, plane_height, plane_width = images.shape
    moments = np.empty((count, 3))
    height, width = _sizes(height, count, plane_height), _sizes(width, count, plane_width)
    readable = _readable(images)
    source, stride, row_stride = _block(library, readable)
    sizes = (library.given(v, "int64_t", count) for v in (height, width, centre_x, centre_y))
    library.call(
        "adaptive_moments",
        count,
        source,
        stride,
        row_stride,
        *sizes,
        library.filled(moments, "double", count, 3),
    )
    return moments


def draw_grids(
    library: Library,
    weights: FloatArray,
    basis: FloatArray,
    dx: FloatArray,
    dy: FloatArray,
    *,
    order: int,
    ripples: tuple[float, ...],
    valid: BoolArray,
    out: FloatArray,
) -> BoolArray:
    """Draw grids of points on pixels; see `forcedsql.psf.piff.PiffPsf`.

    Parameters
    ----------
    library : Library
    weights : ndarray, (n, k) float64
    basis : ndarray, (k, s, s) float64
        Their products are the grids.
    dx, dy : ndarray, (n,) float64, pixel
        In [-1, 1].
    order, ripples
        Of the `forcedsql.psf.interpolant.LanczosInterpolant`.
    valid : ndarray, (n,) bool
        Which grids to draw.
    out : ndarray, (n, w, w) float64
        C-contiguous; takes images of sum 1, zero where there is none.

    Returns
    -------
    ndarray, (n,) bool
        Where there is an image.
    """
    n, terms = weights.shape
    size, width = basis.shape[1], out.shape[1]
    if order < 1:
        raise ValueError(f"the order of the interpolant must be at least 1, not {order}")
    drawn = valid.astype(np.int32)
    library.call(
        "draw_grids",
        n,
        terms,
        size,
        library.given(weights, "double", n, terms),
        library.given(basis, "double", terms, size, size),
        library.given(dx, "double", n),
        library.given(dy, "double", n),
        order,
        len(ripples),
        library.given(np.array(ripples), "double", len(ripples)),
        width,
        library.filled(out, "double", n, width, width),
        library.filled(drawn, "int32_t", n),
    )
    return drawn.astype(np.bool_)


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
    if count and not (rows.min() >= 0 and rows.max() < len(planes) and np.bincount(rows).max() == 1):
        raise ValueError(f"{count} images cannot go to {len(planes)} planes, each to its own")
    for half, size in ((half_x, width_of_planes), (half_y, height_of_planes)):
        if count and not (half.min() >= 0 and 2 * half.max() < size):
            raise ValueError(f"images that reach {half.max()} pixels do not fit into planes of {size}")
    height, width = _sizes(height, count, plane_height), _sizes(width, count, plane_width)
    readable = _readable(images)
    added = valid.astype(np.int32)
    kernel = table.describe(library)
    library.call(
        "add_warped",
        count,
        *_block(library, readable),
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


def _sizes(sizes: IntArray | None, count: int, largest: int) -> IntArray:
    """Return heights or widths, (n,), each within its plane."""
    if sizes is None:
        return np.full(count, largest)
    if len(sizes) and not (sizes.min() >= 0 and sizes.max() <= largest):
        raise ValueError(f"images of {sizes.min()} to {sizes.max()} pixels in a plane of {largest}")
    return sizes


def _rows_contiguous(block: AnyArray) -> bool:
    whole = all(stride >= 0 and stride % block.itemsize == 0 for stride in block.strides)
    return whole and (block.shape[2] < 2 or block.strides[2] == block.itemsize)


def _readable(images: FloatArray) -> FloatArray:
    images = np.asarray(images, dtype=np.float64)
    return images if _rows_contiguous(images) else np.ascontiguousarray(images)


def _block(library: Library, images: FloatArray) -> tuple[Any, int, int]:
    """Return the address of a block of images, and the elements between images and between rows."""
    address = library.ffi.cast("double *", images.__array_interface__["data"][0])
    return address, images.strides[0] // images.itemsize, images.strides[1] // images.itemsize
