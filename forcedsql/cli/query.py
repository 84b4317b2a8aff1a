"""``forcedsql sql``: statements in, a table out; and how any command runs statements."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from forcedsql.cli.narrate import say
from forcedsql.cli.options import (
    ConfigOption,
    DatabaseArgument,
    FormatOption,
    OutputOption,
    SetOption,
    configuration,
    open_database,
)
from forcedsql.cli.output import count, emit
from forcedsql.errors import ForcedSQLError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement gave: rows to show, or a word on what it did."""

    rows: "pa.Table | None"
    done: str = ""


def sql(
    database: DatabaseArgument,
    query: Annotated[
        str,
        typer.Argument(metavar="QUERY", help="SQL, one statement or several; '-' reads it from stdin."),
    ],
    format_: FormatOption = None,
    output: OutputOption = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Open the database without changing it.")
    ] = False,
    safe: Annotated[
        bool,
        typer.Option(
            "--safe", help="For a database that somebody else made: no files, no network, locked settings."
        ),
    ] = False,
    roots: Annotated[
        list[Path] | None,
        typer.Option(
            "--root", help="With --safe: folder of exposures; the database's own if not given. Repeatable."
        ),
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Run SQL with the measuring functions loaded.

    Of several statements, the last table that comes out is printed. DB may be :memory: for a
    database that is gone afterwards.
    """
    options = configuration(config, settings)
    text = sys.stdin.read() if query == "-" else query
    if roots and not safe:
        raise typer.BadParameter("it goes with --safe", param_hint="--root")
    limits = (roots or []) if safe else None
    with open_database(database, options, read_only=read_only, roots=limits) as con:
        outcomes = list(run_statements(con, text))
    tables = [outcome.rows for outcome in outcomes if outcome.rows is not None]
    if tables:
        emit(tables[-1], format_, output)
    elif outcomes:
        say(outcomes[-1].done)


def run_statements(
    con: "duckdb.DuckDBPyConnection", text: str, *, most_rows: int | None = None
) -> Iterator[Outcome]:
    """Run statements one after the other; Ctrl-C ends the one that runs.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    text : str
        Any number of statements.
    most_rows : int, optional
        Rows to fetch of each result.

    Raises
    ------
    ForcedSQLError
        With DuckDB's complaint in one line.
    KeyboardInterrupt
        After the statement was interrupted.
    """
    import duckdb

    from forcedsql.database.messages import one_line

    try:
        for statement in con.extract_statements(text):
            yield interruptible(con, partial(_run, con, statement, most_rows))
    except duckdb.Error as error:
        raise ForcedSQLError(one_line(error)) from error


def _run(con: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement", most_rows: int | None) -> Outcome:
    import duckdb

    relation = con.sql(statement.query)
    kinds = statement.expected_result_type
    if relation is None or duckdb.ExpectedResultType.QUERY_RESULT not in kinds:
        return Outcome(None, "done")
    if most_rows is not None:
        relation = relation.limit(most_rows)
    rows = relation.to_arrow_table()
    if duckdb.ExpectedResultType.CHANGED_ROWS in kinds and rows.column_names == ["Count"]:
        # Statements that change the schema have a count too, of no rows.
        changed = rows["Count"].to_pylist()
        return Outcome(None, f"done, {count(changed[0], 'row')}" if changed else "done")
    return Outcome(rows)


def interruptible(con: "duckdb.DuckDBPyConnection", work: Callable[[], T]) -> T:
    """Run in a thread of its own, so that this one is free to hear Ctrl-C, which ends the statement."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            # A wait without end would not hear a signal that another thread got.
            while not future.done():
                wait([future], timeout=0.1)
        except KeyboardInterrupt:
            # The first one is lost if the statement was not running yet.
            while not future.done():
                con.interrupt()
                wait([future], timeout=0.05)
            raise
        return future.result()
