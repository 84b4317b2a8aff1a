"""FITS HDUs as bytes: images, tile-compressed images and binary tables.

Bytes are a function of the content alone: no dates, no host names, no library versions.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from astropy.io import fits

from forcedsql.arrays import AnyArray, IntArray

BLOCK = 2880
"""Size of a FITS block in bytes: headers and data are padded to it."""

CardTuple = tuple[str, Any, str]
"""Keyword, value and comment of a header card."""

FieldKind = Literal["int", "double", "string", "bytes", "int_array", "double_array"]

_BITPIX = {np.dtype(np.float32): -32, np.dtype(np.int32): 32}
_GZIP_CONTAINER = 31
_LARGEST_32_BIT_DESCRIPTOR = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Hdu:
    """A header and its data, both ready for the file but for the padding."""

    header: fits.Header
    data: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the whole HDU, padded to FITS blocks."""
        text: str = self.header.tostring(endcard=True, padding=True)
        return text.encode("ascii") + self.data + b"\0" * (-len(self.data) % BLOCK)


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an afw table.

    Parameters
    ----------
    name, doc : str
    kind : str
        ``int`` (32 bits), ``double``, ``string``, ``bytes`` (of any length),
        ``int_array`` or ``double_array``.
    size : int
        Characters of a string, elements of an array.
    unit : str
    """

    name: str
    kind: FieldKind
    doc: str
    size: int = 1
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """One boolean of an afw table; all of a table's share its first column."""

    name: str
    doc: str


@dataclass(frozen=True, slots=True)
class Schema:
    """Columns of an afw table; tables of equal schema are one HDU."""

    fields: tuple[Field, ...]
    flags: tuple[Flag, ...] = ()


Row = Mapping[str, Any]
"""Values of one table row by field or flag name."""


def primary_hdu(cards: Iterable[CardTuple]) -> Hdu:
    """Return an empty primary HDU that carries `cards`."""
    header = _header([("SIMPLE", True, "conforms to FITS standard")])
    _extend(header, [("BITPIX", 8, ""), ("NAXIS", 0, ""), ("EXTEND", True, ""), *cards])
    return Hdu(header)


def image_hdu(pixels: AnyArray, cards: Iterable[CardTuple]) -> Hdu:
    """Return an uncompressed image extension.

    Parameters
    ----------
    pixels : ndarray, (ny, nx) float32 or int32
    cards : iterable of (str, value, str)
    """
    height, width = pixels.shape
    header = _header([("XTENSION", "IMAGE", "image extension")])
    layout: list[CardTuple] = [
        ("BITPIX", _BITPIX[pixels.dtype], "bits per pixel"),
        ("NAXIS", 2, ""),
        ("NAXIS1", width, ""),
        ("NAXIS2", height, ""),
        ("PCOUNT", 0, ""),
        ("GCOUNT", 1, ""),
    ]
    _extend(header, [*layout, *cards])
    return Hdu(header, _big_endian(pixels).tobytes())


def compressed_image_hdu(pixels: AnyArray, cards: Iterable[CardTuple]) -> Hdu:
    """Return a tile-compressed image extension: lossless GZIP_2, one row per tile.

    Parameters
    ----------
    pixels : ndarray, (ny, nx) float32 or int32
    cards : iterable of (str, value, str)

    Notes
    -----
    GZIP_2 sorts a tile's bytes by significance before it deflates them (FITS standard 4.0,
    section 10.4.2).
    """
    height, width = pixels.shape
    tiles = [_gzip(_shuffle_bytes(row)) for row in _big_endian(pixels)]
    heap = b"".join(tiles)
    code, descriptor_type = ("P", ">i4") if len(heap) <= _LARGEST_32_BIT_DESCRIPTOR else ("Q", ">i8")
    descriptors = _descriptors(tiles).astype(descriptor_type)
    header = _binary_table_header(descriptors.itemsize * 2, height, len(heap), 1)
    layout: list[CardTuple] = [
        ("TTYPE1", "COMPRESSED_DATA", "label for field"),
        ("TFORM1", f"1{code}B({max(map(len, tiles))})", "variable length array"),
        ("ZIMAGE", True, "extension contains compressed image"),
        ("ZBITPIX", _BITPIX[pixels.dtype], "data type of original image"),
        ("ZNAXIS", 2, "dimension of original image"),
        ("ZNAXIS1", width, "length of original image axis"),
        ("ZNAXIS2", height, "length of original image axis"),
        ("ZTILE1", width, "size of tiles to be compressed"),
        ("ZTILE2", 1, "size of tiles to be compressed"),
    ]
    if pixels.dtype == np.float32:
        layout.append(("ZQUANTIZ", "NONE", "lossless compression without quantization"))
    layout.append(("ZCMPTYPE", "GZIP_2", "compression algorithm"))
    _extend(header, [*layout, *cards])
    return Hdu(header, descriptors.tobytes() + heap)


