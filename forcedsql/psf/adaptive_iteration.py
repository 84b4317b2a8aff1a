"""Adaptive second moments: a Gaussian weight that is made to match what it weighs.

Bernstein & Jarvis 2002 (AJ 123, 583), with the steps, limits and fallbacks of LSST's
meas_base ``src/SdssShape.cc``.  Where that code rounds to single precision, so does this:
the rounding enters the next weight and moves the result by 1e-6 pixel^2.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array, FloatArray, IntArray

WEIGHT_LIMIT, SUBPIXEL_WEIGHT_LIMIT = np.float32(14.0), np.float32(9.0)
"""Largest exponents x^T W^-1 x that are summed, with weights at pixel centres and inside pixels."""

BOX_SIGMAS, LARGEST_BOX = 4.0, 1000.0
SMALLEST_DETERMINANT = float(np.finfo(np.float32).eps)

SUBPIXELS = np.array([-0.375, -0.125, 0.125, 0.375])
"""Where in a pixel a narrow weight is taken, along each axis."""

TOTAL, XX, XY, YY = range(4)
"""First columns of sums: of I g, and of that times x^2, x y and y^2 from the centre."""

_START = 1.5
_LARGEST_INVERSE = 1e6
_SUBPIXEL_VARIANCE = 0.25
_ONE_PIXEL = 1.0 / 12.0
_NEVER = np.float32(1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When an iteration ends.

    Parameters
    ----------
    iterations : int
    ellipticity, size : float
        Changes below which the moments have converged.
    """

    iterations: int = 100
    ellipticity: float = 1e-5
    size: float = 1e-4


