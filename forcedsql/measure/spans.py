"""Sets of pixels of any shape, as spans of columns, and their order statistics.

Everything here treats all sets of a batch together: pixels are listed set by set, and what
is wanted of a set comes from sorting or summing the whole list by set.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray, IntArray

_BLOCK_PIXELS = 1 << 22
"""Pixels that are listed at a time, which bounds the memory used."""

_SORTED_TOGETHER = 64
"""Groups that are sorted as the rows of one table."""

IQR_TO_SIGMA = 0.741301109252802
"""Standard deviation of a normal distribution over its interquartile range, as afw spells it."""


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """The pixels of n sets, as one row of columns after the other, sorted by set.

    Parameters
    ----------
    count : int
        Number of sets n.
    owner : ndarray, (m,) int64
        Set that each span belongs to.
    row, left, right : ndarray, (m,) int64
        Its row, first and last column as indices of the arrays.
    """

    count: int
    owner: IntArray
    row: IntArray
    left: IntArray
    right: IntArray

    @property
    def areas(self) -> IntArray:
        """Number of pixels of each set, (n,) int64."""
        return np.bincount(self.owner, self.right - self.left + 1, self.count).astype(np.int64)

    def blocks(self) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
        """Yield (owner, row, column) of every pixel, (k,) each, in blocks of whole sets."""
        ends = np.cumsum(self.areas)
        first = 0
        while first < self.count:
            before = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + _BLOCK_PIXELS, side="right")))
            yield self._pixels(*np.searchsorted(self.owner, (first, last)))
            first = last

    def _pixels(self, start: int, stop: int) -> tuple[IntArray, IntArray, IntArray]:
        lengths = self.right[start:stop] - self.left[start:stop] + 1
        span = np.repeat(np.arange(start, stop), lengths)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.owner[span], self.row[span], self.left[span] + np.arange(len(span)) - starts


def ellipse_spans(x: FloatArray, y: FloatArray, quadrupole: FloatArray, shape: tuple[int, int]) -> Spans:
    """Return the pixels of an image whose centres are in ellipses.

    Parameters
    ----------
    x, y : ndarray, (n,) float64, pixel
        Centres, as column and row of the arrays.
    quadrupole : ndarray, (n, 3) float64, pixel^2
        xx, yy, xy of each ellipse's boundary; one that is not positive definite is empty.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    Spans

    Notes
    -----
    The arithmetic is that of afw ``src/geom/ellipses/PixelRegion.cc``.
    """
    xx, yy, xy = quadrupole.T
    good = (xx > 0.0) & (yy > 0.0) & (xx * yy > xy * xy) & np.isfinite(x) & np.isfinite(y)
    xx, yy, xy = (np.where(good, q, d) for q, d in ((xx, 1.0), (yy, 1.0), (xy, 0.0)))
    height = np.where(good, np.sqrt(yy), -1.0)
    first = np.clip(np.floor(y - height), 0, shape[0]).astype(np.int64)
    last = np.clip(np.ceil(y + height), -1, shape[0] - 1).astype(np.int64)
    rows = np.where(good, np.maximum(last - first + 1, 0), 0)
    owner = np.repeat(np.arange(len(x)), rows)
    row = np.repeat(first - (np.cumsum(rows) - rows), rows) + np.arange(len(owner))
    slope = xy / yy
    squared = xx - xy * slope
    dy = row - y[owner]
    half_squared = squared[owner] - (squared / yy)[owner] * dy * dy
    half = np.sqrt(np.maximum(half_squared, 0.0))
    middle = x[owner] + slope[owner] * dy
    left = np.clip(np.ceil(middle - half), 0, shape[1]).astype(np.int64)
    right = np.clip(np.floor(middle + half), -1, shape[1] - 1).astype(np.int64)
    kept = (half_squared >= 0.0) & (right >= left)
    return Spans(len(x), owner[kept], row[kept], left[kept], right[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Values of n groups, one group after the other and each in rising order.

    Parameters
    ----------
    values : ndarray, (k,)
    starts, counts : ndarray, (n,) int64
        Where each group begins, and how many values it has.
    """

    values: AnyArray
    starts: IntArray
    counts: IntArray

    @classmethod
    def of(cls, owner: IntArray, values: AnyArray, count: int) -> "Groups":
        """Sort values into `count` groups; NaN comes last in each."""
        if not (owner[1:] >= owner[:-1]).all():
            order = np.argsort(owner, kind="stable")
            owner, values = owner[order], values[order]
        counts = np.bincount(owner, minlength=count)
        ends = np.cumsum(counts)
        result = np.empty_like(values)
        for first in range(0, count, _SORTED_TOGETHER):
            some = slice(first, first + _SORTED_TOGETHER)
            inside = np.arange(counts[some].max(initial=0)) < counts[some, None]
            table = np.full(inside.shape, np.nan, values.dtype)
            span = slice(ends[first] - counts[first], ends[some][-1])
            table[inside] = values[span]
            table.sort(axis=1)
            result[span] = table[inside]
        return cls(result, ends - counts, counts)

    def quantile(self, fraction: float) -> FloatArray:
        """Return a quantile of every group, interpolated linearly, (n,) float64; NaN for an empty one."""
        place = fraction * np.maximum(self.counts - 1, 0)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(self.counts - 1, 0))
        weight = place - low
        padded = np.append(self.values.astype(np.float64), np.nan)
        below, above = (padded[np.where(self.counts > 0, self.starts + i, -1)] for i in (low, high))
        return np.asarray(np.where(weight > 0.0, below * (1.0 - weight) + above * weight, below))

    @property
    def owner(self) -> IntArray:
        """Group of each value, (k,) int64."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def clipped_statistics(groups: Groups, *, sigmas: float, iterations: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of groups after clipping; see `clipped_moments`."""
    mean, sigma, _ = clipped_moments(groups, sigmas=sigmas, iterations=iterations)
    return mean, sigma


def clipped_moments(
    groups: Groups, *, sigmas: float, iterations: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return mean and standard deviation of groups after clipping outliers, and the values left.

    The first clip is about the median, with a width from the interquartile range; the later
    ones about the clipped mean (afw ``src/math/Statistics.cc``).  Values that are not finite
    must have been left out.  Each is (n,); both moments are NaN for an empty group, and the
    deviation for one value.
    """
    owner, values = groups.owner, groups.values.astype(np.float64)
    mean = groups.quantile(0.5)
    sigma = IQR_TO_SIGMA * (groups.quantile(0.75) - groups.quantile(0.25))
    number = groups.counts
    for _ in range(iterations):
        kept = np.abs(values - mean[owner]) <= sigmas * sigma[owner]
        mean, sigma, number = _moments(owner[kept], values[kept], len(groups.counts), mean)
    return mean, sigma, number


def _moments(
    owner: IntArray, values: FloatArray, count: int, guess: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    number = np.bincount(owner, minlength=count)
    with np.errstate(all="ignore"):
        from_guess = values - guess[owner]
        shift = np.bincount(owner, from_guess, count) / number
        squares = np.bincount(owner, np.square(from_guess - shift[owner]), count)
        return guess + shift, np.sqrt(squares / (number - 1)), number
