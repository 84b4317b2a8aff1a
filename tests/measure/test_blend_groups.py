"""Overlaps of pixel boxes, their groups, and the order in which groups are solved."""

import numpy as np
import pytest

from forcedsql.errors import TableError
from forcedsql.measure import blend_groups as module
from forcedsql.measure.blend_groups import (
    PixelBoxes,
    blend_groups,
    block_ranges,
    ordered_blocks,
    overlapping_pairs,
)


def random_boxes(count, size, seed=1, side=25):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, size[0], count), rng.integers(0, size[1], count)
    return PixelBoxes(x, y, x + rng.integers(1, side, count), y + rng.integers(1, side, count))


def brute_pairs(boxes):
    n = len(boxes)
    return [
        (i, j)
        for i in range(n)
        for j in range(i + 1, n)
        if boxes.x0[i] < boxes.x1[j]
        and boxes.x0[j] < boxes.x1[i]
        and boxes.y0[i] < boxes.y1[j]
        and boxes.y0[j] < boxes.y1[i]
    ]


def test_pairs_are_those_that_share_a_pixel():
    boxes = random_boxes(300, (200, 250))
    first, second = overlapping_pairs(boxes)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == brute_pairs(boxes)


def test_boxes_that_touch_do_not_overlap():
    edges = np.array([0, 10, 20])
    boxes = PixelBoxes(edges, np.zeros(3, np.int64), edges + 10, np.full(3, 10))
    assert len(overlapping_pairs(boxes)[0]) == 0
    assert blend_groups(3, *overlapping_pairs(boxes)).size.tolist() == [1, 1, 1]


@pytest.mark.parametrize("turned", [False, True])
def test_boxes_far_apart_along_one_axis_are_no_candidates(monkeypatch, turned):
    monkeypatch.setattr(module, "MAX_PAIRS", 49)
    first, other = 20 * np.arange(50), np.zeros(50, np.int64)
    x, y = (other, first) if turned else (first, other)
    pairs = overlapping_pairs(PixelBoxes(x, y, x + 21, y + 21))
    assert [p.tolist() for p in pairs] == [list(range(49)), list(range(1, 50))]
    with pytest.raises(TableError, match="a joint fit of 50 positions would have 97 overlapping pairs"):
        overlapping_pairs(PixelBoxes(x, y, x + 41, y + 41))


@pytest.mark.parametrize(("count", "size"), [(50, (300, 300)), (900, (300, 900)), (2000, (4000, 2000))])
def test_only_neighbouring_blocks_overlap_and_none_holds_parts_of_two_large_groups(count, size):
    boxes = random_boxes(count, size)
    first, second = overlapping_pairs(boxes)
    groups = blend_groups(count, first, second)
    blocks = ordered_blocks(groups, first, second, boxes.x0, boxes.y0)
    assert sorted(blocks.order) == list(range(count))
    block = np.empty(count, np.int64)
    for index, (start, stop) in enumerate(block_ranges(blocks)):
        assert start < stop
        block[blocks.order[start:stop]] = index
    assert np.abs(block[first] - block[second]).max() <= 1
    small = np.flatnonzero(groups.size <= 128)
    for group in small:
        assert len(set(block[groups.label == group])) == 1
    # A block is closed with the small group that brings it to 128 sources or beyond.
    shared = np.unique(block[np.isin(groups.label, small)])
    assert np.bincount(block)[shared].max(initial=0) < 2 * 128
    assert len(shared) <= groups.size[small].sum() // 128 + 1
    larger = np.flatnonzero(groups.size > 128)
    assert all(not set(block[groups.label == group]) & set(shared) for group in larger)
