"""SDSS psField files: the Karhunen-Loeve PSF of a field in each of its bands.

Options in brackets: ``band``, one of u, g, r, i, z, or the ``hdu`` that holds it; ``origin_x`` and
``origin_y``, the column and row of the field that is pixel (0, 0) of the image.
"""

from typing import Any

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError, ReadError
from forcedsql.geometry import Box
from forcedsql.psf.sdss import SdssPsf
from forcedsql.readers import limits
from forcedsql.readers.cards import column_names, text_card
from forcedsql.readers.fits_file import FitsFile, reading
from forcedsql.readers.psf_options import PsfOptions
from forcedsql.readers.psf_pixels import model_faults, require_centred_within

_OPTIONS = frozenset(("hdu", "band", "origin_x", "origin_y"))
_COLUMNS = frozenset(("RROWS", "RNROW", "RNCOL", "NROW_B", "NCOL_B", "C"))
_FIRST_BAND = 1
_FIELD = 2048, 1489
"""Columns and rows of a field."""


def recognises(file: FitsFile, index: int) -> bool:
    """Tell whether an HDU is a table of eigenimages."""
    return set(column_names(file.cards(index))) >= _COLUMNS


def read_psf(file: FitsFile, index: int, options: PsfOptions, box: Box) -> SdssPsf:
    """Read the PSF of one band; see the module for `options`.

    Raises
    ------
    ConfigError
        If no band is chosen, or an option is unknown or of a wrong value.
    ReadError
        If the eigenimages are damaged or too large.
    """
    options.require_known("sdss", _OPTIONS)
    index = _band(file, index, options)
    if not recognises(file, index):
        raise ReadError(f"HDU {index} holds no eigenimages of an SDSS PSF")
    table = file.table(index)
    limits.require_at_most(len(table), limits.MAX_KERNEL_COMPONENTS, f"eigenimages in HDU {index}")
    with reading(f"the eigenimages of HDU {index}"):
        images = [_eigenimage(table, row) for row in range(len(table))]
        coefficients = [_coefficients(table, row) for row in range(len(table))]
    if len({image.shape for image in images}) != 1:
        raise ReadError(f"HDU {index} holds {len(images)} eigenimages, not of one size")
    origin_x, origin_y = options.origin
    columns, rows = _FIELD
    require_centred_within(
        box, (-origin_x, -origin_y), (columns - origin_x, rows - origin_y), "the PSF of an SDSS field"
    )
    with model_faults():
        return SdssPsf(np.stack(images), coefficients, options.origin)


def _band(file: FitsFile, index: int, options: PsfOptions) -> int:
    """Return the HDU of the band that is asked for; bands are in the order of the card FILTERS."""
    bands = text_card(file.cards(0), "FILTERS").split()
    band = options.text("band")
    if band:
        if band not in bands:
            raise ConfigError(f"there is no band {band!r}; there are {', '.join(bands) or 'none named'}")
        return _FIRST_BAND + bands.index(band)
    if not options.text("hdu"):
        raise ConfigError(f"the file holds the PSF of each band: choose one of [band={'|'.join(bands)}]")
    return index


def _eigenimage(table: Any, row: int) -> FloatArray:
    rows, columns = int(table["RNROW"][row]), int(table["RNCOL"][row])
    for side in (rows, columns):
        limits.require_at_most(side, limits.MAX_PSF_SIDE, "pixels along a side of an eigenimage")
    pixels = np.asarray(table["RROWS"][row], dtype=np.float64)
    if min(rows, columns) < 1 or pixels.size != rows * columns:
        raise ReadError(f"an eigenimage of {pixels.size} pixels where {columns} x {rows} are expected")
    return pixels.reshape(rows, columns)


def _coefficients(table: Any, row: int) -> FloatArray:
    rows, columns = int(table["nrow_b"][row]), int(table["ncol_b"][row])
    stored = np.asarray(table["c"][row], dtype=np.float64)
    if stored.ndim != 2 or not (0 < rows <= stored.shape[0] and 0 < columns <= stored.shape[1]):
        raise ReadError(f"{rows} x {columns} coefficients of an eigenimage out of {stored.shape}")
    return stored[:rows, :columns]
