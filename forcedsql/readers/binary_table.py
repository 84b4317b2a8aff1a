"""Rows of FITS binary tables, decoded from bytes by a header that is known already.

Only what afw archives are made of: plain columns of numbers, bits, strings and arrays of
variable length (FITS standard 4.0, section 7.3).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.cards import Cards, integer_card, text_card

_FORM = re.compile(r"(?P<repeat>\d{0,9})(?P<code>[XBIJKAED]|[PQ](?P<item>[ABIJKED])(\(\d*\))?)\s*")
_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_DESCRIPTORS = {"P": ">i4", "Q": ">i8"}
# Cards that change the meaning of a column.
_UNUSUAL = ("TSCAL", "TZERO", "TNULL", "TDIM")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    code: str
    repeat: int
    item: str

    @property
    def element(self) -> tuple[str, int]:
        """Type of the elements as they are stored, and their number."""
        if self.code == "X":
            return "u1", -(-self.repeat // 8)
        if self.code == "A":
            return "u1", self.repeat
        if self.code in _DESCRIPTORS:
            return _DESCRIPTORS[self.code], 2
        return _NUMBERS[self.code], self.repeat

    @property
    def item_bytes(self) -> int:
        """Bytes of one element of an array of variable length."""
        return np.dtype(_NUMBERS.get(self.item, "u1")).itemsize

    @property
    def nbytes(self) -> int:
        kind, count = self.element
        return np.dtype(kind).itemsize * count


@dataclass(frozen=True, slots=True)
class TableForm:
    """The columns of a binary table and the size of its parts.

    Parameters
    ----------
    columns : tuple
    row_bytes, rows, heap_start, heap_end : int
        ``heap_start`` and ``heap_end`` count from the first row.
    """

    columns: tuple[_Column, ...]
    row_bytes: int
    rows: int
    heap_start: int
    heap_end: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one row."""
        return np.dtype([(c.name, c.element[0], (c.element[1],)) for c in self.columns])


def table_form(cards: Cards) -> TableForm | None:
    """Return the form that a header describes, None where it has columns that are not plain."""
    counts = [integer_card(cards, name) for name in ("NAXIS1", "NAXIS2", "TFIELDS")]
    if any(count is None or count < 0 for count in counts):
        return None
    row_bytes, rows, fields = (int(count or 0) for count in counts)
    names = [text_card(cards, f"TTYPE{n}") for n in range(1, min(fields, len(cards)) + 1)]
    if len({name.lower() for name in names} - {""}) != fields:
        return None
    columns = [_column(cards, n, name) for n, name in enumerate(names, start=1)]
    plain = tuple(column for column in columns if column is not None)
    if len(plain) != fields or sum(column.nbytes for column in plain) != row_bytes:
        return None
    if row_bytes * max(rows, 1) > limits.MAX_TABLE_BYTES:
        return None
    heap_start = integer_card(cards, "THEAP") or row_bytes * rows
    heap_end = row_bytes * rows + (integer_card(cards, "PCOUNT") or 0)
    return TableForm(plain, row_bytes, rows, heap_start, heap_end)


def _column(cards: Cards, number: int, name: str) -> _Column | None:
    match = _FORM.fullmatch(text_card(cards, f"TFORM{number}"))
    if match is None or any(f"{card}{number}" in cards for card in _UNUSUAL):
        return None
    repeat, code = int(match["repeat"] or 1), match["code"][0]
    if code in _DESCRIPTORS and repeat != 1:
        return None
    return _Column(name, code, repeat, match["item"] or "")


class BinaryTable:
    """A binary table in memory; columns are decoded when they are first asked for.

    It gives what `forcedsql.readers.rows.Rows` needs of an `astropy.io.fits.FITS_rec`.

    Parameters
    ----------
    form : TableForm
    data : bytes
        The table from its first row to the end of its heap.

    Raises
    ------
    ReadError
        If there are fewer bytes than the form has.
    """

    def __init__(self, form: TableForm, data: bytes) -> None:
        if len(data) < form.row_bytes * form.rows:
            raise ReadError(f"the table is cut short: {form.rows} rows in {len(data)} bytes")
        self._form = form
        self._data = data
        empty = form.rows == 0 or form.row_bytes == 0
        self._rows = np.zeros(form.rows, form.dtype) if empty else np.frombuffer(data, form.dtype, form.rows)
        self._columns = {column.name: column for column in form.columns}
        self._decoded: dict[str, Any] = {}

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns."""
        return list(self._columns)

    def __len__(self) -> int:
        return self._form.rows

    def __getitem__(self, name: str) -> Any:
        if name not in self._decoded:
            self._decoded[name] = self._decode(self._columns[name])
        return self._decoded[name]

    def _decode(self, column: _Column) -> Any:
        values = self._rows[column.name]
        if column.code == "X":
            return np.unpackbits(values, axis=1)[:, : column.repeat].astype(np.bool_)
        if column.code == "A":
            return np.array([_text(value) for value in values], dtype=np.str_)
        if column.code in _DESCRIPTORS:
            return [self._heap_item(column, int(n), int(offset)) for n, offset in values]
        return values[:, 0] if column.repeat == 1 else values

    def _heap_item(self, column: _Column, count: int, offset: int) -> AnyArray | str:
        dtype = np.dtype(_NUMBERS.get(column.item, "u1"))
        start = self._form.heap_start + offset
        if count < 0 or offset < 0 or start + count * dtype.itemsize > len(self._data):
            raise ReadError(f"column {column.name} points outside its table")
        item = np.frombuffer(self._data, dtype, count, start)
        return _text(item) if column.item == "A" else item


def _text(characters: AnyArray) -> str:
    # A NUL ends a string (FITS standard 4.0, section 7.3.3.1).
    return characters.tobytes().partition(b"\0")[0].decode("ascii")
