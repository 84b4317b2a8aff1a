"""Decoder of PsfexPsf (meas_extensions_psfex ``src/PsfexPsf.cc``)."""

import numpy as np

from forcedsql.errors import ReadError
from forcedsql.psf.psfex import PsfexPsf
from forcedsql.readers import limits
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.readers.rows import Rows


def _psfex_psf(source: ArchiveObject) -> PsfexPsf:
    sizes, row = source.row(), source.row(catalog=1)
    _require_one_polynomial_of_position(sizes, row, source)
    degree = row.integer("degree")
    limits.require_at_most(degree, limits.MAX_POLYNOMIAL_ORDER, f"degree of {source.label}")
    width, height, count = _shape(row, source)
    pixel_step = sizes.number("_pixstep")
    longest = max(width, height) * pixel_step
    if not 0.0 < longest <= limits.MAX_KERNEL_SIDE:
        raise ReadError(f"{source.label} is {longest} pixels wide; up to {limits.MAX_KERNEL_SIDE} are read")
    limit = width * height * count
    pixels = row.vector("_comp", limit=limit)
    if pixels.size != limit:
        raise ReadError(f"{source.label} has {pixels.size} values for {count} x {height} x {width}")
    return PsfexPsf(
        pixels.astype(np.float32).reshape(count, height, width),
        degree,
        _two(row, "_context_first", source),
        _two(row, "_context_second", source),
        pixel_step,
    )


def _require_one_polynomial_of_position(sizes: Rows, row: Rows, source: ArchiveObject) -> None:
    variables, groups = sizes.integer("ndim"), sizes.integer("ngroup")
    if variables != 2:
        raise UnknownClassError(f"{source.class_name} of {variables} variables")
    if groups != 1 or len(set(row.ids("group"))) != 1:
        raise UnknownClassError(f"{source.class_name} with several polynomials")


def _shape(row: Rows, source: ArchiveObject) -> tuple[int, int, int]:
    shape = row.ids("_size")
    if len(shape) not in {2, 3} or min(shape) < 1:
        raise ReadError(f"{source.label} has a size of {shape}")
    width, height, count = shape if len(shape) == 3 else (*shape, 1)
    for side in (width, height):
        limits.require_at_most(side, limits.MAX_KERNEL_SIDE, f"elements along a side of {source.label}")
    limits.require_at_most(count, limits.MAX_KERNEL_COMPONENTS, f"components of {source.label}")
    return width, height, count


def _two(row: Rows, name: str, source: ArchiveObject) -> tuple[float, float]:
    values = row.vector(name, limit=2)
    if values.size != 2:
        raise ReadError(f"{source.label}: {name} has {values.size} elements where 2 are expected")
    return float(values[0]), float(values[1])


DECODERS = {"PsfexPsf": Decoder("PSF", _psfex_psf)}
