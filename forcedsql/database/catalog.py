"""load_catalog: a file or table as a table of the database, its units kept as comments."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forcedsql.database.quoting import quote_identifier, quote_literal
from forcedsql.database.registry import registry_tables, with_unit
from forcedsql.errors import DatabaseError
from forcedsql.measure.positions import DEC_NAMES, RA_NAMES, as_arrow
from forcedsql.tables import field_metadata, read_table

_ARROW_NAME = "forcedsql_catalog"


def load_catalog(con: duckdb.DuckDBPyConnection, name: str, source: str | Path | Any) -> int:
    """Load a catalogue as table `name`, in place of one of that name.

    Coordinates (`ra`, `dec`, `coord_ra`, `coord_dec`) that are in radians become degrees, as
    everything in SQL is.  Descriptions and units become comments of the columns.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    name : str
        Name of the table; any text.
    source : str, Path or table
        A file that `forcedsql.read_table` reads, or a pyarrow, pandas, polars or astropy
        table.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    TableError
        If the file or table cannot be read.
    DatabaseError
        If the table cannot be made, or the name is one of forcedsql's own tables.
    """
    if name.lower() in {table.name for table in registry_tables()}:
        raise DatabaseError(f"{name!r} is one of forcedsql's own tables; give the catalogue another name")
    table = read_table(source) if isinstance(source, str | Path) else as_arrow(source)
    table = _in_degrees(table)
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
            reason = str(error).splitlines()[0]
            raise DatabaseError(f"cannot make the table {name!r}: {reason}") from error
        cursor.commit()
        cursor.unregister(_ARROW_NAME)
    return int(table.num_rows)


def _comment(column: pa.Field) -> str:
    metadata = field_metadata(column)
    return with_unit(metadata.get("description", ""), metadata.get("unit", ""))


def _in_degrees(table: pa.Table) -> pa.Table:
    for index, column in enumerate(table.schema):
        radians = field_metadata(column).get("unit", "").lower() in ("rad", "radian", "radians")
        if radians and column.name.lower() in (*RA_NAMES, *DEC_NAMES):
            degrees = pc.multiply(table.column(index).cast(pa.float64()), 180.0 / np.pi)
            metadata = {**field_metadata(column), "unit": "deg"}
            table = table.set_column(index, pa.field(column.name, pa.float64(), metadata=metadata), degrees)
    return table
