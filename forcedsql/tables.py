"""Tables in and out of files, by suffix, with units, UCDs and descriptions kept.

In memory a table is a `pyarrow.Table` whose fields carry ``unit``, ``ucd`` and
``description`` as metadata; `to_astropy` and `from_astropy` carry them over.  FITS and
VOTable cannot tell a missing number from NaN: there both come back as NaN.
"""
# ruff: noqa: PLC0415 - each format's library is loaded when a file of that format is met

import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray
from forcedsql.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import QTable, Table

FIELD_KEYS = ("unit", "ucd", "description")
"""Metadata of an Arrow field that has a counterpart in astropy columns."""


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A file format: its name, the suffixes it goes by, and how it is read and written."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], pa.Table]
    write: Callable[[pa.Table, Path], None]


def read_table(path: str | Path) -> pa.Table:
    """Read a table from a file; the suffix says its format.

    Parameters
    ----------
    path : str or Path
        A parquet, csv, ecsv, fits, votable or arrow file.

    Returns
    -------
    pyarrow.Table
        Field metadata has ``unit``, ``ucd`` and ``description`` where the file does.

    Raises
    ------
    TableError
        If the suffix is unknown, or the file is missing or not of that format.
    """
    path = Path(path)
    format_ = table_format(path)
    if not path.is_file():
        raise TableError(f"cannot read {path}: there is no such file")
    with _translated(f"cannot read {path} as {format_.name}"):
        return format_.read(path)


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write a table to a file; the suffix says its format.

    The file appears under its name only when it is complete.

    Raises
    ------
    TableError
        If the suffix is unknown, the folder cannot be written to, or the format cannot
        hold one of the columns.
    """
    path = Path(path)
    format_ = table_format(path)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with _translated(f"cannot write {path}"):
            format_.write(table, partial)
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def table_format(path: str | Path) -> TableFormat:
    """Return the format that a file name's suffix stands for.

    Raises
    ------
    TableError
        If no format has that suffix.
    """
    path = Path(path)
    for format_ in FORMATS:
        if path.suffix.lower() in format_.suffixes:
            return format_
    known = ", ".join(suffix for format_ in FORMATS for suffix in format_.suffixes)
    raise TableError(f"{path}: no table format has the suffix {path.suffix!r}; use one of {known}")


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

    return QTable(_plain_astropy(pa.table(table)))


def from_astropy(table: "Table") -> pa.Table:
    """Return an astropy Table or QTable as an Arrow table; masked becomes NULL.

    Raises
    ------
    TableError
        If a column is of a kind that has no Arrow counterpart (SkyCoord, Time, ...).
    """
    arrays = [_arrow_array(name, table[name]) for name in table.colnames]
    fields = [
        pa.field(name, array.type, metadata=_astropy_metadata(table[name]) or None)
        for name, array in zip(table.colnames, arrays, strict=True)
    ]
    return pa.table(arrays, schema=pa.schema(fields))


def field_metadata(field: pa.Field) -> dict[str, str]:
    """Return what an Arrow field says of itself: those of `FIELD_KEYS` that it has."""
    metadata: Mapping[bytes, bytes] = field.metadata or {}
    return {key: metadata[key.encode()].decode() for key in FIELD_KEYS if key.encode() in metadata}


def annotated(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table whose columns have the units, UCDs and descriptions of a schema, by name."""
    known = {field.name: field.metadata for field in schema}
    fields = [field.with_metadata(known.get(field.name, field.metadata)) for field in table.schema]
    return pa.table(table.columns, schema=pa.schema(fields, metadata=table.schema.metadata))


