"""load_catalog: a file or table as a table of the database, its units kept as comments."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forcedsql.database.messages import one_line
from forcedsql.database.quoting import quote_identifier, quote_literal
from forcedsql.database.registry import registry_tables, with_unit
from forcedsql.errors import DatabaseError, TableError
from forcedsql.measure.positions import DEC_NAMES, RA_NAMES, as_arrow, warn_of_single_precision
from forcedsql.tables import field_metadata, read_table

_ARROW_NAME = "forcedsql_catalog"


def load_catalog(
    con: duckdb.DuckDBPyConnection,
    name: str,
    source: str | Path | Any,
    *,
    format_name: str | None = None,
    ra_column: str | None = None,
    dec_column: str | None = None,
) -> int:
    """Load a catalogue as table `name`, in place of one of that name.

    Coordinates (`ra`, `dec`, `coord_ra`, `coord_dec`, and those named) that are in radians
    become degrees, as everything in SQL is.  Descriptions and units become comments of the columns.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    name : str
        Name of the table; any text.
    source : str, Path or table
        What `forcedsql.read_table` reads (a file, a HATS folder, ``-``), or a pyarrow, pandas,
        polars or astropy table.
    format_name : str, optional
        Format of the file, see `forcedsql.read_table`.
    ra_column, dec_column : str, optional
        Further names of coordinates.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    TableError
        If the file or table cannot be read, or has no column of a given name.
    DatabaseError
        If the table cannot be made, or the name is one of forcedsql's own tables.
    """
    if name.lower() in {table.name for table in registry_tables()}:
        raise DatabaseError(f"{name!r} is one of forcedsql's own tables; give the catalogue another name")
    is_file = isinstance(source, str | Path)
    table = read_table(source, format_name=format_name) if is_file else as_arrow(source)
    coordinates = _coordinates(table, [c for c in (ra_column, dec_column) if c is not None])
    warn_of_single_precision(table, coordinates)
    table = _in_degrees(table, coordinates)
    quoted = quote_identifier(name)
    with con.cursor() as cursor:
        cursor.register(_ARROW_NAME, table)
        cursor.begin()
        try:
            cursor.execute(f"CREATE OR REPLACE TABLE {quoted} AS FROM {_ARROW_NAME}")
            for column in table.schema:
                if comment := _comment(column):
                    target = f"{quoted}.{quote_identifier(column.name)}"
                    cursor.execute(f"COMMENT ON COLUMN {target} IS {quote_literal(comment)}")
        except duckdb.Error as error:
            cursor.rollback()
            raise DatabaseError(f"cannot make the table {name!r}: {one_line(error)}") from error
        cursor.commit()
        cursor.unregister(_ARROW_NAME)
    return int(table.num_rows)


def _comment(column: pa.Field) -> str:
    metadata = field_metadata(column)
    return with_unit(metadata.get("description", ""), metadata.get("unit", ""))


def _coordinates(table: pa.Table, given: list[str]) -> list[str]:
    """Return the names of the columns that are coordinates."""
    for name in given:
        if name not in table.column_names:
            raise TableError(f"the table has no column {name!r}; it has {', '.join(table.column_names)}")
    usual = [n for n in table.column_names if n.lower() in (*RA_NAMES, *DEC_NAMES) and n not in given]
    return [*given, *usual]


def _in_degrees(table: pa.Table, coordinates: list[str]) -> pa.Table:
    for name in coordinates:
        column = table.schema.field(name)
        if field_metadata(column).get("unit", "").lower() in ("rad", "radian", "radians"):
            degrees = pc.multiply(table[name].cast(pa.float64(), safe=False), 180.0 / np.pi)
            metadata = {**field_metadata(column), "unit": "deg"}
            field = pa.field(name, pa.float64(), metadata=metadata)
            table = table.set_column(table.schema.get_field_index(name), field, degrees)
    return table
