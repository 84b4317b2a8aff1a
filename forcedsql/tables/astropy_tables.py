"""Arrow tables as astropy tables, and back, with units, UCDs and descriptions."""
# ruff: noqa: PLC0415 - astropy is loaded when it is needed

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray
from forcedsql.errors import TableError
from forcedsql.tables.metadata import field_metadata

if TYPE_CHECKING:
    from astropy.table import QTable, Table


def to_astropy(table: pa.Table) -> "QTable":
    """Return an Arrow table as an astropy QTable.

    Columns whose unit astropy knows become quantities, other units stay as text in
    ``column.info.meta["unit"]``; NULL becomes masked, NaN stays NaN.

    Parameters
    ----------
    table : pyarrow.Table
        Or anything with ``__arrow_c_stream__``.

    Raises
    ------
    TableError
        If a column has a type that astropy tables cannot hold.
    """
    from astropy.table import QTable

    return QTable(plain_astropy(pa.table(table)))


def from_astropy(table: "Table", *, strict: bool = True) -> pa.Table:
    """Return an astropy Table or QTable as an Arrow table; masked becomes NULL.

    Parameters
    ----------
    table : astropy.table.Table
    strict : bool
        Whether a column without Arrow counterpart (SkyCoord, Time, complex numbers, ...) is an
        error; otherwise it is left out, as befits a table of which only some columns are needed.

    Raises
    ------
    TableError
        With the name of such a column.
    """
    arrays = {}
    for name in table.colnames:
        try:
            arrays[name] = _arrow_array(name, table[name])
        except TableError:
            if strict:
                raise
    fields = [
        pa.field(name, array.type, metadata=_astropy_metadata(table[name]) or None)
        for name, array in arrays.items()
    ]
    return pa.table(list(arrays.values()), schema=pa.schema(fields))


def plain_astropy(table: pa.Table) -> "Table":
    """Return an Arrow table as an astropy Table, whose columns carry units but are no quantities."""
    from astropy.table import Table

    columns = [_astropy_column(field, table.column(i)) for i, field in enumerate(table.schema)]
    return Table(columns, names=table.column_names, copy=False)


def _astropy_column(field: pa.Field, column: pa.ChunkedArray) -> Any:
    from astropy.table import Column, MaskedColumn
    from astropy.units import Unit, UnrecognizedUnit

    metadata = field_metadata(field)
    options: dict[str, Any] = {"description": metadata.get("description")}
    options["meta"] = {"ucd": metadata["ucd"]} if "ucd" in metadata else {}
    if "unit" in metadata:
        unit = Unit(metadata["unit"], parse_strict="silent")
        if isinstance(unit, UnrecognizedUnit):
            options["meta"]["unit"] = metadata["unit"]
        else:
            options["unit"] = unit
    values = _numpy_values(field.name, column)
    if not column.null_count:
        return Column(values, name=field.name, **options)
    mask = column.is_null().to_numpy()
    return MaskedColumn(values, name=field.name, mask=mask, **options)


def _numpy_values(name: str, column: pa.ChunkedArray) -> AnyArray:
    """Return a column's values, NULLs filled with something that is never looked at."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    elif pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    type_ = column.type
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return np.asarray(column.fill_null("").to_pylist(), dtype=str)
    if pa.types.is_fixed_size_list(type_) and not column.null_count:
        flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat).reshape(len(column), type_.list_size)
    for is_kind, filler in (
        (pa.types.is_boolean, False),
        (pa.types.is_integer, 0),
        (pa.types.is_floating, float("nan")),
    ):
        if is_kind(type_):
            return np.asarray(column.fill_null(filler).to_numpy())
    raise TableError(f"column {name!r} is of type {type_}, which only parquet and arrow files can hold")


def _arrow_array(name: str, column: Any) -> pa.Array:
    from astropy.table import Column
    from astropy.units import Quantity
    from astropy.utils.masked import Masked

    if not isinstance(column, Column | Quantity):
        raise TableError(f"column {name!r} is a {type(column).__name__}, which has no Arrow counterpart")
    mask = getattr(column, "mask", None)
    if isinstance(column, Masked):
        column = column.unmasked
    values = column.value if isinstance(column, Quantity) else column.data
    values = np.asarray(getattr(values, "data", values) if np.ma.isMA(values) else values)
    if values.ndim > 2 or (values.ndim == 2 and mask is not None):
        missing = "" if mask is None else " and missing values"
        raise TableError(f"column {name!r} has {values.ndim - 1} dimensions per row{missing}")
    try:
        return _arrow_values(values, mask)
    except (pa.ArrowException, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise TableError(f"column {name!r} of {values.dtype} has no Arrow counterpart: {reason}") from error


def _arrow_values(values: AnyArray, mask: Any) -> pa.Array:
    """Return an array of one or two dimensions as Arrow has it, the latter as lists of one size."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    plain = values.tolist() if values.dtype.kind in "UO" else values
    return pa.array(plain, mask=None if mask is None else np.broadcast_to(mask, values.shape))


def _astropy_metadata(column: Any) -> dict[str, str]:
    meta = column.info.meta or {}
    found = {
        "unit": column.unit.to_string() if column.unit else meta.get("unit"),
        "ucd": meta.get("ucd"),
        "description": column.info.description,
    }
    # VOTable breaks long descriptions into lines.
    return {key: " ".join(str(value).split()) for key, value in found.items() if value}
