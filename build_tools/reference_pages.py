"""The reference pages of the documentation, made from the code: SQL, tables, command line, columns, options.

Nothing is written here that the code does not say itself: macros are described by the comments
above them in ``sql/``, commands by their help, tables, columns and options by their declarations.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer.main
from typer.testing import CliRunner

import forcedsql
from forcedsql.cli.main import app
from forcedsql.config import MeasurementConfig, describe_options
from forcedsql.database.functions import SqlFunction, sql_functions
from forcedsql.database.macros import FILES
from forcedsql.database.registry import registry_tables
from forcedsql.database.session import Session
from forcedsql.plugins import plugin_names
from forcedsql.resources import sql_dir
from forcedsql.schema import FLUX, lsst_schema, source_schema
from forcedsql.tables import field_metadata

_MACRO = re.compile(
    r"((?:^--[^\n]*\n)*)^CREATE OR REPLACE (MACRO|VIEW) (\"?\w+\"?)\s*(\([^)]*\))?\s*AS( TABLE)?",
    re.MULTILINE,
)
_HELPER = "Helper:"


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro or view of ``sql/``: its name, arguments, file, and the comment above it."""

    name: str
    arguments: str
    file: str
    is_table: bool
    comment: str

    @property
    def is_helper(self) -> bool:
        """Whether it only serves other macros."""
        return self.comment.startswith(_HELPER)


def macros() -> Iterator[Macro]:
    """Yield every macro and view of the ``sql`` folder, in the order in which they are made."""
    for name in FILES:
        text = (sql_dir() / name).read_text(encoding="utf-8")
        for found in _MACRO.finditer(text):
            comment = " ".join(line.removeprefix("--").strip() for line in found[1].splitlines())
            arguments = " ".join((found[4] or "").split())
            table = found[2] == "VIEW" or found[5] is not None
            yield Macro(found[3].strip('"'), arguments, name, table, comment)


def sql_page() -> str:
    """Return the page on SQL: functions that look at pixels, then macros and views, file by file."""
    lines = [
        "# SQL",
        "",
        "Made from the comments in [sql/](https://github.com/forcedsql/forcedsql/tree/main/sql).",
    ]
    lines += ["", "## Functions that look at pixels", ""]
    for function in functions():
        returns = _shortened(function.returns)
        lines += [f"### `{function.names[0]}({', '.join(function.parameters)})`", ""]
        lines += [f"*value, {returns}* · {function.meaning}", ""]
    for file in FILES:
        lines += ["", f"## {file}", ""]
        for macro in macros():
            if macro.file == file and not macro.is_helper:
                kind = "table" if macro.is_table else "value"
                lines += [f"### `{macro.name}{macro.arguments}`", "", f"*{kind}* · {macro.comment}", ""]
    return "\n".join(lines) + "\n"


def functions() -> tuple[SqlFunction, ...]:
    """Return every SQL function of the default configuration."""
    session = Session(shown="", database="", config=MeasurementConfig(), cache_bytes=0)
    return sql_functions(session)


def _shortened(sql_type: str) -> str:
    """Return a SQL type, of a long struct only that it is one."""
    return sql_type if len(sql_type) < 50 else "STRUCT(...)" + "[]" * sql_type.endswith("[]")


def tables_page() -> str:
    """Return the page on the tables that every database has."""
    lines = ["# Tables", "", "What `forcedsql init` makes. `COMMENT ON` has the same words in the database."]
    for table in registry_tables():
        lines += [
            "",
            f"## {table.name}",
            "",
            f"{table.comment}",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        lines += [f"| `{c.name}` | {c.type} | {_cell(c.comment or '')} |" for c in table.columns]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return text as a cell of a Markdown table has it."""
    return text.replace("|", "\\|")


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command, subcommands included: its words and itself, with `help` and `params`."""
    yield from _commands_of(typer.main.get_command(app), ())


def _commands_of(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
    for child in sorted(children or ()):
        yield from _commands_of(children[child], (*words, child))


def cli_page() -> str:
    """Return the page on the command line: what each command prints for ``--help``."""
    lines = ["# Command line", "", "What each command says for `--help`."]
    for words, _ in commands():
        said = CliRunner().invoke(app, [*words, "--help"], prog_name="forcedsql", terminal_width=100).stdout
        lines += ["", f"## forcedsql {' '.join(words)}", "", "```text", said.strip(), "```"]
    return "\n".join(lines) + "\n"


def columns_page() -> str:
    """Return the page on the columns that the default configuration measures, by both names."""
    config = MeasurementConfig()
    lines = [
        "# Columns",
        "",
        "Measured by default; `forcedsql columns` and `forcedsql plugins` list all others.",
    ]
    for title, schema in (
        ("Named as in the DP1 Source table", source_schema(config, FLUX)),
        ("Named by the LSST driver", lsst_schema(config, FLUX)),
    ):
        lines += ["", f"## {title}", "", "| column | type | unit | meaning |", "|---|---|---|---|"]
        for field in schema:
            facts = field_metadata(field)
            meaning = _cell(facts.get("description", ""))
            lines.append(f"| `{field.name}` | {field.type} | {facts.get('unit', '')} | {meaning} |")
    return "\n".join(lines) + "\n"


def python_page() -> str:
    """Return the page on Python: every public name, for mkdocstrings to fill in."""
    lines = ["# Python", "", "Every public name of the package; each is imported when it is first used.", ""]
    modules = dict(sorted(forcedsql.public_names().items()))
    return "\n".join([*lines, *(f"::: forcedsql.{module}.{name}\n" for name, module in modules.items())])


def options_page() -> str:
    """Return the page on the options of a measurement."""
    lines = ["# Options", "", "For `MeasurementConfig(...)`, `--set option=value` and `--config FILE.toml`."]
    lines += ["", "| option | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{name}` | `{default!r}` | {_cell(meaning)} |" for name, default, meaning in describe_options()
    ]
    lines += ["", f"Plugins: {', '.join(f'`{name}`' for name in plugin_names())}.", ""]
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/sql.md": sql_page,
    "reference/tables.md": tables_page,
    "reference/cli.md": cli_page,
    "reference/python.md": python_page,
    "reference/columns.md": columns_page,
    "reference/options.md": options_page,
}
"""Pages by their path below ``docs``."""
