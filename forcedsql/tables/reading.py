"""Tables out of files."""
# ruff: noqa: PLC0415 - each format's library is loaded when a file of that format is met

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from forcedsql.errors import TableError
from forcedsql.tables.astropy_tables import from_astropy
from forcedsql.tables.formats import table_format, translated
from forcedsql.tables.parquet_footer import described_by_footer


def read_table(path: str | Path) -> pa.Table:
    """Read a table from a file; the suffix says its format.

    Parameters
    ----------
    path : str or Path
        A parquet, csv, ecsv, fits, votable or arrow file.

    Returns
    -------
    pyarrow.Table
        Field metadata has ``unit``, ``ucd`` and ``description`` where the file does.

    Raises
    ------
    TableError
        If the suffix is unknown, or the file is missing or not of that format.
    """
    path = Path(path)
    format_ = table_format(path)
    if not path.is_file():
        raise TableError(f"cannot read {path}: there is no such file")
    with translated(f"cannot read {path} as {format_.name}"):
        return _READERS[format_.name](path)


def _read_parquet(path: Path) -> pa.Table:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        table, footer = file.read(), file.metadata.metadata or {}
    return table.cast(described_by_footer(table.schema, footer))


def _read_csv(path: Path) -> pa.Table:
    from pyarrow import csv

    # Arrow's default takes the text "nan" for NULL; a NaN flux is a value here.
    missing = csv.ConvertOptions(null_values=["", "NULL", "null", "None"], strings_can_be_null=True)
    return csv.read_csv(path, convert_options=missing)


def _read_arrow(path: Path) -> pa.Table:
    with pa.OSFile(os.fspath(path)) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        return reader.read_all()


def _read_astropy(path: Path, format_: str, **options: Any) -> pa.Table:
    from astropy.table import Table

    with warnings.catch_warnings():
        # What a file gets slightly wrong (unit spellings, VOTable pedantry) is read all the same.
        warnings.simplefilter("ignore")
        return from_astropy(Table.read(path, format=format_, **options))


def _read_ecsv(path: Path) -> pa.Table:
    return _read_astropy(path, "ascii.ecsv")


def _read_fits(path: Path) -> pa.Table:
    return _nan_for_null(_read_astropy(path, "fits"))


def _read_votable(path: Path) -> pa.Table:
    return _nan_for_null(_read_astropy(path, "votable"))


def _nan_for_null(table: pa.Table) -> pa.Table:
    """Undo astropy's masking of NaN, so that what was written comes back."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type) and table.column(i).null_count:
            table = table.set_column(i, field, table.column(i).fill_null(float("nan")))
    return table


_READERS: dict[str, Callable[[Path], pa.Table]] = {
    "parquet": _read_parquet,
    "csv": _read_csv,
    "ecsv": _read_ecsv,
    "fits": _read_fits,
    "votable": _read_votable,
    "arrow": _read_arrow,
}
"""How each format is read, by its name."""
