"""Sinc aperture coefficients: the exact integral of a band-limited image over a circle.

The coefficient image of a circle is the circle's Fourier transform cut to the band of the
pixel grid (Bickerton & Lupton 2013, MNRAS 431, 1275; meas_base ``src/SincCoeffs.cc``).
It is symmetric and numerically of low rank, ``C = sum_s lambda_s u_s u_s^T``, so that a
coefficient image moved to a sub-pixel position is a sum of products of moved vectors.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import j1

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.psf.shift import eleven_taps

SincShift = Literal["lanczos5", "exact"]

TAPS = 10
"""Number of taps of the Lanczos-5 kernel."""

_RANK_TOLERANCE = 1e-9
"""Eigenvalues below that part of the largest are left out."""

_CHEBYSHEV_TERMS = 14
"""Terms of a shift by up to half a pixel; the next one is below 1e-12."""

_ROW_MULTIPLE = 64
"""Rows of a whole number of tiles of any BLAS."""


def coefficient_width(radius: float) -> int:
    """Return the side in pixels of LSST's coefficient image for a radius in pixels.

    The smallest ``2^(L+1) - 1`` that holds the circle, at least 15 (meas_base
    ``src/SincCoeffs.cc``).
    """
    level = max(3, math.ceil(math.log10(2.0 * radius) / math.log10(2.0)))
    return (1 << (level + 1)) - 1


def circle_coefficients(radius: float, width: int) -> FloatArray:
    """Return the sinc coefficients of a circle centred on the middle pixel.

    Parameters
    ----------
    radius : float, pixel
    width : int, pixel
        Odd side of the square image.

    Returns
    -------
    ndarray, (width, width) float64
        Weights whose sum is the area of the circle, pi radius^2.
    """
    half = width // 2
    frequency = np.arange(-half, half + 1) / width
    k = np.hypot(frequency[:, None], frequency[None, :])
    k[half, half] = 1.0
    transform = radius * j1(2.0 * np.pi * radius * k) / k
    transform[half, half] = np.pi * radius**2
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(transform)).real)


@dataclass(frozen=True, slots=True, eq=False)
class SincAperture:
    """Everything about one sinc aperture that does not depend on the position.

    Parameters
    ----------
    radius : float, pixel
    shift : {"lanczos5", "exact"}
    width : int, pixel
        Side of the coefficient image; its middle pixel is the position's pixel.
    coefficients : ndarray, (width, width) float64
        Coefficients of a position at the centre of its pixel.
    eigenvalues : ndarray, (rank,) float64
    table : ndarray, (terms, width * rank) float64
        The moved vectors are ``weights @ table``; the weights are those of `phase_weights`.
    """

    radius: float
    shift: SincShift
    width: int
    coefficients: FloatArray
    eigenvalues: FloatArray
    table: FloatArray

    @property
    def rank(self) -> int:
        """Number of terms of the factorisation."""
        return len(self.eigenvalues)

    def moved_vectors(self, weights: FloatArray) -> FloatArray:
        """Return the one-dimensional factors moved by sub-pixel fractions.

        Parameters
        ----------
        weights : ndarray, (n, terms) float64
            The `phase_weights` of the fractions.

        Returns
        -------
        ndarray, (n, width, rank) float64
            In "lanczos5" mode only elements `first_moved` to `first_moved` + width - 10
            are meaningful: the shift of afw leaves the others where they were.
        """
        return _rows_times(weights, self.table).reshape(len(weights), self.width, self.rank)


def phase_weights(fraction: FloatArray, shift: SincShift) -> FloatArray:
    """Return the weights, (n, terms) float64, that a fraction gives to the rows of a table."""
    if shift == "exact":
        return _chebyshev_terms(2.0 * fraction)
    return eleven_taps(fraction)


def first_moved(fraction: FloatArray) -> IntArray:
    """Return the first element that afw's unbuffered Lanczos-5 shift really moves, (n,) int64.

    The kernel's centre is 5 for a positive fraction and 4 otherwise; pixels whose taps
    would leave the coefficient image are copied unmoved (afw ``src/math/ConvolveImage.cc``).
    """
    return np.where(fraction > 0.0, TAPS // 2, TAPS // 2 - 1).astype(np.int64)


@lru_cache(maxsize=64)
def sinc_aperture(radius: float, shift: SincShift) -> SincAperture:
    """Return the aperture of a radius, made once per process."""
    width = coefficient_width(radius) if shift == "lanczos5" else exact_width(radius)
    coefficients = circle_coefficients(radius, width)
    values, vectors = np.linalg.eigh(coefficients)
    kept = np.abs(values) > _RANK_TOLERANCE * np.abs(values).max()
    vectors = vectors[:, kept]
    make_table = _lanczos_table if shift == "lanczos5" else _fourier_table
    stored = coefficients.astype(np.float32).astype(np.float64) if shift == "lanczos5" else coefficients
    return SincAperture(radius, shift, width, stored, values[kept], make_table(vectors))


def exact_width(radius: float) -> int:
    """Return the side in pixels of the coefficient image of the unbiased mode.

    Ten pixels beyond the circle hold all but 2e-6 of what the coefficients give a star of
    5 pixels FWHM, Moffat wings included.
    """
    return 2 * max(19, math.ceil(radius) + 10) + 1


def _lanczos_table(vectors: FloatArray) -> FloatArray:
    """Stack the vectors displaced by -5 ... 5 pixels, one displacement per row."""
    half = TAPS // 2
    padded = np.pad(vectors, ((half, half), (0, 0)))
    width = len(vectors)
    return np.stack([padded[d : d + width].ravel() for d in range(TAPS + 1)])


def _fourier_table(vectors: FloatArray) -> FloatArray:
    """Expand the band-limited displacement of the vectors by up to half a pixel in Chebyshev terms."""
    width = len(vectors)
    half = width // 2
    wave = 2j * np.pi * np.fft.ifftshift(np.arange(-half, half + 1)) / width
    nodes = np.cos(np.pi * (np.arange(_CHEBYSHEV_TERMS) + 0.5) / _CHEBYSHEV_TERMS)
    transform = np.fft.fft(vectors, axis=0)
    moved = np.stack(
        [np.fft.ifft(transform * np.exp(-wave * d / 2.0)[:, None], axis=0).real.ravel() for d in nodes]
    )
    return np.asarray(np.linalg.solve(_chebyshev_terms(nodes), moved), dtype=np.float64)


def _chebyshev_terms(t: FloatArray) -> FloatArray:
    return np.asarray(np.polynomial.chebyshev.chebvander(t, _CHEBYSHEV_TERMS - 1), dtype=np.float64)


def _rows_times(weights: FloatArray, table: FloatArray) -> FloatArray:
    """Multiply matrices so that a row's result does not depend on how many rows there are.

    A whole number of BLAS tiles keeps every row in the same code path.
    """
    rows = len(weights)
    padded = np.zeros((-(-rows // _ROW_MULTIPLE) * _ROW_MULTIPLE, weights.shape[1]))
    padded[:rows] = weights
    return (padded @ table)[:rows]
