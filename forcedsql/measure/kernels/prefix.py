"""Running sums along the rows of an image, which make a circle of any size cost its rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array, FloatArray, IntArray
from forcedsql.measure.kernels.protocol import Planes
from forcedsql.pixel_rows import runs

ComplexArray = np.ndarray[Any, np.dtype[np.complex128]]

_BLOCK_ROWS = 64


@dataclass(slots=True, eq=False)
class RowPrefix:
    """Sums of the pixels to the left of each pixel, built for the rows that are asked for.

    Image and variance travel together as the real and imaginary part of one complex
    number, so that one memory access fetches both.  NaN and infinity would spoil the rest
    of their row: they count as zero here, and are counted in `faults`.

    Parameters
    ----------
    sums : ndarray, (ny, nx + 1) complex128
        ``sums[j, i]`` is the sum over columns below i of row j.
    faults : ndarray, (ny, nx + 1) int32, or None
        Number of pixels that are not finite, likewise; None as long as none was met.
    built : ndarray, (ny,) bool
        Which rows are filled in.
    """

    sums: ComplexArray
    faults: np.ndarray[Any, np.dtype[np.int32]] | None
    built: BoolArray

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "RowPrefix":
        """Reserve the sums of an image without building any."""
        rows, columns = shape
        return cls(np.empty((rows, columns + 1), np.complex128), None, np.zeros(rows, np.bool_))

    def build(self, planes: Planes, touched: BoolArray) -> None:
        """Fill in those rows, (ny,) bool, that are not there yet; no others may have been read."""
        for run in runs(touched & ~self.built):
            for first in range(run.start, run.stop, _BLOCK_ROWS):
                self._build_block(planes, slice(first, min(first + _BLOCK_ROWS, run.stop)))
            self.built[run] = True

    def _build_block(self, planes: Planes, rows: slice) -> None:
        sums = self.sums[rows]
        _accumulate(planes.image[rows], planes.variance[rows], sums)
        # A pixel that is not finite spoils its row to the end, so the last column tells.
        if not np.isfinite(sums[:, -1]).all():
            fault = ~(np.isfinite(planes.image[rows]) & np.isfinite(planes.variance[rows]))
            _accumulate(
                np.where(fault, 0, planes.image[rows]), np.where(fault, 0, planes.variance[rows]), sums
            )
            if self.faults is None:
                self.faults = np.zeros(self.sums.shape, np.int32)
            np.cumsum(fault, axis=1, out=self.faults[rows, 1:])


def _accumulate(image: Float32Array, variance: Float32Array, sums: ComplexArray) -> None:
    sums[:, 0] = 0.0
    np.cumsum(image, axis=1, dtype=np.float64, out=sums.real[:, 1:])
    np.cumsum(variance, axis=1, dtype=np.float64, out=sums.imag[:, 1:])


def row_prefix(planes: Planes, touched: BoolArray) -> RowPrefix:
    """Return the running sums of an exposure, with the rows that are touched, (ny,) bool, filled in.

    They are kept with the planes: 16 bytes per pixel as long as the exposure lives.
    """
    with planes.lock:
        if "row_prefix" not in planes.memo:
            planes.memo["row_prefix"] = RowPrefix.empty(planes.shape)
        prefix: RowPrefix = planes.memo["row_prefix"]
        prefix.build(planes, touched)
    return prefix


@dataclass(frozen=True, slots=True, eq=False)
class CircleRows:
    """The rows of a set of circles, as offsets from the row that holds the centre."""

    offsets: IntArray
    radius_squared: FloatArray
    starts: IntArray

    @classmethod
    def of(cls, radii: tuple[float, ...]) -> "CircleRows":
        """List the rows that circles of these radii can touch, circle by circle."""
        spans = [np.arange(-int(r), int(r) + 2) for r in radii]
        lengths = [len(span) for span in spans]
        return cls(
            np.concatenate(spans),
            np.repeat(np.square(np.asarray(radii, dtype=np.float64)), lengths),
            np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        )
