"""The shell: what is typed, what is completed, what a script prints."""

import io
import signal
import sys
import threading
import time

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.application.current import AppSession, get_app_session
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from forcedsql.cli import shell as shell_module
from forcedsql.cli.completion import SqlCompleter
from forcedsql.cli.shell import Shell, history_file, is_complete, make_session, start_stock_shell
from forcedsql.config import MeasurementConfig
from forcedsql.database import connect
from forcedsql.errors import ForcedSQLError
from tests.cli.conftest import VISIT
from tests.cli.test_query import ENDLESS


@pytest.fixture
def con(database):
    with connect(database) as connection:
        yield connection


@pytest.fixture
def typed(monkeypatch, tmp_path, cli):
    """Type at the shell of a database, as at a terminal."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(database, keys, later=None):
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            monkeypatch.setattr(sys, "stdin", _TerminalInput())
            pipe.send_text(keys)
            if later is not None:
                threading.Thread(target=_send_after, args=(get_app_session(), pipe, *later)).start()
            return cli("shell", "--built-in", database)

    return run


def _send_after(session: AppSession, pipe: PipeInput, awaited: str, keys: str) -> None:
    """Type keys when the line at the prompt ends in a text, or will not."""
    end = time.monotonic() + 30.0
    while time.monotonic() < end and not (session.app and session.app.current_buffer.text.endswith(awaited)):
        time.sleep(0.01)
    pipe.send_text(keys)


class _TerminalInput(io.StringIO):
    def isatty(self) -> bool:
        return True


def _completions(con, text):
    completer = SqlCompleter(con)
    return {c.text: c.display_meta_text for c in completer.get_completions(Document(text), None)}


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("SELECT 1;", True),
        ("SELECT 1; ", True),
        ("SELECT 1; -- why", True),
        (".tables", True),
        ("", True),
        ("SELECT 1", False),
        ("SELECT 'a;", False),
        ("SELECT 'it''s;';", True),
        ('SELECT 1 AS "a;', False),
        ("SELECT 1 -- a;", False),
        ("SELECT 1 /* a;", False),
        ("SELECT /* ; */ 1;", True),
    ],
)
def test_an_input_runs_when_its_last_statement_has_ended(text, complete):
    assert is_complete(text) is complete


def test_typing_runs_statements_until_quit(typed, database):
    result = typed(database, "SELECT 41 + 1\r AS answer;\r.quit\r")
    assert result.code == 0
    assert result.out == "answer\n    42\n"
    assert "1 row, 0." in result.err


def test_ctrl_d_leaves_the_shell(typed, database):
    assert typed(database, "\x04").code == 0


def test_ctrl_c_clears_what_is_typed(typed, database):
    assert typed(database, "SELECT 'half\x03SELECT 2 AS b;\r\x04").out == "b\n2\n"


def test_an_error_does_not_end_the_shell(typed, database):
    result = typed(database, "FROM nosuch;\rSELECT 3 AS c;\r\x04")
    assert result.out == "c\n3\n"
    assert "error: " in result.err
    assert "nosuch" in result.err


def test_tab_completes(typed, database):
    # Completions arrive after the key, as for a person.
    result = typed(database, "SELECT count(*) AS n FROM sourc\t", ("source", ";\r\x04"))
    assert result.out == "  n\n428\n"


def test_what_was_typed_is_remembered(typed, database, tmp_path):
    typed(database, "SELECT 4 AS d;\r\x04")
    assert "SELECT 4 AS d;" in history_file().read_text()
    assert history_file().is_relative_to(tmp_path)


def test_ctrl_c_ends_the_query_and_not_the_shell(con, capsys):
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    assert Shell(con).run_line(ENDLESS + ";") is True
    timer.join()
    assert capsys.readouterr().err == "interrupted\n"
    Shell(con).run_line("SELECT 1 AS a;")
    assert capsys.readouterr().out == "a\n1\n"


def test_a_large_result_is_shown_from_its_start(con, capsys):
    Shell(con).run_line("FROM range(100000000000);")
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 201
    assert err.startswith("first 200 rows, ")


def test_dot_commands_describe_the_database(con, capsys):
    for command, expected in {
        ".tables": "measured",
        ".schema measured": "psfFluxErr",
        ".schema": "exposure_coverage",
        ".functions": "forced_photometry",
    }.items():
        assert Shell(con).run_line(command)
        assert expected in capsys.readouterr().out, command


def test_schema_shows_the_meaning_of_columns(con, capsys):
    Shell(con).run_line(".schema exposure")
    assert "id by which SQL names the exposure" in capsys.readouterr().out


def test_help_lists_every_dot_command(con, capsys):
    Shell(con).run_line(".help")
    text = capsys.readouterr().err
    assert all(name in text for name in (".tables", ".schema", ".functions", ".quit", "Ctrl-C"))


def test_an_unknown_dot_command_is_an_error_and_no_end(con, capsys):
    assert Shell(con).run_line(".nosuch") is True
    assert "there is no command .nosuch" in capsys.readouterr().err


@pytest.mark.parametrize("command", [".quit", ".exit", ".quit;"])
def test_quit_leaves(con, command):
    assert Shell(con).run_line(command) is False


def test_without_a_terminal_sql_is_read_from_stdin(cli, database, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1 AS a; SELECT 2 AS b;"))
    result = cli("shell", "--built-in", database)
    assert (result.code, result.out, result.err) == (0, "a\n1\nb\n2\n", "")


def test_a_script_stops_at_its_first_error(cli, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1 AS a; FROM nosuch; SELECT 2 AS b;"))
    result = cli("shell", "--built-in")
    assert result.code == 1
    assert result.out == "a\n1\n"


def test_tables_columns_functions_and_keywords_are_completed(con):
    assert _completions(con, "FROM expo")["exposure"] == "table"
    assert _completions(con, "SELECT psfFluxE")["psfFluxErr"] == "column"
    assert _completions(con, "FROM forced_ph")["forced_photometry"] == "function"
    assert _completions(con, "SELECT ab_m")["ab_mag"] == "function"
    assert _completions(con, "sel")["SELECT"] == "keyword"


def test_exposure_ids_are_completed_inside_quotes(con):
    assert _completions(con, "FROM forced_photometry('vis") == {VISIT: "exposure"}
    assert VISIT not in _completions(con, "FROM forced_photometry('a', vis")


def test_a_new_table_is_completed_after_a_refresh(con):
    completer = SqlCompleter(con)
    con.execute("CREATE TABLE brand_new (a INTEGER)")
    completer.refresh()
    assert [c.text for c in completer.get_completions(Document("FROM brand"), None)] == ["brand_new"]


def test_the_prompt_is_built_with_history_and_completion(con, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        session = make_session(SqlCompleter(con))
    assert session.completer is not None
    assert session.history is not None
    assert shell_module.history_file() == tmp_path / "forcedsql" / "history"


@pytest.mark.parametrize("outdated", [False, True])
def test_the_stock_shell_gets_what_a_read_only_file_lacks(database, monkeypatch, outdated):
    if outdated:
        with connect(database) as con:
            con.execute("CREATE OR REPLACE MACRO forcedsql_schema_digest() AS 'old'")
    started = []
    monkeypatch.setattr("forcedsql.extension.files.packaged_extension", lambda: "extension")
    monkeypatch.setattr("forcedsql.extension.stock_shell.find_shell", lambda: "duckdb")
    monkeypatch.setattr(
        "forcedsql.extension.stock_shell.replace_by_shell",
        lambda shell, path, config, **options: started.append((shell, path, options)),
    )
    shell_module.start_stock_shell(str(database), MeasurementConfig(), read_only=True, arguments=["-csv"])
    ((shell, path, options),) = started
    assert (shell, path, options["arguments"]) == ("duckdb", str(database), ["-csv"])
    assert any("TEMP MACRO ab_mag" in statement for statement in options["first"]) == outdated
    shell_module.start_stock_shell(":memory:", MeasurementConfig(), read_only=False, arguments=[])
    assert len(started) == 1


def test_statements_without_rows_print_nothing_in_a_script_and_a_word_at_the_prompt(con, capsys):
    commands = Shell(con)
    commands.run_script("CREATE TABLE t AS SELECT 1 AS i; FROM t")
    assert capsys.readouterr().out == "i\n1\n"
    assert commands.run_line("CREATE TABLE u AS SELECT 2 AS i;")
    assert capsys.readouterr().err.startswith("done, ")


def test_without_the_extension_the_prompt_is_our_own(database, monkeypatch, capsys):
    def missing():
        raise ForcedSQLError("the extension is not compiled")

    monkeypatch.setattr("forcedsql.extension.files.packaged_extension", missing)
    start_stock_shell(str(database), MeasurementConfig(), read_only=False, arguments=[])
    assert capsys.readouterr().err == "the extension is not compiled; this is forcedsql's own prompt\n"


@pytest.mark.parametrize("options", [[":memory:"], ["--built-in"], []])
def test_options_for_a_shell_that_does_not_start_are_refused(cli, database, monkeypatch, options):
    monkeypatch.setattr("forcedsql.extension.stock_shell.find_shell", lambda: None)
    where = options if ":memory:" in options else [database, *options]
    result = cli("shell", *where, "--", "-c", "SELECT 1")
    assert (result.code, result.out) == (2, "")
    assert "SHELL OPTIONS" in result.err
    assert "duckdb-cli" in result.err


def test_after_a_space_there_is_nothing_to_complete(con):
    assert _completions(con, "SELECT ") == {}
