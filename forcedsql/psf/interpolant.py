"""The Lanczos interpolant of GalSim, with which Piff draws the pixels of a PSF."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError

_RIPPLES = 5
_NEAR_ZERO = 1e-8


@dataclass(frozen=True)
class LanczosInterpolant:
    """``sinc(t) sinc(t / order)`` within `order` of zero, made to interpolate a constant as one.

    Parameters
    ----------
    order : int
        Grid steps on each side that count.
    conserve_dc : bool
        Whether the sum over a grid of constant value is constant.

    Notes
    -----
    GalSim ``src/Interpolant.cc``, class ``Lanczos``: the plain kernel is divided by
    ``1 - 2 sum_j K_j (1 - cos(2 pi j t))``, j = 1 to 5, with K the kernel's Fourier transform
    at integer frequencies.
    """

    order: int
    conserve_dc: bool = True

    def __post_init__(self) -> None:
        if self.order < 1:
            raise ConfigError(f"LanczosInterpolant: the order must be at least 1, not {self.order}")

    def evaluate(self, t: FloatArray) -> FloatArray:
        """Return the weight of grid points at a distance.

        Parameters
        ----------
        t : ndarray, float64
            Finite distances in grid steps, of any shape.

        Returns
        -------
        ndarray, float64
            Of the same shape.
        """
        sine = np.sin(math.pi * t)
        near, inside = np.abs(t) < _NEAR_ZERO, np.abs(t) < self.order
        away = np.where(inside & ~near, t, 1.0)
        weights = sine * np.sin((math.pi / self.order) * t)
        weights *= self.order / math.pi**2
        weights /= away * away
        weights[near] = 1.0
        weights[~inside] = 0.0
        if self.conserve_dc:
            weights /= self._constant_sum(1.0 - 2.0 * sine * sine)
        return weights

    def resampling_matrices(
        self, fraction: FloatArray, *, pixels: int, grid: int, step: float = 1.0
    ) -> FloatArray:
        """Return the matrices that draw a line of grid points on a line of pixels.

        Point ``grid // 2`` comes to lie `fraction` of a pixel past the centre of pixel
        ``pixels // 2``; beyond its ends the line of grid points is zero.

        Parameters
        ----------
        fraction : ndarray, (n,) float64, pixel
            In [-1, 1].
        pixels, grid : int
            Number of pixels and of grid points.
        step : float
            Grid steps per pixel.

        Returns
        -------
        ndarray, (n, pixels, grid) float64
        """
        if step != 1.0:
            pixel = np.arange(pixels) - pixels // 2
            point = np.arange(grid) - grid // 2
            return self.evaluate(step * (pixel[:, None] - fraction[:, None, None]) - point)
        # With equal steps every entry depends on the difference of its indices alone.
        lowest = -(pixels // 2) - (grid - 1 - grid // 2)
        line = np.zeros((len(fraction), pixels + grid - 1))
        first = max(-self.order - 1, lowest)
        last = min(self.order + 1, lowest + line.shape[1] - 1)
        distance = np.arange(first, last + 1) - fraction[:, None]
        line[:, first - lowest : last + 1 - lowest] = self.evaluate(distance)
        return np.ascontiguousarray(sliding_window_view(line, grid, axis=1)[:, :, ::-1])

    def _constant_sum(self, cosine: FloatArray) -> FloatArray:
        """Return ``1 - 2 sum_j K_j (1 - cos(2 pi j t))`` from ``cos(2 pi t)``, by Chebyshev's recurrence."""
        total = np.ones_like(cosine)
        before, now = np.ones_like(cosine), cosine
        for ripple in self.ripples:
            total -= 2.0 * ripple * (1.0 - now)
            before, now = now, 2.0 * cosine * now - before
        return total

    @cached_property
    def ripples(self) -> tuple[float, ...]:
        """The numbers K_1 to K_5; none where a constant is not conserved."""
        if not self.conserve_dc:
            return ()
        return tuple(_transform_of_lanczos(self.order, j) for j in range(1, _RIPPLES + 1))


def _transform_of_lanczos(order: int, frequency: int) -> float:
    """Return the Fourier transform of the plain kernel at an integer frequency, in cycles per step."""
    from scipy.special import sici  # noqa: PLC0415 - slow to import, and only Piff PSFs need it

    above, below = order * (2 * frequency + 1), order * (2 * frequency - 1)

    def moment(v: float) -> float:
        return v * float(sici(math.pi * v)[0])

    return (moment(below - 1) - moment(below + 1) - moment(above - 1) + moment(above + 1)) / (2.0 * math.pi)
