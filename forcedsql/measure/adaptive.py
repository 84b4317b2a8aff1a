"""Adaptive moments of the sources on an image; the algorithm is that of `AdaptiveIteration`."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.measure.gaussian_sums import Weights, X, Y, weighted_sums
from forcedsql.measure.kernels.protocol import Planes
from forcedsql.psf.adaptive_iteration import TOTAL, AdaptiveIteration, Limits, inverse_of


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


class AdaptiveFit(AdaptiveIteration):
    """The iteration for sources at fixed positions of one image.

    Parameters
    ----------
    planes : Planes
    x, y : ndarray, (n,) float64, pixel
        Positions, as column and row of the arrays.
    limits : Limits
    shift : float, pixel
        Distance of the weighted centroid from the position that is flagged.
    """

    def __init__(self, planes: Planes, x: FloatArray, y: FloatArray, limits: Limits, shift: float) -> None:
        n = len(x)
        super().__init__(n, limits)
        self.planes, self.x, self.y, self.shift = planes, x, y, shift
        self.total = np.full(n, np.nan)
        blank, flags = np.full((3, n), np.nan), np.zeros((3, n), np.bool_)
        self.result = Moments(
            covariance=self.covariance,
            x=blank[0],
            y=blank[1],
            amplitude=blank[2],
            unweighted=flags[0],
            bad=flags[1],
            shifted=flags[2],
            exhausted=self.exhausted,
        )

    def run(self) -> Moments:
        """Iterate until every source has converged or failed."""
        result = self.result
        with np.errstate(all="ignore"):
            self.iterate()
            determinant = inverse_of(self.inverse)[1]
            result.amplitude = self.total * np.sqrt(determinant) / np.pi
            failed = np.flatnonzero(self.failed)
            result.covariance[failed], good = self.plain_moments(failed)
            result.amplitude[failed] = np.nan
            result.unweighted[failed], result.bad[failed] = good, ~good
        return result

    def _sums(self, rows: IntArray, *, weighted: bool = True) -> FloatArray:
        inverse = self.inverse[rows] if weighted else np.zeros((len(rows), 3))
        weights = Weights(self.x[rows], self.y[rows], self.covariance[rows], inverse, self.subpixel[rows])
        return weighted_sums(self.planes, weights)

    def _note(self, rows: IntArray, sums: FloatArray) -> None:
        result = self.result
        self.total[rows] = sums[:, TOTAL]
        result.x[rows], result.y[rows] = sums[:, X] / sums[:, TOTAL], sums[:, Y] / sums[:, TOTAL]
        strayed = np.abs(result.x[rows] - self.x[rows].astype(np.float32)) > self.shift
        strayed |= np.abs(result.y[rows] - self.y[rows].astype(np.float32)) > self.shift
        result.shifted[rows] |= strayed
