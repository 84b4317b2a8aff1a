"""PSF models in FITS files of their own: which kind a file is, and which of its HDUs.

A kind is one module with ``recognises(file, hdu)`` and ``read_psf(file, hdu, options, box)``, and
one line in `_KINDS`; its docstring says which options it takes.  Every kind takes the option ``hdu``,
a number from 0 or a name.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from forcedsql.errors import ConfigError, ReadError
from forcedsql.geometry import Box
from forcedsql.psf.protocol import Psf
from forcedsql.readers.cards import parsed_whole
from forcedsql.readers.fits_file import FitsFile, open_fits
from forcedsql.readers.psf_options import PsfOptions

# What is told apart by its header alone comes before what any image could be.
_KINDS = {
    "psfex": "forcedsql.readers.psfex_file",
    "sdss": "forcedsql.readers.sdss_psf_file",
    "grid": "forcedsql.readers.psf_grid_file",
    "stamp": "forcedsql.readers.psf_stamp_file",
}
FILE_KINDS = tuple(_KINDS)


def read_psf_file(path: Path, kind: str, options: PsfOptions, box: Box) -> Psf:
    """Read the PSF model of a FITS file.

    Parameters
    ----------
    path : Path
        A FITS file, plain or gzipped.
    kind : str
        One of `FILE_KINDS`; "" to find it by the file's content.
    options : PsfOptions
    box : Box
        The image that the PSF is for, in parent pixels.

    Raises
    ------
    ConfigError
        If an option is unknown, or of a wrong value.
    ReadError
        If the file is not there, is damaged, or holds no such PSF.
    """
    try:
        with open_fits(path) as file:
            index, module = _find(file, kind, options)
            psf: Psf = module.read_psf(file, index, options, box)
            return psf
    except (ReadError, ConfigError) as fault:
        raise type(fault)(f"{path}: {fault}") from fault


def _find(file: FitsFile, kind: str, options: PsfOptions) -> tuple[int, Any]:
    """Return the HDU of the PSF and the module that reads it."""
    modules = [import_module(_KINDS[name]) for name in ([kind] if kind else _KINDS)]
    named = options.text("hdu")
    candidates = [_hdu_named(file, named)] if named else file.indices()
    for index in candidates:
        for module in modules:
            if module.recognises(file, index):
                return index, module
    where = f"in HDU {named}" if named else "in any of its HDUs"
    what = kind or ", ".join(_KINDS)
    raise ReadError(f"there is no PSF ({what}) {where}; the file holds {file.summary()}")


def _hdu_named(file: FitsFile, named: str) -> int:
    number = parsed_whole(named)
    if number is not None:
        if not file.has(number):
            raise ReadError(f"there is no HDU {named}; the file holds {file.summary()}")
        return number
    for index in file.indices():
        if str(file.cards(index).get("EXTNAME", "")).strip().upper() == named.upper():
            return index
    raise ReadError(f"there is no HDU named {named!r}; the file holds {file.summary()}")
