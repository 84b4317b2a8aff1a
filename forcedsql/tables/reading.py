"""Tables out of files, folders and standard input."""
# ruff: noqa: PLC0415 - each format's library is loaded when a file of that format is met

import re
import sys
import warnings
from collections.abc import Callable
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa

from forcedsql.errors import ReadError, TableError
from forcedsql.file_names import is_file, is_folder
from forcedsql.readers import limits
from forcedsql.readers.unpacking import unpacked
from forcedsql.tables.astropy_tables import from_astropy
from forcedsql.tables.formats import TableFormat, format_named, table_format, translated
from forcedsql.tables.hats import is_hats, read_hats
from forcedsql.tables.parquet_footer import described_by_footer

STANDARD_INPUT = "-"
"""The name under which a table is read from standard input."""

_UNTRUSTED_XML = {
    rb"<!ENTITY": "defines XML entities",
    rb"<[\w:]*STREAM\s[^>]*href": "has its data in another place (STREAM href)",
}
"""What a VOTable is refused for, and how that is said: astropy would open any URL it names."""

_MOST_FIELDS = 2_000
"""Columns of a VOTable: astropy takes time for the square of their number."""

_MOST_ECSV_HEADER = 1 << 18
"""Bytes of the YAML in an ECSV file: its parser takes five to eight seconds for each MiB."""

Source = Path | BytesIO

_FIRST_BYTES = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
    b"SIMPLE  =": "fits",
    b"# %ECSV": "ecsv",
    b"<?xml": "votable",
    b"<VOTABLE": "votable",
}


def read_table(path: str | Path, *, format_name: str | None = None) -> pa.Table:
    """Read a table from a file, a HATS catalogue folder, or standard input.

    Parameters
    ----------
    path : str or Path
        A parquet, csv, ecsv, fits, votable or arrow file, compressed by gzip (``.gz``) or not;
        the folder of a HATS catalogue; or ``-`` for standard input.
    format_name : str, optional
        Name of one of `FORMATS`.  Where not given, the suffix says the format of a file, and
        its first bytes that of standard input: CSV if they are those of no other.

    Returns
    -------
    pyarrow.Table
        Field metadata has ``unit``, ``ucd`` and ``description`` where the file does.

    Raises
    ------
    TableError
        If the suffix or format is unknown, or the file is missing or not of that format.
    """
    given = None if format_name is None else format_named(format_name)
    if str(path) == STANDARD_INPUT:
        return _read_standard_input(given)
    path = Path(path)
    if is_folder(path):
        if not is_hats(path):
            raise TableError(f"{path} is a folder without hats.properties; give a file or a HATS catalogue")
        with translated(f"cannot read the HATS catalogue {path}"):
            return read_hats(path)
    format_ = given or table_format(path.with_suffix("") if path.suffix.lower() == ".gz" else path)
    if not is_file(path):
        raise TableError(f"cannot read {path}: there is no such file")
    what = f"cannot read {path} as {format_.name}"
    with translated(what), path.open("rb") as file, unpacked(file) as plain:
        return _READERS[format_.name](path if plain is file else BytesIO(plain.read()))


def _read_standard_input(given: TableFormat | None) -> pa.Table:
    data = sys.stdin.buffer.read()
    looks_like = next((name for start, name in _FIRST_BYTES.items() if data.startswith(start)), "csv")
    format_ = given or format_named(looks_like)
    with translated(f"cannot read standard input as {format_.name}"):
        return _READERS[format_.name](BytesIO(data))


def _read_parquet(source: Source) -> pa.Table:
    from pyarrow import parquet

    with parquet.ParquetFile(source) as file:
        table, footer = _validated(file.read()), file.metadata.metadata or {}
    return table.cast(described_by_footer(table.schema, footer))


def _read_csv(source: Source) -> pa.Table:
    from pyarrow import csv

    # Arrow's default takes the text "nan" for NULL; a NaN flux is a value here.
    missing = csv.ConvertOptions(null_values=["", "NULL", "null", "None"], strings_can_be_null=True)
    return _validated(csv.read_csv(source, convert_options=missing))


def _read_arrow(source: Source) -> pa.Table:
    with pa.input_stream(source, compression=None) as stream:
        data = stream.read_buffer()
    is_file = data.slice(0, 6).to_pybytes() == b"ARROW1"
    reader = pa.ipc.open_file(data) if is_file else pa.ipc.open_stream(data)
    return _validated(reader.read_all())


def _validated(table: pa.Table) -> pa.Table:
    """Check what Arrow trusts a file in: offsets, lengths, text and names; ValueError."""
    table.validate(full=True)
    for name in table.column_names:
        name.encode()
    return table


def _read_astropy(source: Any, format_: str) -> pa.Table:
    from astropy.table import Table

    with warnings.catch_warnings():
        # What a file gets slightly wrong (unit spellings, VOTable pedantry) is read all the same.
        warnings.simplefilter("ignore")
        table = Table.read(source, format=format_)
    try:
        return from_astropy(table)
    except TableError as error:
        raise ReadError(str(error)) from error  # to be told with the name of the file


def _read_ecsv(source: Source) -> pa.Table:
    content = _content(source)
    header = takewhile(lambda line: line.startswith(b"#"), BytesIO(content))
    limits.require_at_most(sum(map(len, header)), _MOST_ECSV_HEADER, "bytes of the ECSV header")
    # astropy's text reader takes text with line ends for the table itself.
    return _read_astropy(content.decode() + "\n", "ascii.ecsv")


def _read_fits(source: Source) -> pa.Table:
    from forcedsql.readers.fits_file import open_fits

    with open_fits(source) as file:
        return _nan_for_null(_read_astropy(file.first_table(), "fits"))


def _read_votable(source: Source) -> pa.Table:
    content = _content(source)
    # In UTF-16 every other byte is 0.
    text = content.replace(b"\0", b"")
    limits.require_at_most(text.count(b"<FIELD"), _MOST_FIELDS, "columns")
    for mark, what in _UNTRUSTED_XML.items():
        if re.search(mark, text):
            raise ReadError(f"it {what}, which is not followed")
    return _nan_for_null(_read_astropy(BytesIO(content), "votable"))


def _content(source: Source) -> bytes:
    return source.getvalue() if isinstance(source, BytesIO) else source.read_bytes()


def _nan_for_null(table: pa.Table) -> pa.Table:
    """Undo astropy's masking of NaN, so that what was written comes back."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type) and table.column(i).null_count:
            table = table.set_column(i, field, table.column(i).fill_null(float("nan")))
    return table


_READERS: dict[str, Callable[[Source], pa.Table]] = {
    "parquet": _read_parquet,
    "csv": _read_csv,
    "ecsv": _read_ecsv,
    "fits": _read_fits,
    "votable": _read_votable,
    "arrow": _read_arrow,
}
"""How each format is read, by its name."""
