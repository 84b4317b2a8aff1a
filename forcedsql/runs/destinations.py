"""Where the rows of a run go: a folder of Parquet files or a table of the database.

An exposure's rows are at a destination once.  In a folder the file is the truth, and the
ledger follows it; in a table both are of one transaction.
"""

from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from forcedsql.config import MeasurementConfig
from forcedsql.database.quoting import quote_identifier
from forcedsql.database.registry import FORCED_SOURCE, creation_of, forced_source_table, registry_tables
from forcedsql.errors import ConfigError
from forcedsql.runs.ledger import Ledger, transaction
from forcedsql.runs.result_files import prepare_folder, stored_results
from forcedsql.runs.stored_result import Fingerprint, StoredResult

_ARROW_NAME = "forcedsql_result"

_DEFAULT_COLUMNS = f" ({FORCED_SOURCE} is always of the default configuration)"

_UNKNOWN = StoredResult("", "somewhere else", Fingerprint("", "", ""), 0)
"""Rows in a result table that no run of this database put there."""


class Destination(Protocol):
    """Where results go."""

    @property
    def name(self) -> str:
        """Its name in the ledger."""

    @property
    def shown(self) -> str:
        """Its name for a person."""

    @property
    def folder(self) -> Path | None:
        """The folder that workers write to; None where the parent stores their rows."""

    def prepare(self, con: duckdb.DuckDBPyConnection, config: MeasurementConfig) -> None:
        """Make it ready for results, and see that it takes them.

        Raises
        ------
        OutputError
            If it cannot be written to.
        ConfigError
            If it holds results of other columns.
        """

    def stored(self, con: duckdb.DuckDBPyConnection, ledger: Ledger) -> dict[str, StoredResult]:
        """Return the whole results that are there, by exposure, and those of unknown origin."""

    def store(self, con: duckdb.DuckDBPyConnection, exposure_id: str, rows: pa.Table | None) -> None:
        """Put the rows of an exposure there, in the caller's transaction."""


class ResultFolder:
    """A folder with a Parquet file per exposure.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder.resolve()
        self.name = f"folder:{self.folder}"
        self.shown = str(folder)
        self._path = self.folder

    def prepare(self, con: duckdb.DuckDBPyConnection, config: MeasurementConfig) -> None:
        """See `Destination`."""
        prepare_folder(self._path)

    def stored(self, con: duckdb.DuckDBPyConnection, ledger: Ledger) -> dict[str, StoredResult]:
        """See `Destination`."""
        return dict(stored_results(self._path))

    def store(self, con: duckdb.DuckDBPyConnection, exposure_id: str, rows: pa.Table | None) -> None:
        """Do nothing: the worker has written the file."""


class ResultTable:
    """A table of the database, with the columns of ``forced_source``.

    Parameters
    ----------
    table : str
        Made if it is not there.

    Raises
    ------
    ConfigError
        If it is a table of the registry.
    """

    def __init__(self, table: str) -> None:
        taken = {each.name for each in registry_tables()} - {FORCED_SOURCE}
        if table.lower() in taken:
            raise ConfigError(f"{table!r} is a table of the registry; name another one for results")
        self.folder: Path | None = None
        self.name = f"table:{table}"
        self.shown = f"table {table}"
        self._table = table
        self._present: set[str] = set()

    def prepare(self, con: duckdb.DuckDBPyConnection, config: MeasurementConfig) -> None:
        """See `Destination`."""
        declared = forced_source_table(config, self._table)
        rows = con.execute(
            "SELECT column_name FROM duckdb_columns() "
            "WHERE database_name = current_database() AND lower(table_name) = lower(?)",
            [self._table],
        ).fetchall()
        if not rows:
            with transaction(con):
                for statement in creation_of(declared):
                    con.execute(statement)
            return
        differing = {row[0] for row in rows} ^ {column.name for column in declared.columns}
        if differing:
            raise ConfigError(
                f"table {self._table!r} has other columns than this configuration gives: {min(differing)!r} "
                f"is in one of them only{_DEFAULT_COLUMNS if self._table.lower() == FORCED_SOURCE else ''}; "
                "name another table (--into NAME makes it), or a results folder (--out DIR)"
            )

    def stored(self, con: duckdb.DuckDBPyConnection, ledger: Ledger) -> dict[str, StoredResult]:
        """See `Destination`."""
        rows = con.execute(
            f"SELECT exposure_id, run_id, count(*) FROM {quote_identifier(self._table)} GROUP BY ALL"  # noqa: S608 - quoted
        ).fetchall()
        found: dict[str, list[tuple[str, int]]] = {}
        for exposure_id, run_id, count in rows:
            found.setdefault(exposure_id, []).append((run_id, count))
        self._present = set(found)
        stored = {}
        for exposure_id, counts in found.items():
            recorded = ledger.done.get(exposure_id)
            if recorded is not None and counts == [(recorded.run_id, recorded.rows)]:
                stored[exposure_id] = recorded
            elif recorded is None or any(run_id != recorded.run_id for run_id, _ in counts):
                stored[exposure_id] = _UNKNOWN
        return stored

    def store(self, con: duckdb.DuckDBPyConnection, exposure_id: str, rows: pa.Table | None) -> None:
        """Replace the rows of an exposure."""
        table = quote_identifier(self._table)
        if exposure_id in self._present:
            con.execute(f"DELETE FROM {table} WHERE exposure_id = ?", [exposure_id])  # noqa: S608 - quoted
        con.register(_ARROW_NAME, rows)
        try:
            con.execute(f"INSERT INTO {table} BY NAME FROM {_ARROW_NAME}")
        finally:
            con.unregister(_ARROW_NAME)
