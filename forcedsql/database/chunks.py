"""Between Arrow chunks and NumPy arrays: what a vectorised SQL function takes and returns.

DuckDB hands a function at most 2,048 rows at a time.  Nothing here loops over rows, and
float columns are passed on without a copy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forcedsql.arrays import AnyArray, FloatArray, IntArray
from forcedsql.database.images import ImageStack

UINT64 = np.dtype(np.uint64)


def floats(column: pa.ChunkedArray) -> FloatArray:
    """Return a column as float64, NULL as NaN."""
    values: FloatArray = np.asarray(column.to_numpy(), dtype=np.float64)
    return values


def list_floats(values: pa.ListScalar) -> FloatArray:
    """Return a list as float64, NULL as NaN; no list is an empty one."""
    if not values.is_valid:
        return np.empty(0)
    return np.array(values.values.to_numpy(zero_copy_only=False), np.float64)


def groups_by_id(ids: pa.ChunkedArray) -> Iterator[tuple[str, IntArray]]:
    """Yield (exposure id, its rows) of a chunk; rows with a NULL id are in no group."""
    encoded = pc.dictionary_encode(ids).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks)
    names: Sequence[str] = encoded.dictionary.to_pylist()
    if len(names) == 1 and not encoded.null_count:
        yield names[0], np.arange(len(encoded))
        return
    codes = np.asarray(pc.fill_null(encoded.indices, len(names)).to_numpy())
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    for name, (start, end) in zip(names, pairwise(starts), strict=True):
        yield name, order[start:end]


@dataclass(frozen=True, slots=True)
class Structs:
    """Structs of columns.

    Parameters
    ----------
    type : pyarrow.StructType
    columns : tuple of str
        The column that each field is filled from.
    """

    type: pa.StructType
    columns: tuple[str, ...]

    @classmethod
    def of(cls, fields: Iterable[tuple[str, str, pa.DataType]]) -> "Structs":
        """Return structs with fields of these names, columns and types."""
        names, columns, types = zip(*fields, strict=True)
        return cls(pa.struct(list(zip(names, types, strict=True))), columns)

    def array(self, columns: Mapping[str, AnyArray]) -> pa.StructArray:
        """Return columns, (n,) each, as one struct per row."""
        fields = list(self.type)
        arrays = [pa.array(columns[name], f.type) for name, f in zip(self.columns, fields, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=fields)


def in_rows(count: int, parts: Sequence[tuple[IntArray, pa.Array]], type_: pa.DataType) -> pa.Array:
    """Return the values of some rows in their places, NULL where there are none.

    Parameters
    ----------
    count : int
        Rows of the chunk.
    parts : sequence of (ndarray (m,) int64, pyarrow.Array (m,))
        Rows, and their values.
    type_ : pyarrow.DataType
    """
    if len(parts) == 1 and len(parts[0][0]) == count:
        return parts[0][1]
    place = np.full(count, -1)
    taken = 0
    for rows, _ in parts:
        place[rows] = taken + np.arange(len(rows))
        taken += len(rows)
    values = pa.concat_arrays([pa.array([], type_), *(values for _, values in parts)])
    return values.take(pa.array(place, mask=place < 0))


def image_lists(count: int, parts: Sequence[tuple[IntArray, ImageStack]]) -> pa.Array:
    """Return one image per row, as a list of image rows; NULL where there is none.

    Parameters
    ----------
    count : int
        Rows of the chunk.
    parts : sequence of (ndarray (m,) int64, ImageStack)
        Images and the chunk's rows that they are for.
    """
    lists = [(rows, _image_list(stack)) for rows, stack in parts]
    return in_rows(count, lists, pa.list_(pa.list_(pa.float64())))


def _image_list(stack: ImageStack) -> pa.ListArray:
    _, h, w = stack.values.shape
    rows_inside = np.arange(h) < stack.height[:, None]
    inside = rows_inside[:, :, None] & (np.arange(w) < stack.width[:, None])[:, None, :]
    row_ends = np.concatenate([[0], np.cumsum(np.repeat(stack.width, stack.height))])
    image_ends = np.concatenate([[0], np.cumsum(stack.height)])
    rows = pa.ListArray.from_arrays(pa.array(row_ends, pa.int32()), pa.array(stack.values[inside]))
    return pa.ListArray.from_arrays(pa.array(image_ends, pa.int32()), rows, mask=pa.array(stack.height == 0))


@dataclass(slots=True, eq=False)
class MeasuredChunk:
    """The positions measured last on one exposure, and what came out.

    A filter on the result of a function makes DuckDB evaluate the rows that pass it once
    more, a subset of the chunk before: `rows_of` finds them here.

    Parameters
    ----------
    ra, dec : ndarray, (n,) float64, degree
    columns : mapping of str to ndarray, (n,)
    """

    ra: FloatArray
    dec: FloatArray
    columns: dict[str, AnyArray]
    _sorted: tuple[AnyArray, IntArray] | None = field(default=None, init=False)

    def rows_of(self, ra: FloatArray, dec: FloatArray) -> IntArray | None:
        """Return the row of each position, or None if one of them was not measured."""
        if not 0 < len(ra) <= len(self.ra):
            return None
        keys = _keys(ra, dec)
        if self._sorted is None:
            own = _keys(self.ra, self.dec)
            # Most often they are the next positions of a table, and not these once more.
            if not (own == keys[0]).any():
                return None
            order = np.argsort(own, kind="stable")
            self._sorted = own[order], order
        own, order = self._sorted
        rows = order[np.minimum(np.searchsorted(own, keys), len(own) - 1)]
        same = bits(self.ra)[rows] == bits(ra)
        same &= bits(self.dec)[rows] == bits(dec)
        return rows if same.all() else None


def bits(values: FloatArray) -> AnyArray:
    """Return the bits of numbers, (n,) uint64: unlike the numbers, those of NaN are equal."""
    return np.ascontiguousarray(values).view(UINT64)


def _keys(ra: FloatArray, dec: FloatArray) -> AnyArray:
    # Bits rather than values, so that NaN equals itself; odd factors keep ra and dec apart.
    return bits(ra) * UINT64.type(0x9E3779B97F4A7C15) ^ bits(dec) * UINT64.type(0xC2B2AE3D27D4EB4F)
