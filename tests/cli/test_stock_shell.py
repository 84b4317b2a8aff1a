"""``forcedsql shell`` where the stock DuckDB shell is installed, and ``forcedsql extension``."""

import os
import subprocess
import sys

import pytest

from forcedsql.database import connect
from forcedsql.extension import files
from forcedsql.extension.stock_shell import find_shell
from tests.cli.conftest import VISIT
from tests.conftest import ROOT


@pytest.fixture
def shell(tmp_path):
    """Run ``forcedsql shell`` in a process of its own, which becomes the DuckDB shell."""
    if find_shell() is None or not files.packaged_extension().exists():
        pytest.skip("there is no DuckDB shell; pip install duckdb-cli")

    def run(*arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "forcedsql", "shell", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "FORCEDSQL_WORKERS": "1"},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_the_shell_measures_what_the_configuration_says(shell, database):
    query = f"SELECT * EXCLUDE (ra, \"dec\") FROM forced_photometry('{VISIT}', source) LIMIT 1"
    done = shell(database, "--set", "radii=5", "--", "-csv", "-c", query)
    assert done.returncode == 0, done.stderr
    header = done.stdout.splitlines()[0].split(",")
    assert "ap05Flux" in header
    assert "ap03Flux" not in header


def test_a_script_stops_at_its_first_error(shell, database):
    done = shell(database, "--", "-csv", text="SELECT 1 AS a; FROM nosuch; SELECT 2 AS b;")
    assert (done.returncode, done.stdout) == (1, "a\n1\n")


def test_a_database_that_is_not_there_is_said_before_the_shell_starts(shell, tmp_path):
    done = shell(tmp_path / "none.duckdb", text="SELECT 1;")
    assert done.returncode == 3
    assert "make it with: forcedsql init" in done.stderr


def test_read_only_gives_an_outdated_file_the_macros_for_the_session(shell, database):
    with connect(database) as con:
        con.execute("CREATE OR REPLACE MACRO forcedsql_schema_digest() AS 'old'")
        con.execute("DROP MACRO ab_mag")
    done = shell(database, "--read-only", "--", "-csv", "-c", "SELECT round(ab_mag(1000.0), 3) AS m")
    assert (done.stdout, done.stderr) == ("m\n23.9\n", "")


def test_without_a_shell_it_is_our_own_prompt(cli, database, monkeypatch):
    monkeypatch.setattr("forcedsql.extension.stock_shell.find_shell", lambda: None)
    monkeypatch.setattr("sys.stdin.read", lambda: "SELECT 1 AS a;", raising=False)
    assert cli("shell", database).out == "a\n1\n"


def test_install_prints_where_the_extension_is(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    missing = cli("extension", "path")
    assert (missing.code, missing.out) == (1, "")
    assert "run: forcedsql extension install" in missing.err
    done = cli("extension", "install")
    assert done.code == 0, done.err
    assert done.out == cli("extension", "path").out == f"{tmp_path}/forcedsql/{files.NAME}\n"
    assert f"LOAD '{tmp_path}/forcedsql/{files.NAME}';" in done.err
    assert {path.name for path in (tmp_path / "forcedsql").iterdir()} == {
        files.NAME,
        f"{files.NAME}.descriptor",
    }


def test_where_it_was_not_compiled_the_commands_say_so(cli, monkeypatch, database):
    monkeypatch.setattr(files, "NAME", "none")
    result = cli("extension", "install")
    assert result.code == 1
    assert "install a C compiler, and forcedsql again" in result.err
