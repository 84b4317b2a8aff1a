"""What is known of the columns of a query: units, UCDs and descriptions.

DuckDB hands on names and types only.  A column has the words of its table's comments, or of
the measurement, as long as the query hands it on; where it is computed from others it has
none, for a wrong unit is worse than no unit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from forcedsql.database import config_of
from forcedsql.database.registry import meaning_and_unit, registry_tables
from forcedsql.errors import TableError
from forcedsql.export.origins import Origins, origins_of
from forcedsql.schema import LSST_IDENTITY, lsst_schema, source_schema
from forcedsql.tables import field_metadata

Said = dict[str, str]
"""Metadata of one column: those of unit, ucd and description that are known."""


def annotated_schema(
    con: duckdb.DuckDBPyConnection, query: str, schema: pa.Schema, units: Mapping[str, str]
) -> pa.Schema:
    """Return the schema of a query's result with metadata in its fields.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `forcedsql.connect` gives it.
    query : str
        One SELECT statement.
    schema : pyarrow.Schema
        Of its result.
    units : mapping of str to str
        Units of columns, over what is known of them; "" for none.

    Raises
    ------
    TableError
        If `units` names a column that is not in the result.
    """
    for name in units:
        if name not in schema.names:
            raise TableError(f"there is no column {name!r} to give the unit {units[name]!r}")
    origins = origins_of(con, query)
    comments = _comments(con, origins.tables)
    measured = _measured_columns(con, {origins.of(name)[1] or "" for name in schema.names})
    fields = []
    for column in schema:
        said = _said_of(column.name, origins, comments, measured)
        if column.name in units:
            said["unit"] = units[column.name]
        fields.append(column.with_metadata({key: value for key, value in said.items() if value} or None))
    return pa.schema(fields)


def _said_of(name: str, origins: Origins, comments: "_Comments", measured: Mapping[str, Said]) -> Said:
    """Return what is known of one column: first from comments, nearest first."""
    nearest, innermost = origins.of(name)
    said: Said = {}
    if innermost is not None:
        said |= measured.get(innermost, {})
        said |= comments.of_tables.get(innermost, {})
    if nearest is not None:
        said |= comments.of_views.get(nearest, {})
    return said


def _measured_columns(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, Said]:
    """Return what is known of columns that we measure and of those of our own tables, by name.

    Names as plain as x or id mean ours only beside a flux that we measure, and coord_ra is the
    LSST driver's, in radians, only beside its companions.
    """
    config, unit = config_of(con), _flux_unit(con)
    lsst, source = lsst_schema(config, unit), source_schema(config, unit)
    identity = {name.lower() for name, *_ in LSST_IDENTITY}
    found = set(names)
    fluxes = {f.name.lower() for f in (*lsst, *source) if "phot.flux" in field_metadata(f).get("ucd", "")}
    if not fluxes & found:
        return {}
    known = {
        column.name.lower(): _said(column.comment or "")
        for table in registry_tables()
        for column in table.columns
    }
    for column in (*lsst, *source):
        name = column.name.lower()
        if column.name not in lsst.names or name not in identity or identity <= found:
            known[name] = field_metadata(column)
    return known


def _flux_unit(con: duckdb.DuckDBPyConnection) -> str:
    """Return the unit that all registered exposures are measured in; "" if there are several."""
    column = "bunit" if config_of(con).calibrate == "never" else "flux_unit"
    units = con.execute(f"SELECT DISTINCT {column} FROM exposure").fetchall()  # noqa: S608 - two names
    return (units[0][0] or "") if len(units) == 1 else ""


@dataclass(frozen=True, slots=True)
class _Comments:
    """What comments say of columns, by their names in lower case."""

    of_tables: dict[str, Said] = field(default_factory=dict)
    of_views: dict[str, Said] = field(default_factory=dict)


def _comments(con: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> _Comments:
    """Return the comments of tables and views; units that contradict each other drop out."""
    rows = con.execute(
        "SELECT lower(c.column_name), c.comment, v.view_name IS NOT NULL FROM duckdb_columns() c "
        "LEFT JOIN duckdb_views() v ON (v.schema_name, v.view_name) = (c.schema_name, c.table_name) "
        "AND v.database_name = c.database_name "
        "WHERE lower(c.table_name) = ANY($tables) AND c.comment IS NOT NULL ORDER BY c.table_name",
        {"tables": sorted(tables)},
    ).fetchall()
    comments = _Comments()
    for name, comment, is_view in rows:
        said = _said(comment)
        known = comments.of_views if is_view else comments.of_tables
        before = known.setdefault(name, said)
        if before.get("unit") != said.get("unit"):
            known[name] = {**before, "unit": ""}
    return comments


def _said(comment: str) -> Said:
    meaning, unit = meaning_and_unit(comment)
    return {key: value for key, value in (("description", meaning), ("unit", unit)) if value}
