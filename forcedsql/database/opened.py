"""Exposures and positions by their ids, for what looks at one of them closely."""

import duckdb
import numpy as np

from forcedsql.database.connection import session_of
from forcedsql.database.messages import one_line
from forcedsql.database.registry import registry_tables
from forcedsql.errors import TableError
from forcedsql.exposure import Exposure
from forcedsql.measure.positions import DEC_NAMES, ID_NAMES, RA_NAMES

SAME_PLACE = 1e-6
"""Degrees by which positions of one id may differ between tables: 3.6 mas."""


def open_registered(con: duckdb.DuckDBPyConnection, exposure_id: str) -> Exposure:
    """Return a registered exposure, opened as the SQL functions of a connection open it.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `connect` gave it, not one of its cursors.
    exposure_id : str

    Raises
    ------
    UnknownExposureError
        If no exposure of that id is registered.
    DatabaseError
        If its file is gone or has changed, or the connection is not one of `connect`.
    ReadError
        If the file is damaged.
    """
    session = session_of(con)
    (key,) = session.keys([exposure_id])
    return session.open(key, session.layouts([key]).get(key, ""))


def find_position(
    con: duckdb.DuckDBPyConnection, row_id: str, table: str | None = None
) -> tuple[float, float, str]:
    """Look an id up in a table, or in every table that has ids and positions.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    row_id : str
        The id as text.
    table : str, optional
        Table or view to look into.

    Returns
    -------
    ra, dec : float, degree
        ICRS; NaN where the row has none.
    table : str
        Where the id was found.

    Raises
    ------
    TableError
        If the id is not there, or in several tables at different places.
    """
    candidates = _tables_of_positions(con) if table is None else [table]
    found = [(name, *place) for name in candidates for place in _places(con, name, row_id, named=bool(table))]
    if not found:
        where = " or ".join(candidates) or "any table: none has ids and positions"
        raise TableError(f"there is no id {row_id} in {where}; give another id, or RA,DEC")
    name, ra, dec = found[0]
    apart = {
        other
        for other, *place in found
        if not np.allclose(place, (ra, dec), rtol=0.0, atol=SAME_PLACE, equal_nan=True)
    }
    if apart and table is None:
        raise TableError(
            f"id {row_id} is at different places in {', '.join(sorted({name, *apart}))}; name the table"
        )
    return ra, dec, name


def _tables_of_positions(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return tables and views that have columns of the usual names for an id and a position."""
    columns: dict[str, set[str]] = {}
    for name, column in con.execute(
        "SELECT table_name, lower(column_name) FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY table_name"
    ).fetchall():
        columns.setdefault(name, set()).add(column)
    ours = {table.name for table in registry_tables()} - {"forced_source"}
    usual = [{name.lower() for name in names} for names in (ID_NAMES, RA_NAMES, DEC_NAMES)]
    return [name for name, has in columns.items() if name not in ours and all(has & any_ for any_ in usual)]


def _places(
    con: duckdb.DuckDBPyConnection, table: str, row_id: str, *, named: bool
) -> list[tuple[float, float]]:
    """Return the position of an id in a table; nothing if it is not there."""
    try:
        rows = con.execute(
            'SELECT ra, "dec" FROM positions_of($table) WHERE id::VARCHAR = $id LIMIT 1',
            {"table": table, "id": row_id},
        ).fetchall()
    except duckdb.Error as error:
        if not named:
            return []  # a view whose files are gone is not where the id is
        raise TableError(f"cannot look for positions in {table!r}: {one_line(error)}") from error
    return [(np.nan if ra is None else ra, np.nan if dec is None else dec) for ra, dec in rows]
