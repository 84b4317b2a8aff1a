"""Planes that are read from their file row by row, as measurements need them.

The arrays have the size of the whole image from the start, so that every sum, clip and flag
over them is the one that the whole image gives; memory is taken only by rows that were read.
"""

import mmap
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array, IntArray

MaskArray = np.ndarray[Any, np.dtype[np.int32]]


class RowSource(Protocol):
    """Reads consecutive rows of the three planes of one image; called by one thread at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the whole image."""
        ...

    def read_pixels(self, rows: slice, image: Float32Array, variance: Float32Array) -> None:
        """Fill rows of image and variance.

        Parameters
        ----------
        rows : slice
            Rows to read, inside the image.
        image, variance : ndarray, (ny, nx) float32
            The whole planes; nothing but `rows` of them is written.

        Raises
        ------
        ReadError
            If the file is damaged there, or is no longer the one that was opened.
        """
        ...

    def read_mask(self, rows: slice, mask: MaskArray) -> None:
        """Fill rows of the mask, (ny, nx) int32; see `read_pixels`."""
        ...


class PixelRows:
    """The planes of one image, and which of their rows have been read.

    Rows are filled in once and never change after, so that threads may measure on some while
    others are read.

    Parameters
    ----------
    source : RowSource
    """

    def __init__(self, source: RowSource) -> None:
        self._source = source
        self.image: Float32Array = _unwritten_plane(source.shape, np.float32)
        self.mask: MaskArray = _unwritten_plane(source.shape, np.int32)
        self.variance: Float32Array = _unwritten_plane(source.shape, np.float32)
        self._pixels_read = np.zeros(source.shape[0], np.bool_)
        self._mask_read = np.zeros(source.shape[0], np.bool_)
        self._nbytes = 0
        self._lock = Lock()

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the image."""
        return self._source.shape

    @property
    def nbytes(self) -> int:
        """Bytes of the rows that have been read."""
        return self._nbytes

    def read(self, pixels: BoolArray, mask: BoolArray) -> None:
        """Read those of the wanted rows that have not been read.

        Parameters
        ----------
        pixels, mask : ndarray, (ny,) bool
            Rows of image and variance that are wanted, and rows of the mask.

        Raises
        ------
        ReadError
            See `RowSource.read_pixels`; what was read before stays.
        """
        with self._lock:
            for rows in runs(pixels & ~self._pixels_read):
                self._source.read_pixels(rows, self.image, self.variance)
                self._pixels_read[rows] = True
                self._nbytes += self.image[rows].nbytes + self.variance[rows].nbytes
            for rows in runs(mask & ~self._mask_read):
                self._source.read_mask(rows, self.mask)
                self._mask_read[rows] = True
                self._nbytes += self.mask[rows].nbytes

    def read_all(self) -> None:
        """Read every row that has not been read."""
        every = np.ones(self.shape[0], np.bool_)
        self.read(every, every)


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
