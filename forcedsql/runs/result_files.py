"""Results in a folder: ``exposure=ID/part-0.parquet``, each whole or not there."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa
from pyarrow import parquet

from forcedsql.errors import OutputError
from forcedsql.runs.stored_result import Fingerprint, StoredResult
from forcedsql.tables.parquet_footer import text_lengths_of
from forcedsql.tables.writing import parquet_writer

_PREFIX = "exposure="
_PART = "part-0.parquet"
_UNFINISHED = ".tmp"
_SPACE_HINT = "make room or name another folder, and run the same command again"


def result_path(folder: Path, exposure_id: str) -> Path:
    """Return where the rows of an exposure are, its id quoted as Hive partitions are."""
    return folder / f"{_PREFIX}{quote(exposure_id, safe='')}" / _PART


def write_result(table: pa.Table, folder: Path, exposure_id: str) -> None:
    """Write the rows of an exposure; under its name the file is complete and on the disk.

    Units, UCDs and descriptions of the columns are in its footer, as VOParquet has them.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is there still.
    """
    path = result_path(folder, exposure_id)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_UNFINISHED}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lengths = text_lengths_of(zip(table.schema, table.columns, strict=True))
            with parquet_writer(partial, table.schema, lengths) as writer:
                writer.write_table(table)
            _sync(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_name(path)
        _sync_name(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}; {_SPACE_HINT}") from error


def prepare_folder(folder: Path) -> None:
    """Make a results folder, see that it can be written to, and clear what a killed run left half done.

    Raises
    ------
    OutputError
        If it cannot be made or written to.
    """
    probe = folder / f".{uuid.uuid4().hex}{_UNFINISHED}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        for unfinished in folder.glob(f"{_PREFIX}*/*{_UNFINISHED}"):
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {_reason(error)}; name a folder of your own with --out"
        ) from error


def stored_results(folder: Path) -> Iterator[tuple[str, StoredResult]]:
    """Yield the exposures whose results are in a folder, by the footers of the files.

    A file that is not one of ours, or is damaged, is passed over, and will be replaced.
    """
    for path in sorted(folder.glob(f"{_PREFIX}*/{_PART}")):
        stored = _read_footer(path)
        if stored is not None:
            yield unquote(path.parent.name.removeprefix(_PREFIX)), stored


def _read_footer(path: Path) -> StoredResult | None:
    try:
        footer = parquet.read_metadata(path)
        facts = {k.decode(): v.decode() for k, v in (footer.metadata or {}).items() if k != b"ARROW:schema"}
        found = {name: facts[f"forcedsql.{name}"] for name in ("run_id", "catalog")}
        made_from = {name: facts[f"forcedsql.{name}"] for name in Fingerprint.__slots__}
    except (OSError, pa.ArrowInvalid, KeyError, UnicodeDecodeError):
        return None
    return StoredResult(**found, fingerprint=Fingerprint(**made_from), rows=int(footer.num_rows))


def _sync_name(path: Path) -> None:
    """Make a name in its folder last a power failure, where the system can."""
    if os.name == "posix":
        _sync(path.parent)


def _sync(path: Path) -> None:
    """Have a file or folder put on the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
