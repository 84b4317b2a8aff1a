"""Normal equations of a joint fit: products of PSF stamps over the pixels that they share."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.measure.blend_groups import BlendGroups
from forcedsql.measure.joint_stamps import PsfStamps, UsablePixels
from forcedsql.measure.kernels.cutouts import batches, cutouts

SparseMatrix = Any
"""A scipy sparse array, for which there are no types."""


@dataclass(frozen=True, slots=True, eq=False)
class NormalEquations:
    """``N f = r`` of the fluxes f, and the matrix W that carries the pixels' noise.

    With the stamps m as columns of A and the variances V of the pixels, ``N = A^T A``,
    ``r = A^T d`` and ``W = A^T V A``; the covariance of f is ``N^-1 W N^-1``.

    Parameters
    ----------
    gram, noise : scipy.sparse.csr_array, (n, n) float64
        N and W, of one pattern.
    data : ndarray, (n,) float64
        r.
    """

    gram: SparseMatrix
    noise: SparseMatrix
    data: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class BackgroundTerms:
    """What a constant background per group adds to the normal equations.

    Parameters
    ----------
    stamp, stamp_noise : ndarray, (n,) float64
        Sums of m and of m V over each stamp.
    pixels, data, noise : ndarray, (groups,) float64
        Number of a group's pixels, and sums of the image and of V over them; a pixel counts
        once however many stamps hold it.
    """

    stamp: FloatArray
    stamp_noise: FloatArray
    pixels: FloatArray
    data: FloatArray
    noise: FloatArray


def normal_equations(
    stamps: PsfStamps, pixels: UsablePixels, first: IntArray, second: IntArray
) -> NormalEquations:
    """Build the normal equations of sources whose overlapping pairs are given."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to import

    overlap, overlap_noise = pair_products(stamps, pixels, first, second)
    count = len(stamps)
    row = np.concatenate([np.arange(count), first, second])
    column = np.concatenate([np.arange(count), second, first])
    gram, noise = (
        coo_array((np.concatenate([own, pair, pair]), (row, column)), shape=(count, count)).tocsr()
        for own, pair in ((stamps.sums.mm, overlap), (stamps.sums.mm_variance, overlap_noise))
    )
    return NormalEquations(gram, noise, stamps.sums.m_image)


def pair_products(
    stamps: PsfStamps, pixels: UsablePixels, first: IntArray, second: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the sums of ``m_i m_j`` and of ``m_i m_j V`` over the pixels of each pair.

    The pairs are those of `overlapping_pairs`, so that the stamps of each share a pixel.  Those at
    the same whole-pixel offset from each other are worked on together.
    """
    product, noise = np.empty(len(first)), np.empty(len(first))
    _, height, width = stamps.values.shape
    for dx, dy, pairs in _pairs_by_offset(stamps, first, second):
        lower, upper = first[pairs], second[pairs]
        if dy < 0:
            dx, dy, lower, upper = -dx, -dy, upper, lower  # noqa: PLW2901 - the same pairs, from above
        size_x, size_y = width - abs(dx), height - dy
        of_lower = np.s_[:, dy:, max(dx, 0) : max(dx, 0) + size_x]
        of_upper = np.s_[:, :size_y, max(-dx, 0) : max(-dx, 0) + size_x]
        for part in batches(len(pairs), size_x * size_y):
            i, j, rows = lower[part], upper[part], pairs[part]
            shared = stamps.values[(i, *of_lower[1:])] * stamps.values[(j, *of_upper[1:])]
            box = (stamps.x0[i] + max(dx, 0), stamps.y0[i] + dy, size_y, size_x)
            variance = cutouts(pixels.planes.variance, *box)
            product[rows] = shared.sum(axis=(1, 2))
            noise[rows] = np.vecdot(shared.reshape(len(i), -1), variance.reshape(len(i), -1))
    return product, noise


def _pairs_by_offset(
    stamps: PsfStamps, first: IntArray, second: IntArray
) -> Iterator[tuple[int, int, IntArray]]:
    if not len(first):
        return
    dx, dy = stamps.x0[second] - stamps.x0[first], stamps.y0[second] - stamps.y0[first]
    order = np.lexsort((dx, dy))
    changes = np.flatnonzero((np.diff(dx[order]) != 0) | (np.diff(dy[order]) != 0)) + 1
    for start, stop in pairwise([0, *changes.tolist(), len(order)]):
        yield int(dx[order[start]]), int(dy[order[start]]), order[start:stop]


def background_terms(stamps: PsfStamps, pixels: UsablePixels, groups: BlendGroups) -> BackgroundTerms:
    """Sum what a constant background in each group needs."""
    group_of_pixel = painted_groups(stamps, pixels, groups)
    stamp_noise = np.empty(len(stamps))
    for part in stamps.batches():
        variance = stamps.cutouts(pixels.planes.variance, part)
        m = stamps.values[part]
        stamp_noise[part] = np.vecdot(m.reshape(len(m), -1), variance.reshape(len(m), -1))
    where = np.flatnonzero(group_of_pixel >= 0)
    label, count = group_of_pixel[where], len(groups.size)
    image, variance = (plane.reshape(-1)[where] for plane in (pixels.planes.image, pixels.planes.variance))
    sums = (np.bincount(label, weights=plane, minlength=count) for plane in (image, variance))
    data, noise = (total.astype(np.float64) for total in sums)
    used = np.bincount(label, minlength=count).astype(np.float64)
    return BackgroundTerms(stamps.sums.m, stamp_noise, used, data, noise)


def painted_groups(stamps: PsfStamps, pixels: UsablePixels, groups: BlendGroups) -> IntArray:
    """Return the group that each pixel of the image belongs to, (ny * nx,) int64; -1 for none.

    No pixel has two: stamps that share one are of one group.
    """
    rows, columns = pixels.planes.shape
    painted = np.full(rows * columns, -1, np.int64)
    for part in stamps.batches():
        used = stamps.used_pixels(pixels, part)
        label = np.broadcast_to(groups.label[part, None, None], used.shape)
        painted[stamps.places(columns, part)[used]] = label[used]
    return painted
