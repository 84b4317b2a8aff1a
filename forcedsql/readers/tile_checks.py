"""Compressed tiles checked before astropy unpacks them, which trusts their sizes.

Layout: FITS standard 4.0, section 10.  Rows of tiles that are read without astropy are checked
where they are read, in `forcedsql.readers.plane_rows`.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, IntArray
from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.binary_table import TableForm, table_form
from forcedsql.readers.cards import Cards, integer_card, text_card
from forcedsql.readers.layout import HduLayout

_COLUMNS = {
    "COMPRESSED_DATA": "",
    "GZIP_COMPRESSED_DATA": "GZIP_1",
    "UNCOMPRESSED_DATA": "NOCOMPRESS",
}
"""Columns of tiles, and how they are compressed; "" for what ZCMPTYPE says."""

_GZIP = 31
_LARGEST_PIXEL_BYTES = 8
_MOST_PARAMETERS = 20
_RICE_BLOCK = 1024
_H_MAGIC = b"\xdd\x99"
_SHORTEST_PIXEL_LIST = 7


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Where the tiles of one column are in the heap: lengths and offsets in bytes, (n,) int64."""

    algorithm: str
    length: IntArray
    offset: IntArray


def require_sound_tiles(hdu: HduLayout, read: Callable[[int, int], bytes], rows: range) -> None:
    """Refuse tiles that are not in the file, or would unpack to more than a tile's pixels.

    Parameters
    ----------
    hdu : HduLayout
        A tile-compressed image whose data are all in the file.
    read : callable
        From a place in the file and a number of bytes to these bytes.
    rows : range
        Rows whose tiles are looked at, of an image of two axes; of others all are.

    Raises
    ------
    ReadError
        If they are damaged.
    FileLimitError
        If they ask for more than `forcedsql.readers.limits` grants.
    """
    cards = hdu.storage
    shape, tile = _sides(cards)
    # Columns of scales may have a value for NULL; it says nothing of their sizes.
    form = table_form({name: value for name, value in cards.items() if not name.startswith("TNULL")})
    counts = [-(-side // part) for side, part in zip(shape, tile, strict=True)]
    if form is None or form.rows < math.prod(counts) or form.heap_end > hdu.size:
        raise ReadError("the table of its compressed tiles is damaged")
    limits.require_at_most(math.prod(counts), limits.MAX_TABLE_ROWS, "its compressed tiles")
    _require_proportion(cards, shape, form)
    _require_parameters(cards)
    selected = slice(0, math.prod(counts))
    if len(shape) == 2:
        selected = slice(rows.start // tile[0] * counts[1], -(-rows.stop // tile[0]) * counts[1])
    places = np.frombuffer(read(hdu.start, form.row_bytes * form.rows), form.dtype)[selected]
    for tiles in _columns(form, places, text_card(cards, "ZCMPTYPE")):
        _require_in_heap(tiles, form)
        for length, offset in zip(tiles.length.tolist(), tiles.offset.tolist(), strict=True):
            if length:
                packed = read(hdu.start + form.heap_start + offset, length)
                _CHECKS.get(tiles.algorithm, _no_check)(packed, tile)


def _sides(cards: Cards) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sides of the image and of a tile, the slowest axis first."""
    axes = integer_card(cards, "ZNAXIS") or 0
    shape = [integer_card(cards, f"ZNAXIS{axis}") or 0 for axis in range(min(axes, limits.MAX_AXES), 0, -1)]
    # Without the cards a tile is a row.
    usual = [1] * (len(shape) - 1) + shape[-1:]
    tile = [
        integer_card(cards, name) if (name := f"ZTILE{axis}") in cards else side
        for axis, side in zip(range(len(shape), 0, -1), usual, strict=True)
    ]
    if not shape or axes > limits.MAX_AXES or any(not side or side < 1 for side in (*shape, *tile)):
        raise ReadError(f"its tiles of {tile} pixels on an image of {shape} are no tiles")
    return tuple(shape), tuple(min(part or 1, side) for part, side in zip(tile, shape, strict=True))


def _require_proportion(cards: Cards, shape: tuple[int, ...], form: TableForm) -> None:
    pixel_bytes = abs(integer_card(cards, "ZBITPIX") or 0) // 8
    limits.require_stored(math.prod(shape) * pixel_bytes, form.heap_end)


def _require_parameters(cards: Cards) -> None:
    """Refuse parameters of the Rice algorithm with which it would not end."""
    for number in range(1, _MOST_PARAMETERS):
        name, value = text_card(cards, f"ZNAME{number}"), integer_card(cards, f"ZVAL{number}")
        if name == "BLOCKSIZE" and not (value and 0 < value <= _RICE_BLOCK):
            raise ReadError(f"its tiles have blocks of {cards.get(f'ZVAL{number}')!r} pixels")
        if name == "BYTEPIX" and value not in {1, 2, 4, 8}:
            raise ReadError(f"its tiles have pixels of {cards.get(f'ZVAL{number}')!r} bytes")


def _columns(form: TableForm, places: AnyArray, algorithm: str) -> Iterator[_Tiles]:
    for column in form.columns:
        if column.item and column.name in _COLUMNS:
            if (how := _COLUMNS[column.name] or algorithm) == "PLIO_1" and column.item != "I":
                raise ReadError("its pixel lists are not made of 16-bit integers")
            count, offset = places[column.name].astype(np.int64).T
            yield _Tiles(how, count * column.item_bytes, offset)


def _require_in_heap(tiles: _Tiles, form: TableForm) -> None:
    heap = form.heap_end - form.heap_start
    length, offset = tiles.length, tiles.offset
    if (np.minimum(length, offset) < 0).any() or (np.maximum(length, offset) > heap).any():
        raise ReadError("it has tiles outside its heap")
    if (length + offset > heap).any() or length.sum() > heap:
        raise ReadError("it has tiles that reach beyond its heap, or overlap")


def _no_check(packed: bytes, tile: tuple[int, ...]) -> None:
    del packed, tile


def _check_gzip(packed: bytes, tile: tuple[int, ...]) -> None:
    limit = math.prod(tile) * _LARGEST_PIXEL_BYTES
    member = zlib.decompressobj(_GZIP)
    try:
        unpacked = len(member.decompress(packed, limit + 1))
    except zlib.error as fault:
        raise ReadError(f"a compressed tile is damaged: {fault}") from fault
    if unpacked > limit or member.unused_data.strip(b"\0"):
        raise FileLimitError(f"a compressed tile of {tile} pixels holds more than {limit} bytes")
    if not member.eof:
        raise ReadError("a compressed tile is cut short")


def _check_h_transform(packed: bytes, tile: tuple[int, ...]) -> None:
    """Compare the sides in an H-compressed tile (cfitsio ``fits_hdecompress.c``) with those of the tile."""
    sides = [int.from_bytes(packed[at : at + 4], "big", signed=True) for at in (2, 6)]
    if packed[:2] != _H_MAGIC or any(not 0 < side <= max(tile) for side in sides):
        raise ReadError(f"a compressed tile of {tile} pixels says it has {sides}")
    if math.prod(sides) > math.prod(tile):
        raise FileLimitError(f"a compressed tile of {tile} pixels unpacks to {sides}")


def _check_pixel_list(packed: bytes, tile: tuple[int, ...]) -> None:
    """Compare the length in an IRAF pixel list (cfitsio ``pliocomp.c``) with its real one."""
    words = np.frombuffer(packed[: len(packed) // 2 * 2], ">i2").astype(np.int64)
    if len(words) < _SHORTEST_PIXEL_LIST:
        raise ReadError(f"a compressed tile of {tile} pixels is {len(packed)} bytes short")
    length, first = (words[2], 3) if words[2] > 0 else ((words[4] << 15) + words[3], words[1])
    if not 0 <= first <= length <= len(words):
        raise ReadError(f"a compressed tile of {tile} pixels says it has {length} words of {len(words)}")


_CHECKS: dict[str, Callable[[bytes, tuple[int, ...]], None]] = {
    "GZIP_1": _check_gzip,
    "GZIP_2": _check_gzip,
    "HCOMPRESS_1": _check_h_transform,
    "PLIO_1": _check_pixel_list,
}
