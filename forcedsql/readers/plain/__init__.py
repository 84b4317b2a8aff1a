"""Reader of plain FITS images: an image, and error, mask and PSF wherever they are.

What a file does not say is found by convention, given by a survey's profile, or by the user
(`OpenOptions`), each over the one before; `Exposure.origins` says what was taken.
"""

from forcedsql.exposure import Exposure
from forcedsql.open_options import OpenOptions
from forcedsql.readers.archive import ArchiveClass
from forcedsql.readers.fits_file import FitsFile
from forcedsql.readers.plain.locations import Hdu, folder_of
from forcedsql.readers.plain.parts import read_parts

TAKES_OPTIONS = True
"""Marks the reader whose files need not say everything themselves."""


def recognises(file: FitsFile) -> bool:
    """Tell whether a file holds an image of two dimensions."""
    number = 0
    while file.has(number):
        if Hdu(file, file.path, number).is_image():
            return True
        number += 1
    return False


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
    with folder_of(file.path, file) as folder:
        return read_parts(folder, options or OpenOptions())


def archive_classes(_: FitsFile) -> tuple[ArchiveClass, ...]:
    """Return no class: plain images have no archive."""
    return ()
