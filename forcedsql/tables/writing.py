"""Tables into files."""
# ruff: noqa: PLC0415 - each format's library is loaded when a file of that format is met

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from forcedsql.tables.astropy_tables import plain_astropy
from forcedsql.tables.formats import table_format, translated


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write a table to a file; the suffix says its format.

    The file appears under its name only when it is complete.

    Raises
    ------
    TableError
        If the suffix is unknown, the folder cannot be written to, or the format cannot
        hold one of the columns.
    """
    path = Path(path)
    format_ = table_format(path)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with translated(f"cannot write {path}"):
            _WRITERS[format_.name](table, partial)
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(table: pa.Table, path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table, path, compression="zstd")


def _write_csv(table: pa.Table, path: Path) -> None:
    from pyarrow import csv

    csv.write_csv(table, path)


def _write_arrow(table: pa.Table, path: Path) -> None:
    with pa.OSFile(os.fspath(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _write_astropy(table: pa.Table, path: Path, format_: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain_astropy(table).write(path, format=format_, overwrite=True)


def _write_ecsv(table: pa.Table, path: Path) -> None:
    _write_astropy(table, path, "ascii.ecsv")


def _write_fits(table: pa.Table, path: Path) -> None:
    _write_astropy(table, path, "fits")


def _write_votable(table: pa.Table, path: Path) -> None:
    _write_astropy(table, path, "votable")


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "ecsv": _write_ecsv,
    "fits": _write_fits,
    "votable": _write_votable,
    "arrow": _write_arrow,
}
"""How each format is written, by its name."""
