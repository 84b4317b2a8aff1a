"""Adaptive moments of the sources on an image: a Gaussian weight made to match each source.

Bernstein & Jarvis 2002 (AJ 123, 583), with the steps, limits and fallbacks of LSST's
meas_base ``src/SdssShape.cc``.  All sources of a call iterate together; each leaves when it
has converged or failed.
"""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array, FloatArray, IntArray
from forcedsql.measure.gaussian_sums import (
    SMALLEST_DETERMINANT,
    TOTAL,
    XX,
    XY,
    YY,
    Weights,
    X,
    Y,
    inverse_of,
    needs_subpixels,
    weighted_sums,
)
from forcedsql.measure.kernels.protocol import Planes

_START = 1.5
_LARGEST_INVERSE = 1e6
_ONE_PIXEL = 1.0 / 12.0
_NEVER = np.float32(1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When an iteration ends.

    Parameters
    ----------
    iterations : int
    ellipticity, size : float
        Changes below which a source has converged.
    shift : float, pixel
        Distance of the weighted centroid from the position that is flagged.
    """

    iterations: int = 100
    ellipticity: float = 1e-5
    size: float = 1e-4
    shift: float = 2.0


@dataclass(slots=True, eq=False)
class Moments:
    """Results for n sources.

    Parameters
    ----------
    covariance : ndarray, (n, 3) float64, pixel^2
        xx, xy, yy; NaN where nothing could be measured.
    x, y : ndarray, (n,) float64, pixel
        Weighted centroid, as column and row of the arrays; NaN likewise.
    amplitude : ndarray, (n,) float64
        Peak of the Gaussian that matches; NaN where the moments are unweighted.
    unweighted, bad, shifted, exhausted : ndarray, (n,) bool
        Plain moments were taken; neither kind could be; the centroid strayed; too many iterations.
    """

    covariance: FloatArray
    x: FloatArray
    y: FloatArray
    amplitude: FloatArray
    unweighted: BoolArray
    bad: BoolArray
    shifted: BoolArray
    exhausted: BoolArray


class AdaptiveFit:
    """The iteration for sources at fixed positions of one image.

    Parameters
    ----------
    planes : Planes
    x, y : ndarray, (n,) float64, pixel
        Positions, as column and row of the arrays.
    limits : Limits
    """

    def __init__(self, planes: Planes, x: FloatArray, y: FloatArray, limits: Limits) -> None:
        n = len(x)
        self.planes, self.x, self.y, self.limits = planes, x, y, limits
        self.covariance = np.tile([_START, 0.0, _START], (n, 1))
        self.inverse = np.zeros((n, 3))
        self.subpixel = np.zeros(n, np.bool_)
        self.iteration = np.zeros(n, np.int64)
        self.before = np.full((n, 3), _NEVER, np.float32)
        self.total = np.full(n, np.nan)
        self.failed = np.zeros(n, np.bool_)
        blank = [np.full(n, np.nan) for _ in range(3)]
        flags = [np.zeros(n, np.bool_) for _ in range(4)]
        self.result = Moments(self.covariance, *blank, *flags)

    def run(self) -> Moments:
        """Iterate until every source has converged or failed."""
        active = np.arange(len(self.x))
        with np.errstate(all="ignore"):
            while len(active):
                active = self._step(active)
            determinant = inverse_of(self.inverse)[1]
            self.result.amplitude = self.total * np.sqrt(determinant) / np.pi
            self._take_plain_moments(np.flatnonzero(self.failed))
        return self.result

    def _step(self, active: IntArray) -> IntArray:
        """Improve the weights of the active sources once; return those still active."""
        active = self._set_inverse(active)
        sums = self._sums(active)
        usable = (sums[:, [TOTAL, XX, YY]] > 0.0).all(axis=1)
        usable &= (np.abs(self.inverse[active]) <= _LARGEST_INVERSE).all(axis=1)
        self.failed[active[~usable]] = True
        active, sums = active[usable], sums[usable]
        self._note_centroid(active, sums)
        shape = (sums[:, [XX, XY, YY]] / sums[:, [TOTAL]]).astype(np.float32)
        positive = (shape[:, 0] > 0.0) & (shape[:, 2] > 0.0)
        converged = self._compare(active, shape) & positive
        improved, solvable = _next_weight(shape, self.inverse[active])
        self.failed[active[~positive | ~(converged | solvable)]] = True
        going = positive & solvable & ~converged
        self.iteration[active] += going
        exhausted = going & (self.iteration[active] >= self.limits.iterations)
        self.failed[active[exhausted]] = self.result.exhausted[active[exhausted]] = True
        going &= ~exhausted
        self.covariance[active[going]] = improved[going]
        return active[going]

    def _set_inverse(self, active: IntArray) -> IntArray:
        """Set the weights from the covariances; return the sources whose weight exists."""
        inverse, determinant = inverse_of(self.covariance[active])
        solvable = determinant >= SMALLEST_DETERMINANT
        narrow = solvable & needs_subpixels(self.covariance[active], determinant) & ~self.subpixel[active]
        # The pass that first looks inside pixels repeats the last weight and does not count.
        repeated = narrow & (self.iteration[active] > 0)
        renewed = solvable & ~repeated
        self.inverse[active[renewed]] = inverse[renewed]
        self.before[active[repeated], 2] = _NEVER
        self.iteration[active[repeated]] -= 1
        self.subpixel[active[narrow]] = True
        self.failed[active[~solvable]] = True
        return active[solvable]

    def _sums(self, rows: IntArray, *, weighted: bool = True) -> FloatArray:
        inverse = self.inverse[rows] if weighted else np.zeros((len(rows), 3))
        weights = Weights(self.x[rows], self.y[rows], self.covariance[rows], inverse, self.subpixel[rows])
        return weighted_sums(self.planes, weights)

    def _note_centroid(self, active: IntArray, sums: FloatArray) -> None:
        result, shift = self.result, self.limits.shift
        self.total[active] = sums[:, TOTAL]
        result.x[active], result.y[active] = sums[:, X] / sums[:, TOTAL], sums[:, Y] / sums[:, TOTAL]
        strayed = np.abs(result.x[active] - self.x[active].astype(np.float32)) > shift
        strayed |= np.abs(result.y[active] - self.y[active].astype(np.float32)) > shift
        result.shifted[active] |= strayed

    def _compare(self, active: IntArray, shape: Float32Array) -> BoolArray:
        """Tell which sources have hardly changed since the last pass, and remember their shapes."""
        size = shape[:, 0] + shape[:, 2]
        e1 = (shape[:, 0] - shape[:, 2]) / size
        e2 = (2.0 * shape[:, 1].astype(np.float64) / size).astype(np.float32)
        before = self.before[active]
        limit = np.float32(self.limits.ellipticity)
        same: BoolArray = (
            (self.iteration[active] > 0)
            & (np.abs(e1 - before[:, 0]) < limit)
            & (np.abs(e2 - before[:, 1]) < limit)
            & (np.abs((shape[:, 0] / before[:, 2]).astype(np.float64) - 1.0) < np.float32(self.limits.size))
        )
        self.before[active] = np.stack([e1, e2, shape[:, 0]], axis=1)
        return same

    def _take_plain_moments(self, rows: IntArray) -> None:
        """Replace the results of failed sources by plain moments in their last box."""
        result = self.result
        sums = self._sums(rows, weighted=False)
        good = (sums[:, [TOTAL, XX, YY]] > 0.0).all(axis=1)
        moments = sums[:, [XX, XY, YY]] / sums[:, [TOTAL]]
        moments[~good] = _ONE_PIXEL, 0.0, _ONE_PIXEL
        moments[~(sums[:, TOTAL] > 0.0)] = np.nan
        result.covariance[rows] = moments
        result.amplitude[rows] = np.nan
        result.unweighted[rows], result.bad[rows] = good, ~good


def _next_weight(shape: Float32Array, inverse: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Take the weight out of weighted moments: the covariance (shape^-1 - weight^-1)^-1.

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
