"""The rows that are exported: evaluated once, kept by DuckDB, read as often as it takes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from forcedsql.database import quote_identifier
from forcedsql.database.messages import one_line
from forcedsql.errors import TableError
from forcedsql.export.annotation import annotated_schema
from forcedsql.measure.positions import DEC_NAMES, RA_NAMES
from forcedsql.tables import field_metadata
from forcedsql.tables.parquet_footer import is_text
from forcedsql.tables.writing import ROW_GROUP

HEALPIX_COLUMN = "_healpix_29"
HEALPIX_ORDER = 29

_HEALPIX_FIELD = pa.field(
    HEALPIX_COLUMN,
    pa.int64(),
    metadata={"ucd": "pos.healpix", "description": "HEALPix cell of order 29, nested, ICRS"},
)
_RESULT = "temp.forcedsql_export"
"""Name of the temporary table that a query's result is kept in."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Rows of a database with what is known of their columns.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    relation : str
        What stands after FROM; it measures nothing again.
    schema : pyarrow.Schema
        Of the rows; units, UCDs and descriptions in its fields' metadata.
    ra, dec : str
        Names of the columns of the position; "" unless there is a HEALPix column.
    """

    con: duckdb.DuckDBPyConnection
    relation: str
    schema: pa.Schema
    ra: str = ""
    dec: str = ""

    @contextmanager
    def batches(self) -> Iterator[pa.RecordBatchReader]:
        """Read the rows, sorted by place if there is a HEALPix column.

        The connection can do nothing else within the body.
        """
        order = f"ORDER BY {HEALPIX_COLUMN} NULLS LAST" if self.ra else ""
        reader = self.con.sql(f"FROM {self.relation} {order}").to_arrow_reader(ROW_GROUP)
        described = (pa.RecordBatch.from_arrays(batch.columns, schema=self.schema) for batch in reader)
        try:
            yield pa.RecordBatchReader.from_batches(self.schema, described)
        finally:
            reader.close()

    def text_lengths(self) -> dict[str, int]:
        """Return the characters of the longest text in each column of text, at least 1."""
        names = [field.name for field in self.schema if is_text(field.type)]
        if not names:
            return {}
        lengths = ", ".join(f"coalesce(max(length({quote_identifier(name)})), 0)" for name in names)
        (row,) = self.con.execute(f"SELECT {lengths} FROM {self.relation}").fetchall()  # noqa: S608 - quoted
        return {name: max(length, 1) for name, length in zip(names, row, strict=True)}

    def with_healpix(self, ra: str | None = None, dec: str | None = None) -> "Selection":
        """Return the rows with a column of HEALPix cells before the others, and sorted by it.

        Raises
        ------
        TableError
            If there are no coordinates of the names given, or of the usual ones.
        """
        names = [
            self._coordinate(given, usual, axis)
            for given, usual, axis in ((ra, RA_NAMES, "ra"), (dec, DEC_NAMES, "dec"))
        ]
        angles = ", ".join(map(self._degrees, names))
        others = [field for field in self.schema if field.name != HEALPIX_COLUMN]
        columns = ", ".join(quote_identifier(field.name) for field in others)
        relation = (
            f"(SELECT healpix_nested({HEALPIX_ORDER}, {angles}) AS {HEALPIX_COLUMN}, {columns} "  # noqa: S608
            f"FROM {self.relation})"
        )
        schema = pa.schema([_HEALPIX_FIELD, *others])
        return replace(self, relation=relation, schema=schema, ra=names[0], dec=names[1])

    def is_in_radians(self, name: str) -> bool:
        """Tell whether a column's unit is the radian."""
        return field_metadata(self.schema.field(name)).get("unit", "") == "rad"

    def _coordinate(self, given: str | None, usual: tuple[str, ...], axis: str) -> str:
        wanted = usual if given is None else (given,)
        for name in wanted:
            for column in self.schema.names:
                if column.lower() == name.lower():
                    return str(column)
        raise TableError(
            f"there is no column {' or '.join(wanted)} to place rows on the sky; name it: {axis}"
        )

    def _degrees(self, name: str) -> str:
        quoted = quote_identifier(name)
        return f"degrees({quoted})" if self.is_in_radians(name) else quoted


@contextmanager
def selected(con: duckdb.DuckDBPyConnection, source: str, units: Mapping[str, str]) -> Iterator[Selection]:
    """Evaluate a table, view or query, and keep its rows for the time of the body.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    source : str
        Name of a table or view, or one statement that gives rows.
    units : mapping of str to str
        Units of columns, over what is known of them.

    Raises
    ------
    TableError
        If it is neither, the query fails, or `units` names a column that it does not have.
    """
    query = _query(con, source)
    try:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {_RESULT} AS {query}")
        try:
            plain = con.sql(f"FROM {_RESULT} LIMIT 0").to_arrow_table().schema
            yield Selection(con, _RESULT, annotated_schema(con, query, plain, units))
        finally:
            # In a transaction that failed, the table is gone with all else.
            with suppress(duckdb.TransactionException):
                con.execute(f"DROP TABLE IF EXISTS {_RESULT}")
    except duckdb.Error as error:
        raise TableError(f"cannot export {_shortened(source)}: {one_line(error)}") from error


def _query(con: duckdb.DuckDBPyConnection, source: str) -> str:
    """Return the query that a name or a text stands for."""
    known = con.execute(
        "SELECT 1 FROM duckdb_tables() WHERE lower(table_name) = lower($name) "
        "UNION ALL SELECT 1 FROM duckdb_views() WHERE lower(view_name) = lower($name)",
        {"name": source},
    ).fetchall()
    if known:
        return f"FROM {quote_identifier(source)}"
    try:
        statements = con.extract_statements(source)
    except duckdb.Error as error:
        raise TableError(f"{_shortened(source)} is neither a table nor a query: {one_line(error)}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise TableError(f"{_shortened(source)} is not one query that gives rows; give a SELECT or a table")
    return str(statements[0].query).rstrip().rstrip(";")


def _shortened(source: str) -> str:
    text = " ".join(source.split())
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