@contextmanager
def _translated(what: str) -> "Iterator[None]":
    """Turn whatever a format library raises into one line that names the file."""
    try:
        yield
    except TableError:
        raise
    except OSError as error:
        raise TableError(f"{what}: {error.strerror or _first_line(error)}") from error
    except Exception as error:
        raise TableError(f"{what}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _plain_astropy(table: pa.Table) -> "Table":
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
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if values.ndim == 2 and mask is None:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    if values.ndim != 1:
        raise TableError(f"column {name!r} has {values.ndim - 1} dimensions per row and missing values")
    if values.dtype.kind in "UO":
        return pa.array(values.tolist(), mask=None if mask is None else np.asarray(mask))
    return pa.array(values, mask=None if mask is None else np.asarray(mask))


def _astropy_metadata(column: Any) -> dict[str, str]:
    meta = column.info.meta or {}
    found = {
        "unit": column.unit.to_string() if column.unit else meta.get("unit"),
        "ucd": meta.get("ucd"),
        "description": column.info.description,
    }
    # VOTable breaks long descriptions into lines.
    return {key: " ".join(str(value).split()) for key, value in found.items() if value}


def _read_parquet(path: Path) -> pa.Table:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return _with_astropy_units(file.read())


def _with_astropy_units(table: pa.Table) -> pa.Table:
    """Take up the units that astropy's own parquet writer keeps beside the fields."""
    header = (table.schema.metadata or {}).get(b"table_meta_yaml")
    if header is None:
        return table
    from astropy.table.meta import get_header_from_yaml

    described = {c["name"]: c for c in get_header_from_yaml(header.decode().splitlines())["datatype"]}
    fields = []
    for field in table.schema:
        found = {k: str(v) for k, v in described.get(field.name, {}).items() if k in FIELD_KEYS}
        fields.append(field.with_metadata({**found, **field_metadata(field)} or None))
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))


def _write_parquet(table: pa.Table, path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table, path, compression="zstd")


def _read_csv(path: Path) -> pa.Table:
    from pyarrow import csv

    # Arrow's default takes the text "nan" for NULL; a NaN flux is a value here.
    missing = csv.ConvertOptions(null_values=["", "NULL", "null", "None"], strings_can_be_null=True)
    return csv.read_csv(path, convert_options=missing)


def _write_csv(table: pa.Table, path: Path) -> None:
    from pyarrow import csv

    csv.write_csv(table, path)


def _read_arrow(path: Path) -> pa.Table:
    with pa.OSFile(os.fspath(path)) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        return reader.read_all()


def _write_arrow(table: pa.Table, path: Path) -> None:
    with pa.OSFile(os.fspath(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _read_astropy(path: Path, format_: str, **options: Any) -> pa.Table:
    from astropy.table import Table

    with warnings.catch_warnings():
        # What a file gets slightly wrong (unit spellings, VOTable pedantry) is read all the same.
        warnings.simplefilter("ignore")
        return from_astropy(Table.read(path, format=format_, **options))


def _write_astropy(table: pa.Table, path: Path, format_: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _plain_astropy(table).write(path, format=format_, overwrite=True)


def _read_ecsv(path: Path) -> pa.Table:
    return _read_astropy(path, "ascii.ecsv")


def _write_ecsv(table: pa.Table, path: Path) -> None:
    _write_astropy(table, path, "ascii.ecsv")


def _read_fits(path: Path) -> pa.Table:
    return _nan_for_null(_read_astropy(path, "fits"))


def _write_fits(table: pa.Table, path: Path) -> None:
    _write_astropy(table, path, "fits")


def _read_votable(path: Path) -> pa.Table:
    return _nan_for_null(_read_astropy(path, "votable"))


def _write_votable(table: pa.Table, path: Path) -> None:
    _write_astropy(table, path, "votable")


def _nan_for_null(table: pa.Table) -> pa.Table:
    """Undo astropy's masking of NaN, so that what was written comes back."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type) and table.column(i).null_count:
            table = table.set_column(i, field, table.column(i).fill_null(float("nan")))
    return table


FORMATS = (
    TableFormat("parquet", (".parquet", ".parq", ".pq"), _read_parquet, _write_parquet),
    TableFormat("csv", (".csv",), _read_csv, _write_csv),
    TableFormat("ecsv", (".ecsv",), _read_ecsv, _write_ecsv),
    TableFormat("fits", (".fits", ".fit"), _read_fits, _write_fits),
    TableFormat("votable", (".vot", ".votable", ".xml"), _read_votable, _write_votable),
    TableFormat("arrow", (".arrow", ".feather"), _read_arrow, _write_arrow),
)
"""Every format that `read_table` and `write_table` know."""
