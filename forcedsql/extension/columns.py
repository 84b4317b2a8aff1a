"""Columns as bytes: ``src/columns.h`` says how they lie, this is the worker's side of it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray
from forcedsql.extension.frames import ProtocolError
from forcedsql.extension.sql_types import LIST, STRUCT, SqlType

_ALIGNMENT = 8
_INT32, _INT64, _UINT8 = np.dtype("<i4"), np.dtype("<i8"), np.dtype(np.uint8)
_VALUES: "dict[str, tuple[np.dtype[Any], pa.DataType]]" = {
    "d": (np.dtype("<f8"), pa.float64()),
    "f": (np.dtype("<f4"), pa.float32()),
    "l": (_INT64, pa.int64()),
    "i": (_INT32, pa.int32()),
    "b": (_UINT8, pa.bool_()),
}
_ZEROS = np.zeros(_ALIGNMENT, _UINT8)


class ColumnReader:
    """Reads columns, without copying their numbers.

    Parameters
    ----------
    data : ndarray, (n,) uint8
        What the arrays that come out may point into.
    """

    def __init__(self, data: AnyArray) -> None:
        self._data = data
        self._place = 0

    def read(self, kind: SqlType, count: int) -> pa.Array:
        """Return the next column, strings as a dictionary.

        Raises
        ------
        ProtocolError
            If the bytes are no such column.
        """
        (has_nulls,) = self._array(_INT64, 1)
        valid = self._array(_UINT8, count) != 0 if has_nulls else None
        if kind.letter == LIST:
            return self._lists(kind, count, valid)
        if kind.letter == STRUCT:
            arrays = [self.read(field, count) for _, field in kind.fields]
            mask = None if valid is None else pa.array(~valid)
            return pa.StructArray.from_arrays(arrays, names=[name for name, _ in kind.fields], mask=mask)
        if kind.letter == "s":
            return self._strings(count, valid)
        dtype, type_ = _VALUES[kind.letter]
        values = self._array(dtype, count)
        return pa.array(values != 0 if kind.letter == "b" else values, type_, mask=_mask(valid))

    def _array(self, dtype: "np.dtype[Any]", count: int) -> AnyArray:
        size = dtype.itemsize * count
        if count < 0 or size > len(self._data) - self._place:
            left = len(self._data) - self._place
            raise ProtocolError(f"{count} values are announced where {left} bytes are left")
        start, self._place = self._place, self._place + size
        self._place = min(self._place + -self._place % _ALIGNMENT, len(self._data))
        return self._data[start : start + size].view(dtype)

    def _ends(self, count: int) -> AnyArray:
        ends = self._array(_INT32, count + 1).copy()  # checked, and not to be changed afterwards
        if ends[0] != 0 or (ends[1:] < ends[:-1]).any():
            raise ProtocolError("the ends of lists or strings do not follow each other")
        return ends

    def _strings(self, count: int, valid: AnyArray | None) -> pa.DictionaryArray:
        (different,) = self._array(_INT64, 1).tolist()
        if different == 1:
            return self._one_string(count, valid)
        codes = self._array(_INT32, count if different else 0).copy()
        ends = self._ends(different)
        text = self._array(_UINT8, int(ends[-1]))
        if different == 0:
            codes = np.zeros(count, _INT32)
        used = codes if valid is None else codes[valid]
        if ((used < 0) | (used >= different)).any():
            raise ProtocolError("a string has a number that none has")
        strings = pa.StringArray.from_buffers(different, pa.py_buffer(ends), pa.py_buffer(text.tobytes()))
        try:
            strings.validate(full=True)
        except pa.ArrowInvalid as error:
            raise ProtocolError(f"a string cannot be read: {error}") from None
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=_mask(valid)), strings)

    def _one_string(self, count: int, valid: AnyArray | None) -> pa.DictionaryArray:
        """Return the same string for every row: the exposure of most chunks, so it is worth a short way."""
        begin, end = self._array(_INT32, 2).tolist()
        if begin != 0:
            raise ProtocolError("a string does not begin where it should")
        try:
            strings = pa.array([self._array(_UINT8, end).tobytes().decode()], pa.string())
        except UnicodeDecodeError as error:
            raise ProtocolError(f"a string cannot be read: {error}") from None
        codes = _zeros(count) if valid is None else pa.array(np.zeros(count, _INT32), mask=~valid)
        return pa.DictionaryArray.from_arrays(codes, strings, safe=False)

    def _lists(self, kind: SqlType, count: int, valid: AnyArray | None) -> pa.ListArray:
        ends = self._ends(count)
        elements = self.read(kind.fields[0][1], int(ends[-1]))
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), elements, mask=_pa_mask(valid))


@lru_cache(maxsize=1)
def _zeros(count: int) -> pa.Array:
    return pa.array(np.zeros(count, _INT32))


def _mask(valid: AnyArray | None) -> AnyArray | None:
    return None if valid is None else ~valid


def _pa_mask(valid: AnyArray | None) -> pa.Array | None:
    return None if valid is None else pa.array(~valid)


class ColumnWriter:
    """Collects the bytes of columns, to be written at once."""

    def __init__(self) -> None:
        self._parts: list[AnyArray] = []
        self.size = 0

    def write_to(self, target: AnyArray) -> None:
        """Copy everything into an array of bytes, (size,) uint8."""
        place = 0
        for part in self._parts:
            target[place : place + len(part)] = part
            place += len(part)

    def add(self, kind: SqlType, column: pa.Array) -> None:
        """Append a column.

        Raises
        ------
        ProtocolError
            If it is not of that type.
        """
        nulls = column.null_count > 0
        self._put(np.array([nulls], _INT64))
        if nulls:
            self._put(np.asarray(column.is_valid().to_numpy(zero_copy_only=False)).view(_UINT8))
        if kind.letter == LIST:
            self._add_lists(kind, column)
        elif kind.letter == STRUCT:
            self._add_fields(kind.fields, column)
        elif kind.letter == "s":
            self._add_strings(column)
        else:
            self._add_values(kind.letter, column)

    def _put(self, values: AnyArray) -> None:
        part = np.ascontiguousarray(values).view(_UINT8)
        self._parts.append(part)
        self.size += len(part)
        padding = -self.size % _ALIGNMENT
        if padding:
            self._parts.append(_ZEROS[:padding])
            self.size += padding

    def _add_values(self, letter: str, column: pa.Array) -> None:
        dtype, type_ = _VALUES[letter]
        if column.type != type_:
            raise ProtocolError(f"a function gave {column.type} where {type_} was declared")
        if letter == "b":
            values = column.fill_null(False) if column.null_count else column
            self._put(values.to_numpy(zero_copy_only=False).view(_UINT8))
            return
        data = column.buffers()[1]
        if data is not None:
            self._put(np.frombuffer(data, dtype, len(column), column.offset * dtype.itemsize))

    def _add_strings(self, column: pa.Array) -> None:
        encoded = column.cast(pa.string()).dictionary_encode()
        self._put(np.array([len(encoded.dictionary)], _INT64))
        if len(encoded.dictionary) > 1:
            self._put(encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(_INT32))
        texts = [str(text).encode() for text in encoded.dictionary.to_pylist()]
        self._put(np.cumsum([0, *map(len, texts)]).astype(_INT32))
        self._put(np.frombuffer(b"".join(texts), _UINT8))

    def _add_lists(self, kind: SqlType, column: pa.ListArray) -> None:
        if not pa.types.is_list(column.type):
            raise ProtocolError(f"a function gave {column.type} where a list was declared")
        lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        self._put(np.concatenate([[0], np.cumsum(lengths)]).astype(_INT32))
        self.add(kind.fields[0][1], column.flatten())  # leaves out what lies under NULLs

    def _add_fields(self, fields: Sequence[tuple[str, SqlType]], column: pa.StructArray) -> None:
        names = [name for name, _ in fields]
        if not pa.types.is_struct(column.type) or [field.name for field in column.type] != names:
            raise ProtocolError("a function gave other fields than it declared")
        for number, (_, kind) in enumerate(fields):
            self.add(kind, column.field(number))
