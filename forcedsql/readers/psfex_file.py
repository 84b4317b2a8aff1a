"""PSFEx models: ``.psf`` files, and tables into which one row per CCD was merged.

Options in brackets: ``hdu`` where a file has a model per CCD in an HDU each, ``row`` or any
column's value (``expnum=630780,ccdname=N2``) where a table has several rows, ``origin_x`` and
``origin_y`` for an image that was cut out of the one that the model was made for.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from forcedsql.arrays import Float32Array
from forcedsql.errors import ConfigError, ReadError, UnsupportedError
from forcedsql.geometry import Box
from forcedsql.psf.psfex import PsfexPsf
from forcedsql.readers import limits
from forcedsql.readers.cards import Cards, column_names, parsed_number, parsed_whole
from forcedsql.readers.fits_file import FitsFile, reading
from forcedsql.readers.psf_options import PsfOptions
from forcedsql.readers.psf_pixels import model_faults, require_centred_within

_OWN_OPTIONS = frozenset(("hdu", "row", "origin_x", "origin_y"))
_PIXELS = "PSF_MASK"
_AXES = "XY"
_FARTHEST = 3.0
_ROWS_IN_MESSAGE = 4


def recognises(file: FitsFile, index: int) -> bool:
    """Tell whether an HDU is a table with a column of PSFEx images."""
    return _PIXELS in column_names(file.cards(index))


def read_psf(file: FitsFile, index: int, options: PsfOptions, box: Box) -> PsfexPsf:
    """Read the model of one row.

    Parameters
    ----------
    file : FitsFile
    index : int
        HDU that `recognises`.
    options : PsfOptions
    box : Box
        The image that the PSF is for, in parent pixels.

    Raises
    ------
    ConfigError
        If an option is neither known nor a column.
    ReadError
        If no row or several are meant, or the model is damaged or far from the image.
    UnsupportedError
        If it varies with something else than the position on the image.

    Notes
    -----
    Keywords are those of PSFEx ``src/field.c``; merged tables, those of legacypipe
    ``legacyzpts/merge_calibs.py``, hold them as columns in lower case, and images of several
    sizes padded with zeros at their ends.  PSFEx counts pixels from 1, this package from 0.
    """
    if not options.text("hdu"):
        _require_one_model(file, index)
    table = file.table(index)
    model = _Model(file.cards(index), table, _row(table, options))
    offset, scale = model.position_variables()
    origin_x, origin_y = options.origin
    components = model.components()
    step = model.number("PSF_SAMP")
    longest = max(components.shape[1:]) * step
    if not 0.0 < longest <= limits.MAX_KERNEL_SIDE:
        raise ReadError(f"the PSF is {longest:g} pixels wide; up to {limits.MAX_KERNEL_SIDE} are read")
    offset = (offset[0] - 1.0 - origin_x, offset[1] - 1.0 - origin_y)
    with model_faults():
        psf = PsfexPsf(components, model.degree, offset, scale, step)
    _require_near(psf, box)
    return psf


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """One row of a table of models, whose facts are in columns or in the header."""

    cards: Cards
    table: Any
    row: int

    def fact(self, name: str) -> Any:
        for column in self.table.names:
            if column.upper() == name:
                with reading(f"column {column} of the PSFEx model"):
                    value = self.table[column][self.row]
                return value.item() if isinstance(value, np.generic) else value
        return self.cards.get(name)

    def number(self, name: str) -> float:
        value = parsed_number(self.fact(name))
        if value is None:
            raise ReadError(f"{name} of the PSFEx model is {self.fact(name)!r}, not a number")
        return value

    def whole(self, name: str) -> int:
        value = parsed_whole(self.fact(name))
        if value is None:
            raise ReadError(f"{name} of the PSFEx model is {self.fact(name)!r}, not a whole number")
        return value

    @property
    def varies(self) -> bool:
        """Whether there is a polynomial at all."""
        return self.whole("POLNAXIS") > 0

    @property
    def degree(self) -> int:
        """Degree of the polynomial in both variables."""
        degree = self.whole("POLDEG1") if self.varies else 0
        limits.require_at_most(degree, limits.MAX_POLYNOMIAL_ORDER, "degree of the PSFEx model")
        return degree

    def position_variables(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return offset and scale of x and y, in pixels from 1."""
        if not self.varies:
            return (0.0, 0.0), (1.0, 1.0)
        variables = self.whole("POLNAXIS")
        names = [str(self.fact(f"POLNAME{k + 1}")).strip() for k in range(min(variables, 3))]
        known = [re.fullmatch(rf"{axis}\w*_IMAGE", name) for axis, name in zip(_AXES, names, strict=False)]
        if variables != len(_AXES) or not all(known):
            shown = ", ".join(names) + (", ..." if variables > len(names) else "")
            raise UnsupportedError(f"the PSFEx model varies with {shown}; X_IMAGE, Y_IMAGE are supported")
        if self.whole("POLNGRP") != 1:
            raise UnsupportedError("the PSFEx model has a polynomial for each of x and y; one is supported")
        zero_x, zero_y, scale_x, scale_y = (
            self.number(f"{name}{k}") for name in ("POLZERO", "POLSCAL") for k in (1, 2)
        )
        return (zero_x, zero_y), (scale_x, scale_y)

    def components(self) -> Float32Array:
        """Return the images of the polynomial's terms, (k, h, w), without padding."""
        sides = [self.whole(f"PSFAXIS{k + 1}") for k in range(2)]
        count = self.whole("PSFAXIS3") if self.whole("PSFNAXIS") > 2 else 1
        for side in sides:
            limits.require_at_most(side, limits.MAX_KERNEL_SIDE, "elements along a side of the PSFEx model")
        limits.require_at_most(count, limits.MAX_KERNEL_COMPONENTS, "components of the PSFEx model")
        shape = (count, sides[1], sides[0])
        if min(shape) < 1:
            raise ReadError(f"the PSFEx model has a shape of {shape}")
        with reading("the PSFEx images"):
            stored = np.asarray(self.fact(_PIXELS), dtype=np.float32)
        if stored.size == math.prod(shape):
            return stored.reshape(shape)
        padded = stored[None] if stored.ndim == 2 else stored
        if padded.ndim != 3 or any(has < needs for has, needs in zip(padded.shape, shape, strict=True)):
            raise ReadError(f"the PSFEx images have the shape {stored.shape}; {shape} is expected")
        return padded[:count, : shape[1], : shape[2]]