def table_hdu(schema: Schema, rows: Sequence[Row], cards: Iterable[CardTuple]) -> Hdu:
    """Return a binary table with the column cards that afw's table reader asks for.

    ``TCCLSn`` names the afw type of column n, ``FLAGCOL`` the column of the packed flags
    and ``TFLAGn`` their names (afw ``src/table/io/FitsSchemaInputMapper.cc``).
    """
    table = np.zeros(len(rows), dtype=_row_dtype(schema))
    heap = b""
    for field in schema.fields:
        values = [row[field.name] for row in rows]
        if field.kind == "bytes":
            table[field.name] = _descriptors(values, len(heap))
            heap += b"".join(values)
        else:
            table[field.name] = values
    if schema.flags:
        bits = np.array([[bool(row[flag.name]) for flag in schema.flags] for row in rows])
        table["flags"] = np.packbits(bits, axis=1)
    columns = len(schema.fields) + bool(schema.flags)
    header = _binary_table_header(table.dtype.itemsize, len(rows), len(heap), columns)
    _extend(header, [*_column_cards(schema, rows), *cards])
    return Hdu(header, table.tobytes() + heap)


def _column_cards(schema: Schema, rows: Sequence[Row]) -> list[CardTuple]:
    cards: list[CardTuple] = []
    if schema.flags:
        cards += [
            ("TTYPE1", "flags", "bits for all Flag fields; see also TFLAGn"),
            ("TFORM1", f"{len(schema.flags)}X", "format of field"),
            ("FLAGCOL", 1, "Column number for the bitflags."),
        ]
    for n, flag in enumerate(schema.flags, start=1):
        cards += [(f"TFLAG{n}", flag.name, ""), (f"TFDOC{n}", flag.doc, "")]
    for n, field in enumerate(schema.fields, start=1 + bool(schema.flags)):
        cards += [
            (f"TTYPE{n}", field.name, "label for field"),
            (f"TFORM{n}", _format(field, rows), "format of field"),
            (f"TDOC{n}", field.doc, ""),
        ]
        if field.unit:
            cards.append((f"TUNIT{n}", field.unit, ""))
        cards.append((f"TCCLS{n}", _afw_type(field.kind), "Field template used by lsst.afw.table"))
    return cards


def _row_dtype(schema: Schema) -> np.dtype[Any]:
    columns: list[Any] = []
    if schema.flags:
        columns.append(("flags", "u1", (-(-len(schema.flags) // 8),)))
    for field in schema.fields:
        if field.kind == "string":
            columns.append((field.name, f"S{field.size}"))
        elif field.kind == "bytes":
            columns.append((field.name, ">i8", (2,)))
        else:
            number = ">i4" if field.kind.startswith("int") else ">f8"
            columns.append((field.name, number, (field.size,) if field.kind.endswith("array") else ()))
    return np.dtype(columns)


def _format(field: Field, rows: Sequence[Row]) -> str:
    if field.kind == "bytes":
        return f"1QB({max(len(row[field.name]) for row in rows)})"
    code = {"i": "J", "d": "D", "s": "A"}[field.kind[0]]
    return f"{field.size}{code}"


def _afw_type(kind: FieldKind) -> str:
    if kind == "string":
        return "String"
    return "Scalar" if kind in ("int", "double") else "Array"


def _binary_table_header(row_bytes: int, rows: int, heap_bytes: int, columns: int) -> fits.Header:
    header = _header([("XTENSION", "BINTABLE", "binary table extension")])
    _extend(
        header,
        [
            ("BITPIX", 8, "8-bit bytes"),
            ("NAXIS", 2, "2-dimensional binary table"),
            ("NAXIS1", row_bytes, "width of table in bytes"),
            ("NAXIS2", rows, "number of rows in table"),
            ("PCOUNT", heap_bytes, "size of special data area"),
            ("GCOUNT", 1, "one data group (required keyword)"),
            ("TFIELDS", columns, "number of fields in each row"),
        ],
    )
    return header


def _header(cards: Iterable[CardTuple]) -> fits.Header:
    header = fits.Header()
    _extend(header, cards)
    return header


def _extend(header: fits.Header, cards: Iterable[CardTuple]) -> None:
    for keyword, value, comment in cards:
        name = keyword if len(keyword) <= 8 and " " not in keyword else f"HIERARCH {keyword}"
        header.append(fits.Card(name, value, comment), end=True)


def _big_endian(pixels: AnyArray) -> AnyArray:
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">"))


def _shuffle_bytes(row: AnyArray) -> bytes:
    return row.view(np.uint8).reshape(row.size, row.itemsize).T.tobytes()


def _gzip(data: bytes) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, _GZIP_CONTAINER)
    return deflate.compress(data) + deflate.flush()


def _descriptors(items: Sequence[bytes], start: int = 0) -> IntArray:
    """Return (n, 2) lengths and heap offsets of items that follow each other from `start`."""
    lengths = np.array([len(item) for item in items], dtype=np.int64)
    offsets = start + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return np.stack([lengths, offsets], axis=1)
