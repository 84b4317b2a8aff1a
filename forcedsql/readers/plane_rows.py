"""Rows of image planes, read without the rest of the file.

Two ways of storage are read here: plain pixels, and tiles of one image row that are gzipped,
as afw and `forcedsql.writer` write them (FITS standard 4.0, section 10).  Of any other the
rows are left to astropy.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from forcedsql.arrays import AnyArray, IntArray
from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.binary_table import table_form
from forcedsql.readers.cards import Cards, integer_card, number_card, text_card
from forcedsql.readers.file_bytes import FileBytes
from forcedsql.readers.layout import HduLayout
from forcedsql.readers.packed_rows import LENGTH_BYTES, unpack_rows

_PIXELS = {8: "u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
_ALGORITHMS = ("GZIP_1", "GZIP_2")
_UNPACKED_BYTES = 1 << 22
"""What is read and unpacked at a time, in one call: a few hundred rows."""
_EVERY_COLUMN = slice(None)


class StoredPlane(Protocol):
    """A plane in a file, whose rows can be had one by one."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in any byte order."""
        ...

    @property
    def compressed(self) -> bool:
        """Whether the plane is tile-compressed."""
        ...

    def read(self, file: FileBytes, first: int, count: int) -> AnyArray:
        """Return rows, (count, nx) of `dtype`, possibly read-only.

        Raises
        ------
        ReadError
            If they are damaged or cut short.
        """
        ...

    def read_into(
        self, file: FileBytes, first: int, pixels: AnyArray, columns: slice = _EVERY_COLUMN
    ) -> None:
        """Fill columns of rows from `first`, (count, nx) of `dtype` in native byte order; see `read`."""
        ...


def stored_plane(hdu: HduLayout) -> StoredPlane | None:
    """Return a way to the rows of an image HDU, None if it is not stored in one of the two ways."""
    if any(name in hdu.cards for name in ("BLANK", "ZBLANK")) or not _is_unscaled(hdu.cards):
        return None
    return _plain_plane(hdu) if hdu.kind == "image" else _tiled_plane(hdu)


def _is_unscaled(cards: Cards) -> bool:
    scale, zero = cards.get("BSCALE", 1), cards.get("BZERO", 0)
    return bool(scale == 1 and zero == 0)


def _plain_plane(hdu: HduLayout) -> StoredPlane | None:
    shape = _shape(hdu.cards, "")
    kind = _PIXELS.get(integer_card(hdu.cards, "BITPIX") or 0)
    if shape is None or kind is None or shape[0] * shape[1] * np.dtype(kind).itemsize > hdu.size:
        return None
    return _PlainPlane(shape, np.dtype(kind), hdu.start)


def _tiled_plane(hdu: HduLayout) -> StoredPlane | None:
    cards = hdu.storage
    shape, form = _shape(cards, "Z"), table_form(cards)
    kind = _PIXELS.get(integer_card(cards, "ZBITPIX") or 0)
    algorithm = text_card(cards, "ZCMPTYPE")
    one_row = shape is not None and _tile(cards, shape) == (1, shape[1])
    if shape is None or form is None or kind is None or not one_row or algorithm not in _ALGORITHMS:
        return None
    if text_card(cards, "ZQUANTIZ") not in ("", "NONE") or number_card(cards, "ZSCALE") is not None:
        return None
    (column, *others) = form.columns or (None,)
    if others or column is None or (column.name, column.item) != ("COMPRESSED_DATA", "B"):
        return None
    if form.rows != shape[0] or form.heap_start < form.row_bytes * form.rows or form.heap_end > hdu.size:
        return None
    limits.require_stored(shape[0] * shape[1] * np.dtype(kind).itemsize, form.heap_end)
    return _TiledPlane(
        shape, np.dtype(kind), hdu.start, form.dtype, form.heap_start, form.heap_end, algorithm
    )


def _shape(cards: Cards, prefix: str) -> tuple[int, int] | None:
    sides = [integer_card(cards, f"{prefix}NAXIS{axis}") or 0 for axis in (2, 1)]
    if integer_card(cards, f"{prefix}NAXIS") != 2 or min(sides) < 1:
        return None
    return sides[0], sides[1]


def _tile(cards: Cards, shape: tuple[int, int]) -> tuple[int, int]:
    # Without the cards a tile is a row (FITS standard 4.0, section 10.1.1).
    width = integer_card(cards, "ZTILE1") or shape[1]
    return integer_card(cards, "ZTILE2") or 1, width


@dataclass(frozen=True, slots=True)
class _PlainPlane:
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    start: int
    compressed: bool = False

    def read(self, file: FileBytes, first: int, count: int) -> AnyArray:
        row_bytes = self.shape[1] * self.dtype.itemsize
        data = file.read(self.start + first * row_bytes, count * row_bytes)
        return np.frombuffer(data, self.dtype).reshape(count, self.shape[1])

    def read_into(
        self, file: FileBytes, first: int, pixels: AnyArray, columns: slice = _EVERY_COLUMN
    ) -> None:
        pixels[:, columns] = self.read(file, first, len(pixels))[:, columns]


@dataclass(frozen=True, slots=True)
class _TiledPlane:
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    start: int
    descriptor: np.dtype[Any]
    heap_start: int
    heap_end: int
    algorithm: str
    compressed: bool = True

    def read(self, file: FileBytes, first: int, count: int) -> AnyArray:
        pixels = np.empty((count, self.shape[1]), self.dtype.newbyteorder("="))
        self.read_into(file, first, pixels)
        return pixels

    def read_into(
        self, file: FileBytes, first: int, pixels: AnyArray, columns: slice = _EVERY_COLUMN
    ) -> None:
        count, size = len(pixels), self.descriptor.itemsize
        places = np.frombuffer(file.read(self.start + first * size, count * size), self.descriptor)
        length, offset = places["COMPRESSED_DATA"].astype(np.int64).T
        end = self.heap_end - self.heap_start
        if (np.minimum(length - LENGTH_BYTES, offset) < 0).any() or (np.maximum(length, offset) > end).any():
            raise ReadError(f"rows {first} to {first + count - 1} of a plane have tiles outside its heap")
        if length.sum() > end:
            raise ReadError(f"rows {first} to {first + count - 1} of a plane have tiles that overlap")
        row_bytes = self.shape[1] * self.dtype.itemsize
        step = max(1, _UNPACKED_BYTES // row_bytes)
        for start in range(0, count, step):
            part = slice(start, min(start + step, count))
            packed = self._packed_tiles(file, length[part], offset[part])
            unpack_rows(packed, length[part], pixels[part], columns, shuffled=self.algorithm == "GZIP_2")

    def _packed_tiles(self, file: FileBytes, length: IntArray, offset: IntArray) -> bytes:
        first, last = int(offset[0]), int(offset[-1] + length[-1])
        if (np.diff(offset) == length[:-1]).all():
            return file.read(self.start + self.heap_start + first, last - first)
        return b"".join(
            file.read(self.start + self.heap_start + at, count)
            for at, count in zip(offset.tolist(), length.tolist(), strict=True)
        )