def _require_one_model(file: FitsFile, index: int) -> None:
    others = index + 1
    if file.has(others) and recognises(file, others):
        raise ReadError(f"several HDUs hold a PSFEx model, from {index} on; choose one with [hdu=...]")


def _row(table: Any, options: PsfOptions) -> int:
    """Return the row that the options choose."""
    columns = {str(name).lower(): str(name) for name in table.names}
    wanted = {name: text for name, text in options.values.items() if name not in _OWN_OPTIONS}
    for name in wanted:
        if name not in columns or name == _PIXELS.lower():
            known = ", ".join((*sorted(_OWN_OPTIONS), *sorted(set(columns) - {_PIXELS.lower()})))
            raise ConfigError(f"there is no option or column {name!r}; there are {known}")
    rows = np.arange(len(table))
    for name, text in wanted.items():
        values = table[columns[name]]
        rows = rows[[str(values[row]).strip() == text for row in rows]]
    chosen = options.whole("row")
    if chosen is not None:
        rows = rows[rows == chosen]
    if len(rows) == 1:
        return int(rows[0])
    asked = ", ".join(f"{name}={text}" for name, text in options.values.items()) or "no option"
    raise ReadError(f"{asked} chooses {len(rows)} of {len(table)} rows; one is needed{_hint(table, columns)}")


def _hint(table: Any, columns: dict[str, str]) -> str:
    """Name some rows by what tells CCDs apart."""
    names = [name for name in ("expnum", "ccdname") if name in columns]
    if not names:
        return ": choose it with [row=...]"
    rows = min(len(table), _ROWS_IN_MESSAGE)
    shown = "; ".join(
        ",".join(f"{name}={str(table[columns[name]][row]).strip()}" for name in names) for row in range(rows)
    )
    return f": choose it with [{shown}{'; ...' if len(table) > rows else ''}]"


def _require_near(psf: PsfexPsf, box: Box) -> None:
    """Refuse a model that would be extrapolated without sense."""
    if psf.degree > 0:
        (x, y), (reach_x, reach_y) = psf.offset, (_FARTHEST * abs(scale) for scale in psf.scale)
        low, high = (x - reach_x, y - reach_y), (x + reach_x, y + reach_y)
        require_centred_within(box, low, high, "the PSFEx model")
