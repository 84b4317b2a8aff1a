"""Adaptive second moments of batches of images, as SDSS and LSST define them.

The moments of an image under a Gaussian weight, where the weight is made to match the image:
Bernstein & Jarvis 2002 (AJ 123, 583), with the steps, limits and fallbacks of LSST's
meas_base ``src/SdssShape.cc``.  Where that code rounds to single precision, so does this:
the rounding enters the next weight and moves the result by 1e-6 pixel^2.
"""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array, FloatArray, IntArray
from forcedsql.native import images as native_images
from forcedsql.native import native_library
from forcedsql.psf.grouping import groups

_START = 1.5
_MAX_ITERATIONS = 100
_ELLIPTICITY_TOLERANCE = np.float32(1e-5)
_SIZE_TOLERANCE = np.float32(1e-4)
_SMALLEST_DETERMINANT = float(np.finfo(np.float32).eps)
_LARGEST_INVERSE = 1e6
_SUBPIXEL_VARIANCE = 0.25
_BOX_SIGMAS, _LARGEST_BOX = 4.0, 1000.0
_WEIGHT_LIMIT, _SUBPIXEL_WEIGHT_LIMIT = np.float32(14.0), np.float32(9.0)
_SUBPIXELS = np.array([-0.375, -0.125, 0.125, 0.375])
_ONE_PIXEL = 1.0 / 12.0
_NEVER = np.float32(1e6)


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


@dataclass(frozen=True, slots=True)
class _Sums:
    """Weighted sums over an image: of I g, x^2 I g, x y I g and y^2 I g, each (m,) float64."""

    total: FloatArray
    xx: FloatArray
    xy: FloatArray
    yy: FloatArray

    @property
    def positive(self) -> BoolArray:
        """Whether the sums can be a shape."""
        return (self.total > 0.0) & (self.xx > 0.0) & (self.yy > 0.0)


