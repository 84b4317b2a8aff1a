"""PSF images in C; the NumPy of `forcedsql.psf` says what each function means."""

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.native.blocks import block_of, readable, rows_contiguous, sizes_within
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
    if not out.flags.writeable or not rows_contiguous(out):
        raise ValueError("the moved images need writable, contiguous rows")
    height, width = sizes_within(height, count, plane_height), sizes_within(width, count, plane_width)
    images = readable(images)
    source, stride, row_stride = block_of(library, images)
    target, moved_stride, moved_row_stride = block_of(library, out)
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
    height, width = sizes_within(height, count, plane_height), sizes_within(width, count, plane_width)
    images = readable(images)
    source, stride, row_stride = block_of(library, images)
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
