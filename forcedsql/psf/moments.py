"""Adaptive second moments of batches of images; the algorithm is that of `AdaptiveIteration`."""

import numpy as np

from forcedsql.arrays import Float32Array, FloatArray, IntArray
from forcedsql.native import images as native_images
from forcedsql.native import native_library
from forcedsql.psf.adaptive_iteration import (
    BOX_SIGMAS,
    LARGEST_BOX,
    SUBPIXEL_WEIGHT_LIMIT,
    SUBPIXELS,
    WEIGHT_LIMIT,
    AdaptiveIteration,
    Limits,
)
from forcedsql.psf.grouping import groups


def adaptive_moments(
    images: FloatArray,
    centre_x: IntArray,
    centre_y: IntArray,
    *,
    width: IntArray | None = None,
    height: IntArray | None = None,
) -> FloatArray:
    """Return the adaptive moments of images about fixed centres.

    Parameters
    ----------
    images : ndarray, (n, h, w) float64
        Background-free images.
    centre_x, centre_y : ndarray, (n,) int64, pixel
        Column and row of each image's centre.
    width, height : ndarray, (n,) int64, pixel, optional
        Box of each image within its plane, from the plane's first pixel; by default the plane.

    Returns
    -------
    ndarray, (n, 3) float64, pixel^2
        xx, yy, xy.  Plain moments of the last box where the weighted ones have no solution,
        1/12, 1/12, 0 where those are not positive, NaN where the image has no positive sum.
    """
    count, plane_height, plane_width = images.shape
    library = native_library()
    if library is not None:
        return native_images.adaptive_moments(library, images, centre_x, centre_y, width=width, height=height)
    result = np.full((count, 3), np.nan)
    if width is None or height is None:
        width, height = np.full(count, plane_width), np.full(count, plane_height)
    for (h, w, cy, cx), rows in groups(height, width, centre_y, centre_x):
        if h > 0 and w > 0:
            result[rows] = _Fit(images[rows, :h, :w], cx, cy).run()
    return result


class _Fit(AdaptiveIteration):
    """The iteration for images of one size and one centre."""

    def __init__(self, images: FloatArray, centre_x: int, centre_y: int) -> None:
        count, height, width = images.shape
        super().__init__(count, Limits())
        self.images = images
        self.centre_x, self.centre_y = centre_x, centre_y
        self.size = max(height, width) + abs(centre_x) + abs(centre_y)

    def run(self) -> FloatArray:
        """Iterate until every image has converged or failed; return xx, yy, xy, (m, 3)."""
        with np.errstate(all="ignore"):
            self.iterate()
            failed = np.flatnonzero(self.failed)
            if len(failed):
                self.covariance[failed], _ = self.plain_moments(failed)
        return self.covariance[:, [0, 2, 1]]

    def _sums(self, rows: IntArray, *, weighted: bool = True) -> FloatArray:
        """Return the sums of images, group by group of one box size and mode.

        An image's box depends on nothing but the image, so neither does the order of its sums.
        """
        out = np.empty((len(rows), 4))
        widest = np.maximum(self.covariance[rows, 0], self.covariance[rows, 2])
        radius = np.minimum(BOX_SIGMAS * np.sqrt(widest), LARGEST_BOX)
        half_box = np.minimum(np.floor(radius + 0.5), self.size).astype(np.int64)
        labels = 2 * half_box + self.subpixel[rows]
        for label in np.unique(labels):
            half, subpixel = divmod(int(label), 2)
            group = np.flatnonzero(labels == label)
            images, x, y = self._cut(rows[group], half)
            inverse = self.inverse[rows[group]] if weighted else np.zeros((len(group), 3))
            evaluate = _subpixel_sums if subpixel else _pixel_sums
            out[group] = evaluate(images, x, y, inverse)
        return out

    def _note(self, rows: IntArray, sums: FloatArray) -> None:
        """Take nothing: the moments are all that is wanted."""

    def _cut(self, rows: IntArray, half: int) -> tuple[Float32Array, FloatArray, FloatArray]:
        """Return the boxes of images in single precision, and the offsets of their columns and rows."""
        _, height, width = self.images.shape
        x0, x1 = max(self.centre_x - half, 0), min(self.centre_x + half + 1, width)
        y0, y1 = max(self.centre_y - half, 0), min(self.centre_y + half + 1, height)
        x = np.arange(x0, max(x0, x1), dtype=np.float64) - self.centre_x
        y = np.arange(y0, max(y0, y1), dtype=np.float64) - self.centre_y
        boxes = self.images[rows, y0 : y0 + len(y), x0 : x0 + len(x)]
        return boxes.astype(np.float32), x, y


def _exponents(x: FloatArray, y: FloatArray, inverse: FloatArray) -> Float32Array:
    """Return x^T W^-1 x on a grid of columns x and rows y, (m, len(y), len(x))."""
    # One small product per image, as everywhere here: a single one for all images would sum in an
    # order, and end in bits, that depend on how many share the call.
    factors = np.empty((len(inverse), len(y), 3))
    factors[:, :, 0] = inverse[:, 2:] * (y * y)
    factors[:, :, 1] = 2.0 * inverse[:, 1:2] * y
    factors[:, :, 2] = inverse[:, :1]
    exponents: FloatArray = np.matmul(factors, np.stack([np.ones_like(x), x, x * x]))
    return exponents.astype(np.float32)


def _pixel_sums(
    images: Float32Array,
    x: FloatArray,
    y: FloatArray,
    inverse: FloatArray,
    *,
    product_type: type[np.floating] = np.float32,
) -> FloatArray:
    """Return sums of I g, x^2 I g, x y I g, y^2 I g with the weight taken at pixel centres, (m, 4)."""
    exponents = _exponents(x, y, inverse)
    weights = np.exp(-0.5 * exponents.astype(np.float64)).astype(np.float32)
    weights *= exponents <= WEIGHT_LIMIT
    weights *= images
    products = np.empty((len(images), 4, weights[0].size), dtype=product_type)
    products[:, 0] = weights.reshape(len(images), -1)
    for k, power in enumerate(_second_powers(x, y), start=1):
        np.multiply(products[:, 0], power, out=products[:, k])
    sums: FloatArray = np.matmul(products.astype(np.float64), np.ones((weights[0].size, 1)))[:, :, 0]
    return sums


def _second_powers(x: FloatArray, y: FloatArray) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return x^2, x y and y^2 on a grid of columns x and rows y, each (len(y) len(x),)."""
    grid_y, grid_x = np.meshgrid(y.astype(np.float32), x.astype(np.float32), indexing="ij")
    x_flat, y_flat = grid_x.reshape(-1), grid_y.reshape(-1)
    return x_flat * x_flat, x_flat * y_flat, y_flat * y_flat


def _subpixel_sums(images: Float32Array, x: FloatArray, y: FloatArray, inverse: FloatArray) -> FloatArray:
    """Return the sums of `_pixel_sums` over 4 x 4 points in each pixel, (m, 4)."""
    inside = np.ones(images.shape, dtype=np.bool_)
    for corner_x in SUBPIXELS[[0, -1]]:
        for corner_y in SUBPIXELS[[0, -1]]:
            inside &= _exponents(x + corner_x, y + corner_y, inverse) <= SUBPIXEL_WEIGHT_LIMIT
    images = images * inside
    sums = np.zeros((len(images), 4))
    for offset_y in SUBPIXELS:
        for offset_x in SUBPIXELS:
            sums += _pixel_sums(images, x + offset_x, y + offset_y, inverse, product_type=np.float64)
    return sums
