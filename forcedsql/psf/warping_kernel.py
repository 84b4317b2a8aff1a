"""The interpolation kernels with which afw warps images, tabulated as it tabulates them."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.errors import ConfigError
from forcedsql.native.warping import WarpingTable

DEFAULT_CACHE_SIZE = 10_000
"""Entries of the table where a file names none (meas_algorithms ``CoaddPsf.h``)."""

MAX_LANCZOS_ORDER = 16
MAX_CACHE_SIZE = 1_000_000

_LANCZOS = re.compile(r"lanczos(\d{1,3})")


@dataclass(frozen=True)
class WarpingKernel:
    """A separable interpolation kernel.

    Parameters
    ----------
    name : str
        ``lanczosN``, ``bilinear`` or ``nearest``.
    cache_size : int
        Number N of sub-pixel phases at which weights are tabulated; 0 for exact weights.

    Raises
    ------
    ConfigError
        If there is no such kernel, or its order or table is out of range.

    Notes
    -----
    afw ``src/math/warpExposure.cc``; the table has the weights at phases (i + 0.5) / N, and phase
    u takes entry int(u N) (afw ``src/math/SeparableKernel.cc``).  That moves a PSF's pixels by
    1e-5 of its peak where N is 10000, so it is part of the model.
    """

    name: str = "lanczos3"
    cache_size: int = DEFAULT_CACHE_SIZE

    def __post_init__(self) -> None:
        if self._order is None and self.name not in ("bilinear", "nearest"):
            raise ConfigError(f"warping kernel {self.name!r}; known are lanczosN, bilinear and nearest")
        if self._order is not None and not 1 <= self._order <= MAX_LANCZOS_ORDER:
            raise ConfigError(f"warping kernel {self.name}: its order must be 1 to {MAX_LANCZOS_ORDER}")
        if not 0 <= self.cache_size <= MAX_CACHE_SIZE:
            raise ConfigError(f"warping kernel cache of {self.cache_size} entries, not 0 to {MAX_CACHE_SIZE}")

    @property
    def first(self) -> int:
        """Offset of the first tap from the pixel below the position."""
        return 0 if self._order is None else 1 - self._order

    @property
    def taps(self) -> int:
        """Number of taps along an axis."""
        return 2 if self._order is None else 2 * self._order

    @property
    def padding(self) -> int:
        """Zero pixels that meas_algorithms ``src/WarpedPsf.cc`` puts around an image before warping."""
        return max(-self.first, self.taps + self.first)

    def weights(self, phase: FloatArray) -> FloatArray:
        """Return the weights of all taps at sub-pixel phases.

        Parameters
        ----------
        phase : ndarray, (n,) float64, pixel
            Distance from the pixel below, in [0, 1].

        Returns
        -------
        ndarray, (taps, n) float64
            Of sum 1 over the taps.
        """
        if self.cache_size == 0:
            return self._exact(phase)
        entry: IntArray = (phase * self.cache_size).astype(np.int64)
        weights = np.empty((self.taps, len(phase)))
        for tabulated, out in zip(self._table, weights, strict=True):
            # A phase of exactly 1, by rounding, takes the last entry.
            tabulated.take(entry, out=out, mode="clip")
        return weights

    @cached_property
    def native_table(self) -> WarpingTable:
        """The table of weights as the native kernel takes it; there is none where N is 0."""
        return WarpingTable(self._table.T, self.first, self.padding)

    @property
    def _order(self) -> int | None:
        match = _LANCZOS.fullmatch(self.name)
        return None if match is None else int(match[1])

    @cached_property
    def _table(self) -> FloatArray:
        return self._exact((np.arange(self.cache_size) + 0.5) / self.cache_size)

    def _exact(self, phase: FloatArray) -> FloatArray:
        if self.name == "bilinear":
            return np.stack([1.0 - phase, phase])
        if self.name == "nearest":
            return np.stack([phase < 0.5, phase >= 0.5]).astype(np.float64)
        distance = self.first + np.arange(self.taps)[:, None] - phase
        weights = np.sinc(distance) * np.sinc(distance / (self.taps // 2))
        normalised: FloatArray = weights / weights.sum(axis=0)
        return normalised
