"""PSF images in C; the NumPy of `forcedsql.psf` says what each function means."""

from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray, IntArray
from forcedsql.native.library import Library


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
