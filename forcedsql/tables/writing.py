"""Tables into files, whole or batch by batch."""
# ruff: noqa: PLC0415 - each format's library is loaded when a file of that format is met

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from forcedsql.errors import OutputError
from forcedsql.file_names import complete_or_not_at_all
from forcedsql.tables.astropy_tables import plain_astropy
from forcedsql.tables.formats import format_named, table_format, translated
from forcedsql.tables.parquet_footer import parquet_footer, text_lengths_of

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter

ROW_GROUP = 122_880
"""Rows that are written at a time, and that a Parquet file keeps together: as DuckDB does."""


def write_table(table: pa.Table, path: str | Path, *, format_name: str | None = None) -> None:
    """Write a table to a file.

    The file appears under its name only when it is complete.  Parquet files carry units, UCDs
    and descriptions in their footer (VOParquet), CSV files do not carry them at all.

    Parameters
    ----------
    table : pyarrow.Table
    path : str or Path
    format_name : str, optional
        Name of one of `FORMATS`; by the suffix where not given.

    Raises
    ------
    TableError
        If the format is unknown, or cannot hold one of the columns.
    OutputError
        If the folder is not there or cannot be written to, or is full.
    """
    lengths = text_lengths_of(zip(table.schema, table.columns, strict=True))
    write_batches(table.to_reader(ROW_GROUP), path, lengths, format_name=format_name)


def write_batches(
    batches: pa.RecordBatchReader,
    path: str | Path,
    text_lengths: Mapping[str, int],
    *,
    format_name: str | None = None,
) -> int:
    """Write a table as it comes, batch by batch where the format allows it.

    Parameters
    ----------
    batches : pyarrow.RecordBatchReader
        Formats other than Parquet, CSV and Arrow gather them in memory.
    path : str or Path
    text_lengths : mapping of str to int
        Characters in the longest text of each column of text, for the footer of Parquet.
    format_name : str, optional
        As for `write_table`.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    TableError, OutputError
        As for `write_table`.
    """
    path = Path(path)
    format_ = table_format(path) if format_name is None else format_named(format_name)
    counted = _Counted(batches)
    with translated(f"cannot write {path}", OutputError), complete_or_not_at_all(path) as partial:
        _WRITERS[format_.name](counted.reader, partial, text_lengths)
    return counted.rows


class _Counted:
    """A reader that counts the rows it hands on."""

    def __init__(self, batches: pa.RecordBatchReader) -> None:
        self.rows = 0
        self.reader = pa.RecordBatchReader.from_batches(batches.schema, self._passed_on(batches))

    def _passed_on(self, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.rows += batch.num_rows
            yield batch


@contextmanager
def parquet_writer(
    path: Path, schema: pa.Schema, text_lengths: Mapping[str, int]
) -> "Iterator[ParquetWriter]":
    """Open a Parquet file whose footer describes its columns; see `parquet_footer`."""
    from pyarrow import parquet

    metadata = {**(schema.metadata or {}), **parquet_footer(schema, text_lengths)}
    with parquet.ParquetWriter(path, schema.with_metadata(metadata), compression="zstd") as writer:
        yield writer


def _write_parquet(batches: pa.RecordBatchReader, path: Path, text_lengths: Mapping[str, int]) -> None:
    with parquet_writer(path, batches.schema, text_lengths) as writer:
        for rows in _row_groups(batches):
            writer.write_table(rows)


def _row_groups(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Put small batches together, as a row group each would make a file slow to read."""
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        if sum(len(each) for each in pending) >= ROW_GROUP:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)


def _write_csv(batches: pa.RecordBatchReader, path: Path, _: Mapping[str, int]) -> None:
    from pyarrow import csv

    with csv.CSVWriter(os.fspath(path), batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_arrow(batches: pa.RecordBatchReader, path: Path, _: Mapping[str, int]) -> None:
    with pa.OSFile(os.fspath(path), "wb") as file, pa.ipc.new_file(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _astropy_writer(format_name: str) -> Callable[[pa.RecordBatchReader, Path, Mapping[str, int]], None]:
    def write(batches: pa.RecordBatchReader, path: Path, _: Mapping[str, int]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain_astropy(batches.read_all()).write(path, format=format_name, overwrite=True)

    return write


_WRITERS: dict[str, Callable[[pa.RecordBatchReader, Path, Mapping[str, int]], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "ecsv": _astropy_writer("ascii.ecsv"),
    "fits": _astropy_writer("fits"),
    "votable": _astropy_writer("votable"),
    "arrow": _write_arrow,
}
"""How each format is written, by its name."""
