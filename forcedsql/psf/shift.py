"""Sub-pixel shifts of whole batches of images by fifth-order Lanczos interpolation."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.geometry import nearest_pixel
from forcedsql.native import images as native_images
from forcedsql.native import native_library
from forcedsql.psf.grouping import groups

ORDER = 5

_OFFSETS = np.arange(-ORDER, ORDER + 1)
_SIGNS = np.where(_OFFSETS % 2 == 0, 1.0, -1.0)
_SLOW_SINES, _SLOW_COSINES = np.sin(np.pi * _OFFSETS / ORDER), np.cos(np.pi * _OFFSETS / ORDER)
_MATRIX_PIXELS_PER_BATCH = 1 << 16


def split_position(position: FloatArray) -> tuple[IntArray, FloatArray]:
    """Split coordinates into the pixel that holds them and the sub-pixel rest.

    Parameters
    ----------
    position : ndarray, (n,) float64, pixel
        Finite parent coordinates.

    Returns
    -------
    pixel : ndarray, (n,) int64, pixel
    fraction : ndarray, (n,) float64, pixel
        In [-0.5, 0.5], rounded to single precision as LSST does before it shifts a PSF
        (afw ``src/math/offsetImage.cc`` takes ``float`` offsets).
    """
    pixel = nearest_pixel(position)
    return pixel, (position - pixel).astype(np.float32).astype(np.float64)


def lanczos5_taps(fraction: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the ten weights per axis that move an image by a fraction of a pixel.

    The moved image is ``out[i] = sum_k taps[k] * image[i + first + k]``.

    Parameters
    ----------
    fraction : ndarray, (n,) float64, pixel
        Shifts in (-1, 1), positive towards larger pixel indices.

    Returns
    -------
    taps : ndarray, (n, 10) float64
        Weights, of sum 1.
    first : ndarray, (n,) int64
        Offset of the first weight: -5 where the fraction is positive, else -4.

    Notes
    -----
    Lanczos kernel ``sinc(t) sinc(t / 5)`` at ``t = offset + fraction``, not truncated where
    t passes 5: afw ``include/lsst/afw/math/FunctionLibrary.h`` (``LanczosFunction1``),
    ``src/math/offsetImage.cc`` (which ten offsets).
    """
    eleven = eleven_taps(fraction)
    first = np.where(fraction > 0.0, -ORDER, 1 - ORDER)
    columns = (first + ORDER)[:, None] + np.arange(2 * ORDER)
    return np.take_along_axis(eleven, columns, axis=1), first


def shift_images(
    images: FloatArray,
    dx: FloatArray,
    dy: FloatArray,
    *,
    width: IntArray | None = None,
    height: IntArray | None = None,
    out: FloatArray | None = None,
) -> FloatArray:
    """Move each image by a fraction of a pixel; what leaves its box is lost.

    Pixels outside an image's own box count as zero, and the result is not renormalised.
    A shift of exactly zero returns the image's own values.

    Parameters
    ----------
    images : ndarray, (n, h, w) or (1, h, w) float64
        Finite images; one image serves every shift.
    dx, dy : ndarray, (n,) float64, pixel
        Shifts in (-1, 1).
    width, height : ndarray, (n,) int64, pixel, optional
        Box of each image within its plane, from the plane's first pixel; by default the plane.
    out : ndarray, (n, h, w) float64, optional
        Where to put the result; it must not overlap `images`.

    Returns
    -------
    ndarray, (n, h, w) float64
        Zero outside the images' own boxes.
    """
    count, (plane_height, plane_width) = len(dx), images.shape[1:]
    if out is None:
        out = np.empty((count, plane_height, plane_width))
    library = native_library()
    if library is not None:
        native_images.shift_images(library, images, dx, dy, width=width, height=height, out=out)
        return out
    if width is None or height is None:
        _shift_boxes(images, dx, dy, out)
        return out
    for (h, w), rows in groups(height, width):
        boxes = images[:, :h, :w] if len(images) == 1 else images[rows, :h, :w]
        moved = np.empty((len(dx[rows]), h, w))
        _shift_boxes(boxes, dx[rows], dy[rows], moved)
        out[rows] = 0.0
        out[rows, :h, :w] = moved
    return out


def _shift_boxes(images: FloatArray, dx: FloatArray, dy: FloatArray, out: FloatArray) -> None:
    """Apply the shifts as two matrix products per image.

    Each product belongs to one image and has the same shape for all, so that the order of its
    sums, and with it the last bit, does not depend on how many images share the call.
    """
    _, height, width = out.shape
    if out.size == 0:
        return
    batch = max(1, _MATRIX_PIXELS_PER_BATCH // max(width * width, height * height))
    for start in range(0, len(dx), batch):
        rows = slice(start, start + batch)
        move_x = _shift_matrices(dx[rows], width)
        move_y = _shift_matrices(dy[rows], height)
        source = images if len(images) == 1 else images[rows]
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            np.matmul(move_y, np.matmul(source, move_x.transpose(0, 2, 1)), out=out[rows])


def _shift_matrices(fraction: FloatArray, size: int) -> FloatArray:
    """Return the (n, size, size) banded matrices that move a row of pixels, zero beyond its ends."""
    line = np.zeros((len(fraction), 2 * (size - 1) + len(_OFFSETS)))
    line[:, size - 1 : size - 1 + len(_OFFSETS)] = eleven_taps(fraction)
    bands = sliding_window_view(line[:, ORDER:-ORDER], size, axis=1)[:, ::-1]
    return np.ascontiguousarray(bands)


def eleven_taps(fraction: FloatArray) -> FloatArray:
    """Return the weights of `lanczos5_taps` for the offsets -5 to 5, (n, 11); the one left out is 0."""
    t = np.pi * (_OFFSETS[:, None] + fraction)
    # Sines of sums: of pi (d + f) up to a sign that is known exactly, and of pi (d + f) / 5.
    slow = np.pi * fraction / ORDER
    product = np.sin(slow) * _SLOW_COSINES[:, None] + np.cos(slow) * _SLOW_SINES[:, None]
    product *= np.sin(np.pi * fraction) * _SIGNS[:, None]
    # Below 1e-5 LSST takes the limit, and so the centre weight must be 1 here too.
    near = np.abs(t) <= 1e-5
    taps = np.where(near, 1.0, product / np.where(near, 1.0, t * t / ORDER))
    positive = fraction > 0.0
    taps[-1, positive] = 0.0
    taps[0, ~positive] = 0.0
    total = taps[0].copy()
    for row in taps[1:]:
        total += row
    return np.ascontiguousarray((taps / total).T)
