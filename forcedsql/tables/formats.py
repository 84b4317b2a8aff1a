"""Formats of table files, and the suffixes they go by."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forcedsql.errors import ForcedSQLError, ReadError, TableError


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A file format: its name, and the suffixes it goes by."""

    name: str
    suffixes: tuple[str, ...]


FORMATS = (
    TableFormat("parquet", (".parquet", ".parq", ".pq")),
    TableFormat("csv", (".csv",)),
    TableFormat("ecsv", (".ecsv",)),
    TableFormat("fits", (".fits", ".fit")),
    TableFormat("votable", (".vot", ".votable", ".xml")),
    TableFormat("arrow", (".arrow", ".feather")),
)
"""Every format that `read_table` and `write_table` know."""


def table_format(path: str | Path) -> TableFormat:
    """Return the format that a file name's suffix stands for.

    Raises
    ------
    TableError
        If no format has that suffix.
    """
    path = Path(path)
    for format_ in FORMATS:
        if path.suffix.lower() in format_.suffixes:
            return format_
    known = ", ".join(suffix for format_ in FORMATS for suffix in format_.suffixes)
    raise TableError(f"{path}: no table format has the suffix {path.suffix!r}; use one of {known}")


def format_named(name: str) -> TableFormat:
    """Return the format of a name.

    Raises
    ------
    TableError
        If there is none of that name.
    """
    for format_ in FORMATS:
        if format_.name == name:
            return format_
    raise TableError(f"there is no table format {name!r}; use one of {', '.join(f.name for f in FORMATS)}")


@contextmanager
def translated(what: str, inaccessible: type[ForcedSQLError] = TableError) -> Iterator[None]:
    """Turn whatever a format library raises into one line that names the file.

    Parameters
    ----------
    what : str
        What cannot be done, with the name of the file.
    inaccessible : type
        What is raised where the operating system refuses.
    """
    try:
        yield
    except ReadError as error:
        raise TableError(f"{what}: {error}") from error
    except ForcedSQLError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else _first_line(error)
        raise inaccessible(f"{what}: {reason}") from error
    except Exception as error:
        raise TableError(f"{what}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
