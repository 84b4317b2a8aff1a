"""Small images for SQL: the PSF at positions, and cutouts around them."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.errors import DatabaseError, MissingComponentError
from forcedsql.exposure import Exposure
from forcedsql.geometry import nearest_pixel

LARGEST_CUTOUT = 1024
LARGEST_CHUNK = 2**27
"""Pixels that the cutouts of one chunk may have together: 1 GiB of float64."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageStack:
    """Images of different sizes in one block.

    Parameters
    ----------
    values : ndarray, (n, h, w) float64
        Image i fills ``values[i, :height[i], :width[i]]``.
    height, width : ndarray, (n,) int64, pixel
        Zero where there is no image.
    """

    values: FloatArray
    height: IntArray
    width: IntArray


def psf_planes(exposure: Exposure, x: FloatArray, y: FloatArray) -> ImageStack:
    """Return the PSF as it falls on the pixels around parent positions, (n,) float64.

    Raises
    ------
    MissingComponentError
        If the exposure has no PSF.
    UnsupportedError
        If its PSF is of a class that no decoder knows.
    """
    exposure.require_supported("psf")
    if exposure.psf is None:
        raise MissingComponentError("the exposure has no PSF")
    images = exposure.psf.images(x, y)
    height, width = np.where(images.valid, images.height, 0), np.where(images.valid, images.width, 0)
    return ImageStack(images.values, height, width)


def cut_out(exposure: Exposure, ra: FloatArray, dec: FloatArray, size: float) -> ImageStack:
    """Return square pieces of the image around sky positions.

    Parameters
    ----------
    exposure : Exposure
    ra, dec : ndarray, (n,) float64, degree
    size : float, pixel
        Side of the pieces; NaN for none.

    Returns
    -------
    ImageStack
        NaN outside the image; the position's pixel is at index ``size // 2`` of both axes.
        No image where the position has no place in pixels.

    Raises
    ------
    DatabaseError
        If the size is not usable, or the pieces would fill the memory.
    """
    count = len(ra)
    if np.isnan(size):
        return ImageStack(np.zeros((count, 1, 1)), np.zeros(count, np.int64), np.zeros(count, np.int64))
    if not 1 <= size <= LARGEST_CUTOUT:
        raise DatabaseError(f"cutout: size {size:g} is not between 1 and {LARGEST_CUTOUT} pixels")
    side = int(size)
    if count * side * side > LARGEST_CHUNK:
        raise DatabaseError(
            f"cutout: {count} pieces of {side} x {side} pixels at once are more than 1 GiB; add a LIMIT"
        )
    x, y = exposure.require_wcs().sky_to_pixel(ra, dec)
    # Far off positions may not fit an integer; any place off the image is as good.
    known = (np.abs(x) < 2.0**31) & (np.abs(y) < 2.0**31)
    x0, y0 = exposure.xy0
    columns = nearest_pixel(np.where(known, x, -(2.0**31)))[:, None] - x0 - side // 2 + np.arange(side)
    rows = nearest_pixel(np.where(known, y, -(2.0**31)))[:, None] - y0 - side // 2 + np.arange(side)
    values = _gather(exposure, rows, columns)
    sides = np.where(np.isfinite(x) & np.isfinite(y), side, 0)
    return ImageStack(values, sides, sides)


def _gather(exposure: Exposure, rows: IntArray, columns: IntArray) -> FloatArray:
    ny, nx = exposure.shape
    inside: BoolArray = ((rows >= 0) & (rows < ny))[:, :, None] & ((columns >= 0) & (columns < nx))[
        :, None, :
    ]
    rows, columns = np.clip(rows, 0, ny - 1), np.clip(columns, 0, nx - 1)
    wanted = np.zeros(ny, np.bool_)
    wanted[rows] = True
    exposure.read_rows(wanted, np.zeros(ny, np.bool_), slice(int(columns.min()), int(columns.max()) + 1))
    image, _, _ = exposure.planes_so_far()
    values = image[rows[:, :, None], columns[:, None, :]]
    return np.where(inside, values.astype(np.float64), np.nan)