class AdaptiveIteration(ABC):
    """The iteration for n images or sources together; each leaves when it has converged or failed.

    A subclass gives the `_sums` over its pixels.

    Parameters
    ----------
    count : int
    limits : Limits

    Attributes
    ----------
    covariance : ndarray, (n, 3) float64, pixel^2
        xx, xy, yy of the weight, and in the end of what it matches.
    inverse : ndarray, (n, 3) float64, 1 / pixel^2
        xx, xy, yy of the exponent's matrix that was used last.
    subpixel : ndarray, (n,) bool
        Whether the weight is taken at 4 x 4 points of each pixel.
    failed, exhausted : ndarray, (n,) bool
        Where there is no solution, and where that is for want of iterations.
    """

    def __init__(self, count: int, limits: Limits) -> None:
        self.limits = limits
        self.covariance = np.tile([_START, 0.0, _START], (count, 1))
        self.inverse = np.zeros((count, 3))
        self.subpixel = np.zeros(count, np.bool_)
        self.failed, self.exhausted = np.zeros((2, count), np.bool_)
        self._iteration = np.zeros(count, np.int64)
        self._before = np.full((count, 3), _NEVER, np.float32)

    @abstractmethod
    def _sums(self, rows: IntArray, *, weighted: bool = True) -> FloatArray:
        """Return the sums of rows within their boxes, (m, 4) or wider: `TOTAL`, `XX`, `XY`, `YY`, ...

        The weight is that of `inverse`, or none; the box is four sigmas of `covariance`.
        """

    @abstractmethod
    def _note(self, rows: IntArray, sums: FloatArray) -> None:
        """Take what a subclass wants from the sums of a pass that can be a shape."""

    def iterate(self) -> None:
        """Improve the weights until every one has converged or failed."""
        active = np.arange(len(self.covariance))
        while len(active):
            active = self._step(active)

    def plain_moments(self, rows: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return moments without a weight in the last box.

        Returns
        -------
        covariance : ndarray, (m, 3) float64, pixel^2
            xx, xy, yy; 1/12, 0, 1/12 where they are not positive, NaN where the total is not.
        good : ndarray, (m,) bool
            Whether they are the moments.
        """
        sums = self._sums(rows, weighted=False)
        good = np.asarray((sums[:, [TOTAL, XX, YY]] > 0.0).all(axis=1))
        moments = sums[:, [XX, XY, YY]] / sums[:, [TOTAL]]
        moments[~good] = _ONE_PIXEL, 0.0, _ONE_PIXEL
        moments[~(sums[:, TOTAL] > 0.0)] = np.nan
        return moments, good

    def _step(self, active: IntArray) -> IntArray:
        """Improve the weights of the active rows once; return those still active."""
        active = self._set_inverse(active)
        sums = self._sums(active)
        usable = (sums[:, [TOTAL, XX, YY]] > 0.0).all(axis=1)
        usable &= (np.abs(self.inverse[active]) <= _LARGEST_INVERSE).all(axis=1)
        self.failed[active[~usable]] = True
        active, sums = active[usable], sums[usable]
        self._note(active, sums)
        shape = (sums[:, [XX, XY, YY]] / sums[:, [TOTAL]]).astype(np.float32)
        positive = (shape[:, 0] > 0.0) & (shape[:, 2] > 0.0)
        converged = self._compare(active, shape) & positive
        improved, solvable = _next_weight(shape, self.inverse[active])
        self.failed[active[~positive | ~(converged | solvable)]] = True
        going = positive & solvable & ~converged
        self._iteration[active] += going
        exhausted = going & (self._iteration[active] >= self.limits.iterations)
        self.failed[active[exhausted]] = self.exhausted[active[exhausted]] = True
        going &= ~exhausted
        self.covariance[active[going]] = improved[going]
        return active[going]

    def _set_inverse(self, active: IntArray) -> IntArray:
        """Set the weights from the covariances; return the rows whose weight exists."""
        inverse, determinant = inverse_of(self.covariance[active])
        solvable = determinant >= SMALLEST_DETERMINANT
        narrow = solvable & needs_subpixels(self.covariance[active], determinant) & ~self.subpixel[active]
        # The pass that first looks inside pixels repeats the last weight and does not count.
        repeated = narrow & (self._iteration[active] > 0)
        renewed = solvable & ~repeated
        self.inverse[active[renewed]] = inverse[renewed]
        self._before[active[repeated], 2] = _NEVER
        self._iteration[active[repeated]] -= 1
        self.subpixel[active[narrow]] = True
        self.failed[active[~solvable]] = True
        return active[solvable]

    def _compare(self, active: IntArray, shape: Float32Array) -> BoolArray:
        """Tell which rows have hardly changed since the last pass, and remember their shapes."""
        size = shape[:, 0] + shape[:, 2]
        e1 = (shape[:, 0] - shape[:, 2]) / size
        e2 = (2.0 * shape[:, 1].astype(np.float64) / size).astype(np.float32)
        before = self._before[active]
        limit = np.float32(self.limits.ellipticity)
        same: BoolArray = (
            (self._iteration[active] > 0)
            & (np.abs(e1 - before[:, 0]) < limit)
            & (np.abs(e2 - before[:, 1]) < limit)
            & (np.abs((shape[:, 0] / before[:, 2]).astype(np.float64) - 1.0) < np.float32(self.limits.size))
        )
        self._before[active] = np.stack([e1, e2, shape[:, 0]], axis=1)
        return same


def inverse_of(matrix: FloatArray | Float32Array) -> tuple[FloatArray, FloatArray]:
    """Invert symmetric matrices given as (n, 3) xx, xy, yy; return inverses and determinants."""
    xx, xy, yy = matrix.astype(np.float64).T
    determinant = xx * yy - xy * xy
    return np.stack([yy, -xy, xx], axis=1) / determinant[:, None], determinant


def needs_subpixels(covariance: FloatArray, determinant: FloatArray) -> BoolArray:
    """Tell, (n,) bool, which weights are too narrow to be taken at pixel centres."""
    narrow: BoolArray = (covariance[:, 0] < _SUBPIXEL_VARIANCE) | (covariance[:, 2] < _SUBPIXEL_VARIANCE)
    return narrow | (determinant < _SUBPIXEL_VARIANCE**2)


def _next_weight(shape: Float32Array, inverse: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Take the weight out of weighted moments: the covariance (shape^-1 - weight^-1)^-1.

    Parameters
    ----------
    shape : ndarray, (m, 3) float32, pixel^2
        Weighted moments xx, xy, yy.
    inverse : ndarray, (m, 3) float64, 1 / pixel^2
        Inverse of the weight's covariance.

    Returns
    -------
    covariance : ndarray, (m, 3) float64, pixel^2
    solvable : ndarray, (m,) bool
        Whether it is one.
    """
    own, own_determinant = inverse_of(shape)
    difference = (own.astype(np.float32) - inverse).astype(np.float32)
    covariance, determinant = inverse_of(difference)
    solvable = (own_determinant >= SMALLEST_DETERMINANT) & (determinant >= SMALLEST_DETERMINANT)
    return covariance, solvable & (covariance[:, 0] > 0.0) & (covariance[:, 2] > 0.0)
