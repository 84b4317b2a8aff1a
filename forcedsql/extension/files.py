"""Where the extension and its descriptor are: in the package, and installed for a shell."""

import os
from pathlib import Path

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ForcedSQLError

NAME = "forcedsql.duckdb_extension"
DESCRIPTOR_SUFFIX = ".descriptor"


def packaged_extension() -> Path:
    """Return the extension that was compiled with this package.

    Raises
    ------
    ForcedSQLError
        If it was not.
    """
    path = Path(__file__).resolve().with_name(NAME)
    if not path.exists():
        raise ForcedSQLError(
            "the DuckDB extension was not compiled when forcedsql was installed; "
            "install a C compiler, and forcedsql again"
        )
    return path


def installed_extension() -> Path:
    """Return where `install_extension` puts the extension, whether it is there or not."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data).absolute() / "forcedsql" / NAME


def install_extension(config: MeasurementConfig, target: Path | None = None) -> Path:
    """Put the extension where a shell may load it, its descriptor beside it.

    Parameters
    ----------
    config : MeasurementConfig
        Decides the columns that are measured.
    target : Path, optional
        The file; that of `installed_extension` if not given.

    Raises
    ------
    ForcedSQLError
        If the extension was not compiled.
    """
    from forcedsql.extension.descriptor import make_descriptor  # noqa: PLC0415 - loads the kernels

    source, target = packaged_extension(), target or installed_extension()
    target.parent.mkdir(parents=True, exist_ok=True)
    _replace(target, source.read_bytes())
    _replace(target.with_name(target.name + DESCRIPTOR_SUFFIX), make_descriptor(config).encode())
    return target


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step: a shell may have the old one loaded."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)
