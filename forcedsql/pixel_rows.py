"""Planes that are read from their file row by row, as measurements need them.

The arrays have the size of the whole image from the start, so that every sum, clip and flag
over them is the one that the whole image gives; memory is taken only by what was read.
"""

import mmap
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array, IntArray

MaskArray = np.ndarray[Any, np.dtype[np.int32]]

_LITTLE = 0.25
"""Up to what part of the columns a row is read in part."""


class RowSource(Protocol):
    """Reads boxes of the three planes of one image; called by one thread at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the whole image."""
        ...

    def read_pixels(self, rows: slice, columns: slice, image: Float32Array, variance: Float32Array) -> None:
        """Fill a box of image and variance.

        Parameters
        ----------
        rows, columns : slice
            The box to read, inside the image.
        image, variance : ndarray, (ny, nx) float32
            The whole planes; nothing but the box is written.

        Raises
        ------
        ReadError
            If the file is damaged there, or is no longer the one that was opened.
        """
        ...

    def read_mask(self, rows: slice, columns: slice, mask: MaskArray) -> None:
        """Fill a box of the mask, (ny, nx) int32; see `read_pixels`."""
        ...


class PixelRows:
    """The planes of one image, and which of their pixels have been read.

    A pixel that has been filled in never changes after, so that threads may measure on some
    while others are read.

    Parameters
    ----------
    source : RowSource
    """

    def __init__(self, source: RowSource) -> None:
        self._source = source
        self.image: Float32Array = _unwritten_plane(source.shape, np.float32)
        self.mask: MaskArray = _unwritten_plane(source.shape, np.int32)
        self.variance: Float32Array = _unwritten_plane(source.shape, np.float32)
        self._pixels_read = _PartsRead(source.shape)
        self._mask_read = _PartsRead(source.shape)
        self._lock = Lock()

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the image."""
        return self._source.shape

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels that have been read."""
        per_pixel = self.image.itemsize + self.variance.itemsize
        return self._pixels_read.count * per_pixel + self._mask_read.count * self.mask.itemsize

    def read(self, pixels: BoolArray, mask: BoolArray, columns: slice | None = None) -> None:
        """Read what is wanted and has not been read.

        Parameters
        ----------
        pixels, mask : ndarray, (ny,) bool
            Rows of image and variance that are wanted, and rows of the mask.
        columns : slice, optional
            The columns that are wanted of them, which may reach over the edges; all by default.

        Raises
        ------
        ReadError
            See `RowSource.read_pixels`; what was read before stays.
        """
        with self._lock:
            for box in self._pixels_read.missing(pixels, columns):
                self._source.read_pixels(*box, self.image, self.variance)
                self._pixels_read.add(*box)
            for box in self._mask_read.missing(mask, columns):
                self._source.read_mask(*box, self.mask)
                self._mask_read.add(*box)

    def read_all(self) -> None:
        """Read every row that has not been read."""
        every = np.ones(self.shape[0], np.bool_)
        self.read(every, every)


class _PartsRead:
    """Which columns of each row of a plane have been read.

    Unpacking a row costs more than putting its pixels in their place.  So a row is read in part
    at most once, for positions that need little of it; who needs more of it gets all.

    Parameters
    ----------
    shape : (int, int)
        (rows, columns) of the plane.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.count = 0
        self._width = shape[1]
        self._first, self._end = np.zeros((2, shape[0]), np.int64)

    def missing(self, wanted: BoolArray, columns: slice | None) -> list[tuple[slice, slice]]:
        """Return the boxes, rows and columns, to read so that wanted rows have the columns."""
        whole = slice(0, self._width)
        columns = whole if columns is None else slice(max(columns.start, 0), min(columns.stop, self._width))
        if columns.stop - columns.start > _LITTLE * self._width:
            columns = whole
        if columns.stop <= columns.start:
            return []
        lacking = wanted & ((self._first > columns.start) | (self._end < columns.stop))
        begun = lacking & (self._end > 0)
        boxes = [(rows, columns) for rows in runs(lacking & ~begun)]
        return boxes + [(rows, whole) for rows in runs(begun)]

    def add(self, rows: slice, columns: slice) -> None:
        """Note that a box, as `missing` gave it, has been read."""
        before = self._end[rows] - self._first[rows]
        self._first[rows], self._end[rows] = columns.start, columns.stop
        self.count += int((self._end[rows] - self._first[rows] - before).sum())


def _unwritten_plane(shape: tuple[int, int], dtype: type) -> AnyArray:
    """Return zeros that take memory only where they are written to, page by page.

    NumPy asks for huge pages: a few rows would take, and zero, several times their size.
    """
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    try:
        memory = mmap.mmap(-1, size, **private)
    except OSError as fault:
        raise MemoryError(f"no room for a plane of {size} bytes") from fault
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        # A kernel built without huge pages does not know the advice.
        with suppress(OSError):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype).reshape(shape)


def rows_around(row: IntArray, reach: int, count: int) -> BoolArray:
    """Tell, (count,) bool, which rows of an image lie within `reach` rows of any of (n,) rows."""
    reach = min(reach, count)
    near = np.clip(row, -reach - 1, count + reach)
    change = np.bincount(np.clip(near - reach, 0, count), minlength=count + 1)
    change -= np.bincount(np.clip(near + reach + 1, 0, count), minlength=count + 1)
    wanted: BoolArray = np.cumsum(change[:-1]) > 0
    return wanted


def runs(wanted: BoolArray) -> Iterator[slice]:
    """Yield the runs of True in (n,) bool as slices, in order."""
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
    for first, end in edges.reshape(-1, 2).tolist():
        yield slice(first, end)
