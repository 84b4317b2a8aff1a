"""Reader of plain FITS images: an image, and error, mask and PSF wherever they are.

What a file does not say is found by convention, given by a survey's profile, or by the user
(`OpenOptions`), each over the one before; `Exposure.origins` says what was taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forcedsql.exposure import Exposure
from forcedsql.open_options import OpenOptions
from forcedsql.readers.archive import ArchiveClass
from forcedsql.readers.fits_file import FitsFile
from forcedsql.readers.plain.locations import Hdu, folder_of
from forcedsql.readers.plain.parts import read_parts, resolve

TAKES_OPTIONS = True
"""Marks the reader whose files need not say everything themselves."""


def recognises(file: FitsFile) -> bool:
    """Tell whether a file holds an image of two dimensions."""
    return any(Hdu(file, file.path, number).is_image() for number in file.indices())


def read_exposure(file: FitsFile, options: OpenOptions | None = None) -> Exposure:
    """Read a plain image with whatever belongs to it.

    Parameters
    ----------
    file : FitsFile
    options : OpenOptions, optional
        What is not to be left to convention.

    Raises
    ------
    ConfigError
        If the options do not fit the file.
    ReadError
        If a file is damaged, or its parts do not fit together.
    FileLimitError
        If it asks for more than `forcedsql.readers.limits` grants.
    """
    return read_plain(file, options).exposure


@dataclass(frozen=True, slots=True, eq=False)
class PlainImage:
    """An image as it was read, and how to read it so again.

    Parameters
    ----------
    exposure : Exposure
    options : OpenOptions
        Complete: nothing is left to what may lie beside the image another time.
    side_files : tuple of Path
        The other files that it is made of.
    """

    exposure: Exposure
    options: OpenOptions
    side_files: tuple[Path, ...]


def read_plain(
    file: FitsFile,
    options: OpenOptions | None = None,
    *,
    require_allowed: Callable[[Path], object] | None = None,
) -> PlainImage:
    """Read a plain image; see `read_exposure`.

    `require_allowed` is asked before any other file is opened, and raises for one that must not be.
    """
    with folder_of(file, require_allowed) as folder:
        resolved = resolve(folder, options or OpenOptions())
        exposure = read_parts(folder, resolved)
        return PlainImage(exposure, resolved.pinned, folder.side_files)


def pinned_options(file: FitsFile, options: OpenOptions | None = None) -> OpenOptions:
    """Return the options of `read_plain` without reading pixels."""
    with folder_of(file) as folder:
        return resolve(folder, options or OpenOptions()).pinned


def archive_classes(_: FitsFile) -> tuple[ArchiveClass, ...]:
    """Return no class: plain images have no archive."""
    return ()