class _Fit:
    """The iteration for images of one size and one centre.

    ``weight`` is the covariance (xx, xy, yy) of the Gaussian weight, and ``inverse`` the
    inverse of the covariance last used.
    """

    def __init__(self, images: FloatArray, centre_x: int, centre_y: int) -> None:
        count, height, width = images.shape
        self.images = images
        self.centre_x, self.centre_y = centre_x, centre_y
        self.size = max(height, width) + abs(centre_x) + abs(centre_y)
        self.weight = np.tile(np.array([_START, 0.0, _START]), (count, 1))
        self.inverse = np.zeros((count, 3))
        self.half_box = np.zeros(count, dtype=np.int64)
        self.subpixel = np.zeros(count, dtype=np.bool_)
        self.iteration = np.zeros(count, dtype=np.int64)
        self.previous = np.full((count, 3), _NEVER, dtype=np.float32)
        self.failed = np.zeros(count, dtype=np.bool_)

    def run(self) -> FloatArray:
        """Iterate until every image has converged or failed; return xx, yy, xy, (m, 3)."""
        active = np.arange(len(self.images))
        with np.errstate(all="ignore"):
            while len(active):
                active = self._step(active)
            moments = self.weight[:, [0, 2, 1]]
            failed = np.flatnonzero(self.failed)
            if len(failed):
                moments[failed] = self._unweighted(failed)
        return moments

    def _step(self, active: IntArray) -> IntArray:
        """Improve the weights of the active images once; return those still active."""
        active = self._set_weights(active)
        sums = self._sums(active)
        usable = sums.positive & (np.abs(self.inverse[active]) <= _LARGEST_INVERSE).all(axis=1)
        total = np.where(usable, sums.total, 1.0)
        s = np.stack([sums.xx / total, sums.xy / total, sums.yy / total]).astype(np.float32)
        usable &= (s[0] > 0.0) & (s[2] > 0.0)
        size = s[0] + s[2]
        e1 = (s[0] - s[2]) / size
        e2 = (2.0 * s[1].astype(np.float64) / size).astype(np.float32)
        before = self.previous[active]
        converged = (
            usable
            & (self.iteration[active] > 0)
            & (np.abs(e1 - before[:, 0]) < _ELLIPTICITY_TOLERANCE)
            & (np.abs(e2 - before[:, 1]) < _ELLIPTICITY_TOLERANCE)
            & (np.abs((s[0] / before[:, 2]).astype(np.float64) - 1.0) < _SIZE_TOLERANCE)
        )
        self.previous[active] = np.stack([e1, e2, s[0]], axis=1)
        improved, solvable = _next_weight(s, self.inverse[active])
        usable &= converged | solvable
        self.failed[active[~usable]] = True
        going = usable & ~converged
        self.weight[active[going]] = improved[going]
        active = active[going]
        self.iteration[active] += 1
        exhausted = self.iteration[active] >= _MAX_ITERATIONS
        self.failed[active[exhausted]] = True
        return active[~exhausted]

    def _set_weights(self, active: IntArray) -> IntArray:
        """Set box and inverse weight; return the images whose weight can be inverted."""
        weight = self.weight[active]
        widest = np.maximum(weight[:, 0], weight[:, 2])
        radius = np.minimum(_BOX_SIGMAS * np.sqrt(widest), _LARGEST_BOX)
        self.half_box[active] = np.minimum(np.floor(radius + 0.5), self.size)
        inverse, determinant = _inverse(weight.T)
        solvable = determinant >= _SMALLEST_DETERMINANT
        self.failed[active[~solvable]] = True
        small = (weight[:, 0] < _SUBPIXEL_VARIANCE) | (weight[:, 2] < _SUBPIXEL_VARIANCE)
        small |= determinant < _SUBPIXEL_VARIANCE**2
        switched = solvable & small & ~self.subpixel[active]
        keep_old = switched & (self.iteration[active] > 0)
        # The pass that first looks inside pixels repeats the last weight and does not count.
        renewed = solvable & ~keep_old
        self.inverse[active[renewed]] = inverse.T[renewed]
        self.previous[active[keep_old], 2] = _NEVER
        self.iteration[active[keep_old]] -= 1
        self.subpixel[active[switched]] = True
        return active[solvable]

    def _sums(self, rows: IntArray, *, weighted: bool = True) -> _Sums:
        """Return the sums of images, group by group of one box size and mode.

        An image's box depends on nothing but the image, so neither does the order of its sums.
        """
        out = np.empty((len(rows), 4))
        labels = 2 * self.half_box[rows] + self.subpixel[rows]
        for label in np.unique(labels):
            half, subpixel = divmod(int(label), 2)
            group = np.flatnonzero(labels == label)
            images, x, y = self._cut(rows[group], half)
            inverse = self.inverse[rows[group]] if weighted else np.zeros((len(group), 3))
            evaluate = _subpixel_sums if subpixel else _pixel_sums
            out[group] = evaluate(images, x, y, inverse)
        return _Sums(*out.T)

    def _cut(self, rows: IntArray, half: int) -> tuple[Float32Array, FloatArray, FloatArray]:
        """Return the boxes of images in single precision, and the offsets of their columns and rows."""
        _, height, width = self.images.shape
        x0, x1 = max(self.centre_x - half, 0), min(self.centre_x + half + 1, width)
        y0, y1 = max(self.centre_y - half, 0), min(self.centre_y + half + 1, height)
        x = np.arange(x0, max(x0, x1), dtype=np.float64) - self.centre_x
        y = np.arange(y0, max(y0, y1), dtype=np.float64) - self.centre_y
        boxes = self.images[rows, y0 : y0 + len(y), x0 : x0 + len(x)]
        return boxes.astype(np.float32), x, y

    def _unweighted(self, rows: IntArray) -> FloatArray:
        """Return plain moments in the last box: xx, yy, xy, (m, 3)."""
        sums = self._sums(rows, weighted=False)
        moments = np.stack([sums.xx, sums.yy, sums.xy], axis=1) / sums.total[:, None]
        moments[~sums.positive] = _ONE_PIXEL, _ONE_PIXEL, 0.0
        moments[~(sums.total > 0.0)] = np.nan
        return moments


def _inverse(matrix: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Invert symmetric matrices given as (xx, xy, yy), (3, m); return inverses and determinants."""
    xx, xy, yy = matrix.astype(np.float64)
    determinant = xx * yy - xy * xy
    return np.stack([yy, -xy, xx]) / determinant, determinant


def _next_weight(s: Float32Array, inverse: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Take the weight out of weighted moments: the covariance (s^-1 - weight^-1)^-1.

    Parameters
    ----------
    s : ndarray, (3, m) float32, pixel^2
        Weighted moments xx, xy, yy.
    inverse : ndarray, (m, 3) float64, 1 / pixel^2
        Inverse of the weight's covariance.

    Returns
    -------
    weight : ndarray, (m, 3) float64, pixel^2
    solvable : ndarray, (m,) bool
        Whether it is a covariance.
    """
    s_inverse, s_determinant = _inverse(s)
    image_inverse = (s_inverse.astype(np.float32) - inverse.T).astype(np.float32)
    weight, determinant = _inverse(image_inverse)
    solvable = (s_determinant >= _SMALLEST_DETERMINANT) & (determinant >= _SMALLEST_DETERMINANT)
    return weight.T, solvable & (weight[0] > 0.0) & (weight[2] > 0.0)


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
    weights *= exponents <= _WEIGHT_LIMIT
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
    for corner_x in _SUBPIXELS[[0, -1]]:
        for corner_y in _SUBPIXELS[[0, -1]]:
            inside &= _exponents(x + corner_x, y + corner_y, inverse) <= _SUBPIXEL_WEIGHT_LIMIT
    images = images * inside
    sums = np.zeros((len(images), 4))
    for offset_y in _SUBPIXELS:
        for offset_x in _SUBPIXELS:
            sums += _pixel_sums(images, x + offset_x, y + offset_y, inverse, product_type=np.float64)
    return sums
