"""The positions that a run is asked for: a table, a query or a file, as one indexed table.

The temporary table ``run_positions`` has a row per position: ``position`` (a number), id, ra,
dec, the proper motion and parallax (`MOTION_NAMES`, NULL where there is none), whether it
``moves``, the unit vector x, y, z, the HEALPix cell of the coverage table, and ``digest``, a
hash of all that was given.  It is sorted by cell, so that DuckDB skips what is far from an
exposure.
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from forcedsql.database.footprint import COVERAGE_ORDER
from forcedsql.database.messages import one_line
from forcedsql.database.quoting import quote_identifier
from forcedsql.errors import TableError
from forcedsql.measure.positions import DEC_NAMES, ID_NAMES, MOTION_NAMES, RA_NAMES, Positions, find_positions
from forcedsql.runs.row_digests import row_digests
from forcedsql.tables import FORMATS, read_table

_QUERY = re.compile(r"\s*(select|from|with|values)\s", re.IGNORECASE)
_ARROW_NAME = "forcedsql_requested"

_INDEXED = f"""
CREATE OR REPLACE TEMP TABLE run_positions AS
SELECT
    row_number() OVER () AS position,
    healpix_nested({COVERAGE_ORDER}, ra, "dec") AS cell,
    id,
    ra,
    "dec",
    {", ".join(MOTION_NAMES)},
    coalesce(pm_ra, 0) <> 0 OR coalesce(pm_dec, 0) <> 0 OR coalesce(parallax, 0) <> 0 AS moves,
    cos(radians("dec")) * cos(radians(ra)) AS x,
    cos(radians("dec")) * sin(radians(ra)) AS y,
    sin(radians("dec")) AS z,
    digest
FROM {_ARROW_NAME}
ORDER BY cell
"""  # noqa: S608 - names and a number of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChoice:
    """Names of the columns of positions, found by their usual names where None, and their unit."""

    id_column: str | None = None
    ra_column: str | None = None
    dec_column: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class RequestedPositions:
    """What was asked for.

    Parameters
    ----------
    catalog : str
        Where the positions came from, for the records: a table, a query or a file.
    count : int
        Number of positions.
    unplaced : int
        How many of them have no usable coordinates.
    """

    catalog: str
    count: int
    unplaced: int


def load_positions(con: duckdb.DuckDBPyConnection, source: Any, choice: ColumnChoice) -> RequestedPositions:
    """Make the table ``run_positions`` for a connection.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        With the registry.
    source : str, Path or table
        Name of a table or view, a query (``SELECT ...``, ``FROM ...``), a file that
        `forcedsql.read_table` reads, or a table in memory.
    choice : ColumnChoice

    Raises
    ------
    TableError
        If there is no such table or file, the query fails, a column is missing, or the ids
        are not whole numbers.
    """
    catalog, found = _find(con, source, choice)
    if found.ids.type != pa.int64():
        raise TableError(
            f"positions of {catalog}: ids are {found.ids.type}, and a run needs whole numbers: "
            "take row_number() OVER () AS id"
        )
    columns = {"id": found.ids, "ra": pa.array(found.ra), "dec": pa.array(found.dec)}
    columns |= _motion_columns(found)
    con.register(_ARROW_NAME, pa.table(columns | {"digest": pa.array(row_digests(columns))}))
    try:
        con.execute(_INDEXED)
    finally:
        con.unregister(_ARROW_NAME)
    ((unplaced,),) = con.execute("SELECT count(*) FROM run_positions WHERE cell IS NULL").fetchall()
    return RequestedPositions(catalog, len(found), int(unplaced))


def _motion_columns(positions: Positions) -> dict[str, pa.Array]:
    if positions.motion is None:
        return {name: pa.nulls(len(positions), pa.float64()) for name in MOTION_NAMES}
    return {name: pa.array(getattr(positions.motion, name), from_pandas=True) for name in MOTION_NAMES}


def is_query(text: str) -> bool:
    """Tell a query from a name, a path or a condition."""
    return _QUERY.match(text) is not None


def _find(con: duckdb.DuckDBPyConnection, source: Any, choice: ColumnChoice) -> tuple[str, Positions]:
    options = asdict(choice)
    if not isinstance(source, str | Path):
        return "a table in memory", find_positions(source, **options)
    if isinstance(source, str) and is_query(source):
        return " ".join(source.split()), find_positions(_query(con, source, source, choice), **options)
    if isinstance(source, str) and _is_table(con, source):
        query = f"FROM {quote_identifier(source)}"
        return source, find_positions(_query(con, query, source, choice), **options)
    path = Path(source)
    if path.exists() or path.suffix.lower() in {suffix for format_ in FORMATS for suffix in format_.suffixes}:
        return str(path.resolve()), find_positions(read_table(path), **options)
    raise TableError(f"{source}: there is no such table, view or file; 'SHOW TABLES' lists the tables")


def _is_table(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    rows = con.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND lower(table_name) = lower(?)",
        [name],
    ).fetchall()
    return bool(rows)


def _query(con: duckdb.DuckDBPyConnection, query: str, shown: str, choice: ColumnChoice) -> pa.Table:
    """Return ids and coordinates of a query's rows; all columns, but no rows, if one is missing."""
    wanted = {name.lower() for name in (*ID_NAMES, *RA_NAMES, *DEC_NAMES)}
    wanted |= {name for names, _ in MOTION_NAMES.values() for name in names}
    wanted |= {name.lower() for name in (choice.id_column, choice.ra_column, choice.dec_column) if name}
    try:
        relation = con.sql(query)
        if relation is None:
            raise TableError(f"positions of {shown}: the statement returns no rows")
        columns = [name for name in relation.columns if name.lower() in wanted]
        find_positions(
            relation.limit(0).to_arrow_table(),
            id_column=choice.id_column,
            ra_column=choice.ra_column,
            dec_column=choice.dec_column,
        )
        return relation.project(", ".join(map(quote_identifier, columns))).to_arrow_table()
    except duckdb.Error as error:
        raise TableError(f"positions of {shown}: {one_line(error)}") from error
