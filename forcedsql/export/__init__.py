"""Rows of a database into files that others can read, with units and descriptions."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from forcedsql.export.csvw import write_description
from forcedsql.export.hats import DEFAULT_PARTITION_ROWS, write_hats
from forcedsql.export.selection import Selection, selected
from forcedsql.tables import table_format
from forcedsql.tables.formats import format_named
from forcedsql.tables.writing import write_batches

if TYPE_CHECKING:
    import duckdb

__all__ = ["DEFAULT_PARTITION_ROWS", "Selection", "export_table", "write_hats"]


def export_table(
    con: "duckdb.DuckDBPyConnection",
    source: str,
    path: str | Path,
    *,
    format_name: str | None = None,
    units: Mapping[str, str] | None = None,
    healpix: bool = False,
    hats: bool = False,
    partition_rows: int = DEFAULT_PARTITION_ROWS,
    ra_column: str | None = None,
    dec_column: str | None = None,
) -> int:
    """Write a table or the result of a query to a file or a HATS catalogue.

    Units, UCDs and descriptions come from the comments of the columns of the tables that are
    named, and from what forcedsql knows of the columns that it measures; see
    `forcedsql.export.annotation`.  A CSV file cannot carry them: a file of the same name with
    ``-metadata.json`` after it does (W3C "Metadata Vocabulary for Tabular Data", CSVW).

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `forcedsql.connect` gives it; it may be read-only.
    source : str
        Name of a table or view, or a query.
    path : str or Path
        File, or folder of the HATS catalogue, which must not exist yet.
    format_name : str, optional
        parquet, votable, fits, ecsv, csv or arrow; by the suffix where not given.
    units : mapping of str to str, optional
        Units of columns, over what is known of them; "" for none.
    healpix : bool
        Add the column ``_healpix_29`` (cell of order 29, nested, ICRS; int64, NULL without a
        position) and sort by it, so that readers can skip to a place on the sky.
    hats : bool
        Write a HATS catalogue.
    partition_rows : int
        Rows above which HATS splits a cell in four.
    ra_column, dec_column : str, optional
        Coordinates, in degrees unless their unit says radians; found by their usual names
        (``ra``, ``coord_ra``) where not given.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    TableError
        If the query fails, a column is not there, or the format cannot hold one.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    format_ = None
    if not hats:
        format_ = table_format(path) if format_name is None else format_named(format_name)
    with selected(con, source, units or {}) as plain:
        rows = plain.with_healpix(ra_column, dec_column) if healpix or hats else plain
        if format_ is None:
            return write_hats(rows, path, partition_rows=partition_rows)
        lengths = rows.text_lengths()
        with rows.batches() as batches:
            count = write_batches(batches, path, lengths, format_name=format_.name)
        if format_.name == "csv":
            write_description(rows.schema, path)
    return count
