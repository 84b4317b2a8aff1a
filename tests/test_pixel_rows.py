"""Rows of planes: which are needed, and that each is read once and only when asked for."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forcedsql.errors import ReadError
from forcedsql.pixel_rows import PixelRows, rows_around, runs


class CountingSource:
    """Rows whose pixels are their own number; it remembers what it was asked for."""

    shape = (40, 7)

    def __init__(self):
        self.asked: list[slice] = []
        self.mask_asked: list[slice] = []
        self.columns_asked: list[slice] = []
        self.broken_from = 40

    def read_pixels(self, rows, columns, image, variance):
        if rows.stop > self.broken_from:
            raise ReadError("broken")
        self.asked.append(rows)
        self.columns_asked.append(columns)
        number = np.arange(rows.start, rows.stop)[:, None]
        image[rows, columns], variance[rows, columns] = number, number + 0.5

    def read_mask(self, rows, columns, mask):
        self.mask_asked.append(rows)
        mask[rows, columns] = np.arange(rows.start, rows.stop)[:, None]


def mask_of(*rows):
    wanted = np.zeros(40, bool)
    wanted[list(rows)] = True
    return wanted


def test_only_wanted_rows_are_read_and_each_once():
    source = CountingSource()
    pixels = PixelRows(source)
    pixels.read(mask_of(3, 4, 9), mask_of(4))
    pixels.read(mask_of(2, 3, 4, 5), mask_of())
    assert source.mask_asked == [slice(4, 5)]
    assert pixels.mask[:, 0].tolist() == [n if n == 4 else 0 for n in range(40)]
    assert source.asked == [slice(3, 5), slice(9, 10), slice(2, 3), slice(5, 6)]
    assert pixels.image[:, 0].tolist() == [n if n in (2, 3, 4, 5, 9) else 0 for n in range(40)]


def wide():
    source = CountingSource()
    source.shape = (40, 16)
    return PixelRows(source), source


def test_few_columns_of_a_row_are_read_alone_and_more_of_them_with_all_others():
    pixels, source = wide()
    pixels.read(mask_of(3, 4), mask_of(), slice(5, 8))
    assert pixels.image[4].tolist() == [0] * 5 + [4] * 3 + [0] * 8
    pixels.read(mask_of(3, 4), mask_of(), slice(6, 8))
    assert source.asked == [slice(3, 5)]
    pixels.read(mask_of(4, 5), mask_of(), slice(6, 9))
    assert source.asked[1:] == [slice(5, 6), slice(4, 5)]
    assert source.columns_asked == [slice(5, 8), slice(6, 9), slice(0, 16)]
    pixels.read_all()
    assert (pixels.image == np.arange(40)[:, None]).all()


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        (slice(-3, 2), slice(0, 2)),
        (slice(14, 30), slice(14, 16)),
        (slice(4, 9), slice(0, 16)),
        (slice(-5, 5), slice(0, 16)),
        (None, slice(0, 16)),
    ],
)
def test_columns_off_the_image_do_not_count_and_many_are_all(wanted, read):
    pixels, source = wide()
    pixels.read(mask_of(3), mask_of(), wanted)
    assert source.columns_asked == [read]


def test_columns_off_the_image_alone_need_nothing():
    pixels, source = wide()
    pixels.read(mask_of(3), mask_of(3), slice(-20, -3))
    pixels.read(mask_of(3), mask_of(3), slice(16, 40))
    assert (source.asked, source.mask_asked, pixels.nbytes) == ([], [], 0)


def test_bytes_are_those_of_pixels_read():
    pixels, _ = wide()
    assert pixels.nbytes == 0
    pixels.read(mask_of(0, 39), mask_of(39), slice(0, 3))
    assert pixels.nbytes == 2 * 3 * 8 + 3 * 4
    pixels.read(mask_of(0), mask_of())
    assert pixels.nbytes == (16 + 3) * 8 + 3 * 4
    pixels.read_all()
    assert pixels.nbytes == 40 * 16 * 12


def test_bytes_are_those_of_rows_read():
    pixels = PixelRows(CountingSource())
    assert pixels.nbytes == 0
    pixels.read(mask_of(0, 39), mask_of(39))
    assert pixels.nbytes == 2 * 7 * 8 + 7 * 4
    pixels.read_all()
    assert pixels.nbytes == 40 * 7 * 12


def test_what_was_read_before_a_failure_stays():
    source = CountingSource()
    source.broken_from = 20
    pixels = PixelRows(source)
    with pytest.raises(ReadError, match="broken"):
        pixels.read(mask_of(1, 30), mask_of())
    source.broken_from = 40
    pixels.read(mask_of(1, 30), mask_of())
    assert source.asked == [slice(1, 2), slice(30, 31)]


def test_threads_read_a_row_once():
    source = CountingSource()
    pixels = PixelRows(source)
    start = threading.Barrier(8)

    def work():
        start.wait()
        pixels.read_all()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.asked == [slice(0, 40)]


@given(
    rows=st.lists(st.integers(-60, 100) | st.sampled_from([-(2**62), 2**62]), max_size=8),
    reach=st.integers(0, 60) | st.just(2**40),
    count=st.integers(1, 45),
)
def test_rows_around_are_those_within_reach(rows, reach, count):
    found = rows_around(np.array(rows, np.int64), reach, count)
    # An image is as far as any reach goes.
    limit = min(reach, count)
    assert found.tolist() == [any(abs(row - n) <= limit for row in rows) for n in range(count)]


@given(st.lists(st.booleans(), max_size=30))
def test_runs_cover_what_is_wanted(wanted):
    found = list(runs(np.array(wanted, bool)))
    assert [n for run in found for n in range(run.start, run.stop)] == [
        n for n, is_wanted in enumerate(wanted) if is_wanted
    ]
    assert all(first.stop < second.start for first, second in pairwise(found))


def test_a_plane_for_which_there_is_no_room_is_a_memory_error(monkeypatch):
    def refuse(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("forcedsql.pixel_rows.mmap.mmap", refuse)
    with pytest.raises(MemoryError, match="no room for a plane of 1120 bytes"):
        PixelRows(CountingSource())
