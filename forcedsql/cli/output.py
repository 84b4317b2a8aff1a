"""Tables on stdout: for eyes on a terminal, for programs in a pipe."""

import json
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forcedsql.cli.narrate import say
from forcedsql.cli.options import OutputFormat
from forcedsql.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

TERMINAL_ROWS = 200
"""Rows that are shown on a terminal; a pipe gets all."""

ELLIPSIS = "…"
"""Stands for the columns that do not fit a terminal."""

GAP = 3
"""Characters between two columns on a terminal."""


def emit(table: "pa.Table", format_: OutputFormat | None = None, output: Path | None = None) -> None:
    """Write a table to a file, or to stdout in a format.

    Raises
    ------
    ConfigError
        If both a file and a format are asked for, or parquet on a terminal.
    TableError
        If the file cannot be written.
    """
    if output is not None:
        if format_ is not None:
            raise ConfigError("--format is for stdout; with --output the file's suffix says the format")
        from forcedsql.tables import write_table

        write_table(table, output)
        say(f"{count(table.num_rows, 'row')} written to {output}")
        return
    _WRITERS[format_ or OutputFormat.TABLE](table)


def print_table(table: "pa.Table") -> None:
    """Print rows for eyes on a terminal, and whole, aligned and unwrapped into a pipe."""
    if sys.stdout.isatty():
        _print_for_eyes(table)
    else:
        sys.stdout.write(aligned_text(table))
    sys.stdout.flush()


def aligned_text(table: "pa.Table") -> str:
    """Return all rows and columns as aligned text, numbers in full, one line per row."""
    columns = [
        _align(name, [_plain(v) for v in column.to_pylist()], right=_is_number(column.type))
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return "".join("  ".join(cells).rstrip() + "\n" for cells in zip(*columns, strict=True))


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``2,048 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _align(name: str, cells: list[str], *, right: bool) -> list[str]:
    width = max(map(len, [name, *cells]))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in [name, *cells]]


def _is_number(type_: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _plain(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return " ".join(str(value).splitlines())


def _short(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float) else _plain(value)


def _print_for_eyes(table: "pa.Table") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    shown = table.slice(0, TERMINAL_ROWS)
    cells = {
        name: [_short(v) for v in column.to_pylist()]
        for name, column in zip(shown.column_names, shown.columns, strict=True)
    }
    names = _fitting(cells, console.width)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        right = name != ELLIPSIS and _is_number(shown.column(name).type)
        drawn.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in zip(*(cells.get(name, [ELLIPSIS] * shown.num_rows) for name in names), strict=True):
        drawn.add_row(*row)
    console.print(drawn, markup=False, highlight=False)
    if len(names) < len(cells):
        hidden = len(cells) - len(names) + 1
        say(f"{count(hidden, 'column')} not shown; all of them with --format csv, or in a file with --output")
    if table.num_rows > shown.num_rows:
        say(f"the first {shown.num_rows} of {table.num_rows:,} rows")


def _fitting(cells: dict[str, list[str]], width: int) -> list[str]:
    """Return the names of the columns that fit a width, an ellipsis for those that don't."""
    names = list(cells)
    needs = {name: max(map(len, [name, *values])) + GAP for name, values in cells.items()}
    if sum(needs.values()) <= width or len(names) < 2:
        return names
    room = width - needs[names[0]] - len(ELLIPSIS) - GAP
    first = 1
    while first < len(names) - 1 and needs[names[first]] <= room:
        room -= needs[names[first]]
        first += 1
    return [*names[:first], ELLIPSIS]


def _write_csv(table: "pa.Table") -> None:
    from pyarrow import csv

    csv.write_csv(table, sys.stdout.buffer)


def _write_json(table: "pa.Table") -> None:
    sys.stdout.write("[")
    separator = "\n"
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            sys.stdout.write(separator + json.dumps(_json_value(row), ensure_ascii=False, default=str))
            separator = ",\n"
    sys.stdout.write("\n]\n")


def _json_value(value: Any) -> Any:
    """Replace what JSON cannot say, NaN and infinity, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _json_value(v) for name, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_json_value(v) for v in value]
    return value


def _write_parquet(table: "pa.Table") -> None:
    if sys.stdout.isatty():
        raise ConfigError("parquet is not for terminals; pipe it on, or name a file with --output")
    from pyarrow import parquet

    parquet.write_table(table, sys.stdout.buffer)


_WRITERS: dict[OutputFormat, Callable[["pa.Table"], None]] = {
    OutputFormat.TABLE: print_table,
    OutputFormat.CSV: _write_csv,
    OutputFormat.JSON: _write_json,
    OutputFormat.PARQUET: _write_parquet,
}
