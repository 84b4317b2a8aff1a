"""Help, exit codes and start-up: what every command shares."""

import os
import subprocess
import sys

import pytest
import typer

from forcedsql.cli.exits import ExitCode, describe_exit_codes, exit_code_of
from forcedsql.cli.main import app
from forcedsql.errors import (
    ConfigError,
    DatabaseError,
    FileLimitError,
    ForcedSQLError,
    OffImageError,
    ReadError,
    TableError,
    ToleranceError,
    UnknownExposureError,
)
from tests.conftest import ROOT

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def _process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


def test_the_commands_are_those_of_the_architecture():
    assert set(COMMANDS) >= {
        *("demo", "measure", "init", "ingest", "catalog", "compare", "sql", "shell", "info", "plot"),
        *("doctor", "columns", "config"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_parameter_has_a_help_text(name):
    command = GROUP.commands[name]
    assert command.help
    for parameter in command.params:
        assert parameter.help, f"{name} {parameter.name}"
        assert parameter.help.endswith("."), f"{name} {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_its_help(cli, name):
    result = cli(name, "--help")
    assert result.code == ExitCode.DONE
    assert result.out.startswith(f"Usage: forcedsql {name}")
    assert result.err == ""


def test_the_one_line_helps_are_not_cut_off(cli):
    listing = cli("--help").out.split("Commands:")[1].split("Exit codes")[0]
    assert "..." not in listing


def test_the_help_documents_every_exit_code(cli):
    text = " ".join(cli("--help").out.split())
    assert describe_exit_codes() in text
    for code in ExitCode:
        assert f"{code.value} {code.meaning}" in text


def test_no_help_imports_anything_heavy():
    heavy = (
        "numpy",
        "astropy",
        "duckdb",
        "pyarrow",
        "matplotlib",
        "scipy",
        "sqlalchemy",
        "rich",
        "prompt_toolkit",
    )
    helps = [[], *([name] for name in COMMANDS), ["extension", "install"], ["extension", "path"]]
    done = _process(
        "-c",
        "import sys; from forcedsql.cli.main import main\n"
        f"codes = [main([*words, '--help']) for words in {helps!r}]\n"
        "print('modules', *codes, *sys.modules)",
    )
    words = done.stdout.split("modules ")[-1].split()
    assert words[: len(helps)] == ["0"] * len(helps)
    assert set(words) & set(heavy) == set()


def test_the_module_runs_as_the_command():
    done = _process("-m", "forcedsql", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("forcedsql ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ForcedSQLError(), 1),
        (TableError(), 1),
        (OffImageError(), 1),
        (ConfigError(), 2),
        (ReadError(), 3),
        (FileLimitError(), 3),
        (DatabaseError(), 3),
        (UnknownExposureError(), 3),
        (ToleranceError(), 4),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    "arguments",
    [["nosuch"], ["measure"], ["sql", "x.duckdb", "q", "--nosuch"], ["columns", "--columns", "x"]],
)
def test_wrong_usage_is_code_2_on_stderr(cli, arguments):
    result = cli(*arguments)
    assert result.code == ExitCode.USAGE
    assert result.out == ""
    assert "Error" in result.err


def test_no_arguments_show_the_help(cli):
    result = cli()
    assert "Usage: forcedsql" in result.out + result.err


def test_an_interrupt_is_code_130(cli, monkeypatch):
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("forcedsql.config.describe_options", interrupted)
    assert cli("config").code == ExitCode.INTERRUPTED


def test_a_full_disk_is_one_line(cli, monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device", "out.csv")

    monkeypatch.setattr("forcedsql.config.describe_options", full)
    result = cli("config")
    assert result.code == ExitCode.CANNOT_OPEN
    assert result.err == "forcedsql: out.csv: No space left on device\n"
