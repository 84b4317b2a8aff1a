"""Which positions are blended: those whose PSF stamps share pixels, and all that these lead to."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from forcedsql.arrays import IntArray
from forcedsql.errors import TableError

MAX_PAIRS = 50_000_000
"""Overlapping pairs of one joint fit: some 5 GB."""

_PACKED = 128
"""Sources, of one small group or of several, that share a block."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelBoxes:
    """n boxes of pixels, none of them empty.

    Parameters
    ----------
    x0, y0, x1, y1 : ndarray, (n,) int64, pixel
        First column and row, and first column and row beyond.
    """

    x0: IntArray
    y0: IntArray
    x1: IntArray
    y1: IntArray

    def __len__(self) -> int:
        return len(self.x0)


@dataclass(frozen=True, slots=True, eq=False)
class BlendGroups:
    """Connected components of overlapping boxes.

    Parameters
    ----------
    label : ndarray, (n,) int64
        Group of each box, counted from 0.
    size : ndarray, (groups,) int64
        Boxes in each group.
    """

    label: IntArray
    size: IntArray


def overlapping_pairs(boxes: PixelBoxes) -> tuple[IntArray, IntArray]:
    """Return the pairs of boxes that share a pixel.

    Returns
    -------
    first, second : ndarray, (pairs,) int64
        Each pair once, with first < second, in the order of `first` and then `second`.

    Raises
    ------
    TableError
        If there are more than `MAX_PAIRS` candidates.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    none = np.empty(0, np.int64)
    if len(boxes) < 2:
        return none, none
    centres = np.stack([boxes.x0 + boxes.x1, boxes.y0 + boxes.y1], axis=1) / 2.0
    reach = float(max((boxes.x1 - boxes.x0).max(), (boxes.y1 - boxes.y0).max())) - 0.5
    tree = cKDTree(centres)
    count = (int(tree.count_neighbors(tree, reach, p=np.inf)) - len(boxes)) // 2
    if count > MAX_PAIRS:
        raise TableError(
            f"a joint fit of {len(boxes)} positions would have {count} overlapping pairs, more than "
            f"{MAX_PAIRS}; thin the positions out, or fit parts of the image"
        )
    first, second = tree.query_pairs(reach, p=np.inf, output_type="ndarray").astype(np.int64).T
    shared = np.minimum(boxes.x1[first], boxes.x1[second]) > np.maximum(boxes.x0[first], boxes.x0[second])
    shared &= np.minimum(boxes.y1[first], boxes.y1[second]) > np.maximum(boxes.y0[first], boxes.y0[second])
    first, second = first[shared], second[shared]
    order = np.lexsort((second, first))
    return first[order], second[order]


def blend_groups(count: int, first: IntArray, second: IntArray) -> BlendGroups:
    """Return the groups that pairs of `count` boxes make."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    links = coo_array((np.ones(len(first), np.bool_), (first, second)), shape=(count, count))
    groups, label = connected_components(links, directed=False)
    label = label.astype(np.int64)
    return BlendGroups(label, np.bincount(label, minlength=groups).astype(np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """An order of n sources in blocks, such that only neighbouring blocks overlap.

    Parameters
    ----------
    order : ndarray, (n,) int64
        Sources, block after block.
    bounds : ndarray, (blocks + 1,) int64
        Block k is ``order[bounds[k] : bounds[k + 1]]``.
    """

    order: IntArray
    bounds: IntArray


def ordered_blocks(
    groups: BlendGroups, first: IntArray, second: IntArray, x: IntArray, y: IntArray
) -> Blocks:
    """Order sources so that a matrix over overlapping pairs is block tridiagonal.

    A group of up to 128 sources is in one block, which it shares with others.  A larger one is
    cut into strips of columns or of rows, as wide as its pairs reach apart, so that a pair lies
    in one strip or in two next to each other.

    Parameters
    ----------
    groups : BlendGroups
    first, second : ndarray, (pairs,) int64
        Overlapping pairs.
    x, y : ndarray, (n,) int64, pixel
        Any pixel of each source, at the same place in its box.
    """
    label = groups.label
    small = groups.size <= _PACKED
    start = np.cumsum(np.where(small, groups.size, 0)) - np.where(small, groups.size, 0)
    block = (start // _PACKED)[label]
    used = int(block.max(initial=-1)) + 1
    by_group = np.argsort(label[first], kind="stable")
    ends = np.searchsorted(label[first][by_group], np.arange(len(groups.size) + 1))
    for group in np.flatnonzero(~small):
        pairs = by_group[ends[group] : ends[group + 1]]
        rows = np.flatnonzero(label == group)
        strips = min(
            (_strips(place, rows, first[pairs], second[pairs]) for place in (x, y)), key=_cost_of_elimination
        )
        block[rows] = used + strips
        used += int(strips.max()) + 1
    order = np.lexsort((np.arange(len(label)), block))
    occupied = np.bincount(block, minlength=used)
    return Blocks(order, np.concatenate([[0], np.cumsum(occupied[occupied > 0])]).astype(np.int64))


def _strips(place: IntArray, rows: IntArray, first: IntArray, second: IntArray) -> IntArray:
    reach = max(1, int(np.abs(place[first] - place[second]).max()))
    strips: IntArray = (place[rows] - place[rows].min()) // reach
    return strips


def _cost_of_elimination(strips: IntArray) -> float:
    return float((np.bincount(strips).astype(np.float64) ** 3).sum())


def block_ranges(blocks: Blocks) -> list[tuple[int, int]]:
    """Return (start, stop) of each block in the order."""
    return [(int(start), int(stop)) for start, stop in pairwise(blocks.bounds)]
