"""Readers of exposure files.

A format is one module with ``recognises(file)`` and ``read_exposure(file)``, and one line in
`_FORMATS`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forcedsql.errors import ConfigError, ReadError

if TYPE_CHECKING:
    from forcedsql.exposure import Exposure
    from forcedsql.open_options import OpenOptions
    from forcedsql.readers.archive import ArchiveClass

# Modules are imported when the first file is opened: astropy takes its time.
_FORMATS = (
    ("afw ExposureF", "forcedsql.readers.afw"),
    ("lsst.images", "forcedsql.readers.lsst_images"),
    ("plain FITS", "forcedsql.readers.plain"),
)


def open_exposure(path: str | Path, *, options: "OpenOptions | None" = None) -> "Exposure":
    """Read a calibrated exposure from a file, whatever its format.

    Parameters
    ----------
    path : str or Path
        A FITS file, plain or gzipped.
    options : OpenOptions, optional
        How a plain FITS image is to be read: error, mask, PSF, zero point, ...

    Returns
    -------
    Exposure
        All of it in memory; the file is closed.

    Raises
    ------
    ReadError
        If there is no such file, it is damaged, or it is in no known format.
    FileLimitError
        If it asks for more memory or depth than `forcedsql.readers.limits` grants.
    ConfigError
        If the options do not fit the file, or it is of a format that takes none.
    """
    with recognised(Path(path)) as (reader, file):
        require_usable(options, reader)
        takes = hasattr(reader, "TAKES_OPTIONS")
        exposure: Exposure = reader.read_exposure(file, options) if takes else reader.read_exposure(file)
        return exposure


def require_usable(options: "OpenOptions | None", reader: Any) -> None:
    """Refuse options for a format whose files describe themselves; ConfigError."""
    if options is not None and options.given() and not hasattr(reader, "TAKES_OPTIONS"):
        raise ConfigError("it describes itself (afw or lsst.images): options are for plain FITS images")


def archive_classes(path: str | Path) -> tuple["ArchiveClass", ...]:
    """Return the classes of the objects that a file's archive holds, known or not.

    Raises
    ------
    ReadError
        As `open_exposure`.
    """
    with recognised(Path(path)) as (reader, file):
        classes: tuple[ArchiveClass, ...] = reader.archive_classes(file)
        return classes


@contextmanager
def recognised(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a file with the module of its format; every error names the file."""
    try:
        with import_module("forcedsql.readers.fits_file").open_fits(path) as file:
            yield reader_of(file), file
    except (ReadError, ConfigError) as fault:
        raise type(fault)(f"{path}: {fault}") from fault


def reader_of(file: Any) -> Any:
    """Return the module that reads an open file's format; ReadError if there is none."""
    for _, name in _FORMATS:
        module = import_module(name)
        if module.recognises(file):
            return module
    supported = ", ".join(name for name, _ in _FORMATS)
    raise ReadError(f"in no known format: its HDUs are {file.summary()}; supported: {supported}")
