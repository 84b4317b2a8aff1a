"""``forcedsql shell``: SQL at a prompt, with the measuring functions loaded.

That is the stock DuckDB shell where there is one, and otherwise a prompt of our own.
"""

import os
import re
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.narrate import say
from forcedsql.cli.options import (
    MEMORY,
    ConfigOption,
    SetOption,
    configuration,
    open_database,
)
from forcedsql.cli.output import TERMINAL_ROWS, count, print_table
from forcedsql.cli.query import run_statements
from forcedsql.errors import ForcedSQLError

if TYPE_CHECKING:
    import duckdb
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

    from forcedsql.cli.completion import SqlCompleter
    from forcedsql.config import MeasurementConfig

_QUOTED_OR_COMMENT = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


def shell(
    database: Annotated[
        str, typer.Argument(metavar="DB", help="DuckDB file; a database in memory if not given.")
    ] = MEMORY,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Open the database without changing it.")
    ] = False,
    built_in: Annotated[
        bool, typer.Option("--built-in", help="Use forcedsql's own prompt, not the DuckDB shell.")
    ] = False,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- SHELL OPTIONS]", help="Options for the DuckDB shell, such as -csv."),
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Type SQL in the DuckDB shell, or at a prompt of our own.

    A statement ends with ';' and may have several lines. Ctrl-C ends a query, Ctrl-D the shell.
    Where stdin is not a terminal, SQL is read from it.
    """
    options = configuration(config, settings)
    if not built_in:
        start_stock_shell(database, options, read_only=read_only, arguments=arguments or [])
    if arguments:
        raise typer.BadParameter(
            "they are for the DuckDB shell ('pip install duckdb-cli') on a database file; "
            "leave them out, or run a query by 'forcedsql sql'",
            param_hint="SHELL OPTIONS",
        )
    with open_database(database, options, read_only=read_only) as con:
        commands = Shell(con)
        if not sys.stdin.isatty():
            commands.run_script(sys.stdin.read())
            return
        say(f"forcedsql on {database}; .help for help, .quit to leave")
        _prompt_until_done(con, commands)


def start_stock_shell(
    database: str, config: "MeasurementConfig", *, read_only: bool, arguments: list[str]
) -> None:
    """Become the DuckDB shell with the extension; return where one of them is missing.

    Raises
    ------
    ForcedSQLError
        If the database cannot be opened or brought up to date.
    """
    from forcedsql.database.connection import database_name
    from forcedsql.database.macros import schema_digest, statements, stored_digest
    from forcedsql.extension.files import packaged_extension
    from forcedsql.extension.stock_shell import find_shell, replace_by_shell

    shell = find_shell()
    try:
        packaged_extension()
    except ForcedSQLError as error:
        say(f"{error}; this is forcedsql's own prompt")
        return
    if shell is None or database == MEMORY:
        return
    first: list[str] = []
    with open_database(database, config, read_only=read_only) as con:
        if read_only and stored_digest(con, database_name(con)) != schema_digest():
            first = list(statements(con, temporary=True))
    replace_by_shell(shell, database, config, read_only=read_only, first=first, arguments=arguments)


class Shell:
    """Runs what is typed: SQL, or a command that starts with a dot.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    """

    def __init__(self, con: "duckdb.DuckDBPyConnection") -> None:
        self._con = con

    def run_script(self, text: str) -> None:
        """Run statements to the end or the first error, and print every table.

        Raises
        ------
        ForcedSQLError
        """
        for outcome in run_statements(self._con, text):
            if outcome.rows is not None:
                print_table(outcome.rows)

    def run_line(self, text: str) -> bool:
        """Run one input; errors are a line on stderr.

        Returns
        -------
        bool
            False if it asks to leave.
        """
        text = text.strip()
        try:
            if text.startswith("."):
                return self._run_command(*text.rstrip(";").split())
            self._run_sql(text)
        except ForcedSQLError as error:
            say(f"error: {error}")
        except KeyboardInterrupt:
            say("interrupted")
        return True

    def _run_sql(self, text: str) -> None:
        started = perf_counter()
        for outcome in run_statements(self._con, text, most_rows=TERMINAL_ROWS + 1):
            seconds = perf_counter() - started
            if outcome.rows is None:
                say(f"{outcome.done}, {seconds:.3f} s")
            else:
                print_table(outcome.rows.slice(0, TERMINAL_ROWS))
                more = outcome.rows.num_rows > TERMINAL_ROWS
                shown = f"first {TERMINAL_ROWS} rows" if more else count(outcome.rows.num_rows, "row")
                say(f"{shown}, {seconds:.3f} s")
            started = perf_counter()

    def _run_command(self, name: str, *arguments: str) -> bool:
        if name in (".quit", ".exit"):
            return False
        if name == ".help":
            say(_HELP)
        elif name == ".tables":
            self._print(_TABLES)
        elif name == ".functions":
            self._print(_FUNCTIONS)
        elif name == ".schema":
            self._print(_SCHEMA, list(arguments[:1]) or [None])
        else:
            raise ForcedSQLError(f"there is no command {name}; .help lists them")
        return True

    def _print(self, query: str, values: "list[str | None] | None" = None) -> None:
        print_table(self._con.sql(query, params=values).to_arrow_table())


def is_complete(text: str) -> bool:
    """Say whether an input can be run: a dot command, or SQL that ends with a semicolon."""
    stripped = text.strip()
    if stripped.startswith(".") or not stripped:
        return True
    outside = _QUOTED_OR_COMMENT.sub(" ", stripped)
    return outside.rstrip().endswith(";") and not re.search(r"['\"]|/\*", outside)


def history_file() -> Path:
    """Return the file that keeps what was typed, its folder made."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "forcedsql"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "history"


def _prompt_until_done(con: "duckdb.DuckDBPyConnection", commands: Shell) -> None:
    from forcedsql.cli.completion import SqlCompleter

    completer = SqlCompleter(con)
    session = make_session(completer)
    while True:
        try:
            text = session.prompt("forcedsql> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.strip() and not commands.run_line(text):
            return
        completer.refresh()


def make_session(completer: "SqlCompleter") -> "PromptSession[str]":
    """Return the prompt: history, completion, colours, and Enter that knows when to run."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.lexers import PygmentsLexer
    from pygments.lexers.sql import SqlLexer

    return PromptSession(
        history=FileHistory(str(history_file())),
        completer=completer,
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        multiline=True,
        key_bindings=_enter_runs_what_is_complete(),
        prompt_continuation="        ...> ",
    )


def _enter_runs_what_is_complete() -> "KeyBindings":
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return bindings


_HELP = """SQL ends with ';' and may have several lines. Tab completes.
  .tables          tables and views
  .schema [NAME]   columns with types and meanings
  .functions       the measuring functions and macros
  .quit            leave; Ctrl-D does too
Ctrl-C ends the query that runs, or clears what is typed.
Try: FROM exposure;"""

_TABLES = """
    SELECT table_name AS name, estimated_size AS "rows", comment FROM duckdb_tables()
    UNION ALL SELECT view_name, NULL, comment FROM duckdb_views() WHERE NOT internal ORDER BY name
"""
_SCHEMA = """
    SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
    WHERE NOT internal AND table_name = coalesce($1, table_name) ORDER BY table_name, column_index
"""
_FUNCTIONS = r"""
    SELECT function_name AS name, any_value(parameters) AS parameters FROM duckdb_functions()
    WHERE NOT internal
    OR function_name IN
        ('forced_phot', 'move_position', 'sky_to_pixel', 'pixel_to_sky', 'psf_image', 'cutout')
    GROUP BY ALL ORDER BY name
"""
