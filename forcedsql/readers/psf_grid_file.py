"""Grids of PSFs for photutils: STScI's STDPSF files, and those that WebbPSF and STPSF write.

Options in brackets: ``detector``, which a STDPSF file of several detectors needs, as photutils
numbers them (WFPC2: 1 PC, 2 WF2, 3 WF3, 4 WF4; ACS/WFC and WFC3/UVIS: 1 the lower chip, 2 the upper
one; NIRCam short wave: 1 to 4 A1 to A4, 5 to 8 B1 to B4); ``size``, the longest side to draw, in
pixels; ``origin_x`` and ``origin_y``, the detector pixel that is pixel (0, 0) of the image; ``hdu``.
"""

import re
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError, ReadError
from forcedsql.geometry import Box
from forcedsql.psf.gridded import GriddedPsf
from forcedsql.readers.cards import Cards, integer_card, number_card, parsed_number, text_card
from forcedsql.readers.fits_file import FitsFile
from forcedsql.readers.psf_options import PsfOptions
from forcedsql.readers.psf_pixels import (
    image_axes,
    model_faults,
    psf_pixels,
    require_centred_within,
    require_drawable,
)

_OPTIONS = frozenset(("hdu", "detector", "size", "origin_x", "origin_y"))
_STDPSF_OVERSAMPLING = 4.0
_NUMBER = r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*"
_PAIR = re.compile(rf"\s*\({_NUMBER},{_NUMBER}\)\s*")


@dataclass(frozen=True, slots=True)
class _Mosaic:
    """How a STDPSF file lays out several detectors.

    Parameters
    ----------
    across, up : int
        Detectors side by side, and one above the other.
    side : int, pixel
        Distance from one to the next.
    places : tuple of int
        Where the first, second, ... detector is, counted from the lower left, row by row.
    """

    across: int
    up: int
    side: int
    places: tuple[int, ...]


# Files are told apart by how many PSFs they hold (photutils ``psf/model_io.py``).
_MOSAICS = {
    36: _Mosaic(2, 2, 800, (3, 2, 0, 1)),
    56: _Mosaic(1, 2, 2048, (0, 1)),
    90: _Mosaic(1, 2, 2048, (0, 1)),
    200: _Mosaic(4, 2, 2048, (0, 4, 1, 5, 7, 3, 6, 2)),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Images (ny, nx, rows, columns) at columns x (nx,) and rows y (ny,) of pixels from 0."""

    images: FloatArray
    x: FloatArray
    y: FloatArray
    oversampling: float


def recognises(file: FitsFile, index: int) -> bool:
    """Tell whether an HDU is a stack of images with the cards of a grid."""
    cards = file.cards(index)
    return len(image_axes(file, index)) in {2, 3} and ("NXPSFS" in cards or "DET_YX0" in cards)


def read_psf(file: FitsFile, index: int, options: PsfOptions, box: Box) -> GriddedPsf:
    """Read a grid of PSFs; see the module for `options`.

    Raises
    ------
    ConfigError
        If an option is unknown, or of a wrong value.
    ReadError
        If the positions are not a rectangular grid, or the images are damaged or too large.
    """
    options.require_known("grid", _OPTIONS)
    cards, images = file.cards(index), psf_pixels(file, index)
    if "NXPSFS" in cards:
        grid = _of_detector(_stdpsf(cards, images), options.whole("detector", lowest=1))
    else:
        _require_one_detector(options.whole("detector", lowest=1))
        grid = _webbpsf(cards, images)
    (origin_x, origin_y), size = options.origin, options.whole("size", lowest=1)
    steps = grid.oversampling, grid.oversampling
    with model_faults():
        psf = GriddedPsf(grid.images, grid.x - origin_x, grid.y - origin_y, steps, size)
    require_drawable(psf.width, psf.height)
    if len(images) > 1:
        reach = float(max(np.ptp(psf.grid_x), np.ptp(psf.grid_y)))
        low = float(psf.grid_x[0]) - reach, float(psf.grid_y[0]) - reach
        high = float(psf.grid_x[-1]) + reach, float(psf.grid_y[-1]) + reach
        require_centred_within(box, low, high, "the PSF grid")
    return psf


def _stdpsf(cards: Cards, images: FloatArray) -> _Grid:
    """Return the grid of a STDPSF file, whose positions count from 1."""
    nx, ny = integer_card(cards, "NXPSFS") or 0, integer_card(cards, "NYPSFS") or 0
    if nx < 1 or ny < 1 or nx * ny != len(images):
        raise ReadError(f"{len(images)} PSFs for a grid of {nx} x {ny} (cards NXPSFS, NYPSFS)")
    x, y = _stdpsf_positions(cards, "IPSFX", nx), _stdpsf_positions(cards, "JPSFY", ny)
    return _Grid(images.reshape(ny, nx, *images.shape[1:]), x - 1.0, y - 1.0, _STDPSF_OVERSAMPLING)


def _stdpsf_positions(cards: Cards, name: str, count: int) -> FloatArray:
    """Return positions from cards of one number each, or from lines of numbers."""
    if f"{name}01" in cards:
        values = [number_card(cards, f"{name}{k + 1:02d}") for k in range(count)]
    else:
        lines = " ".join(text_card(cards, f"{name}{letter}5") for letter in "ABCD")
        values = [parsed_number(word) for word in lines.split()]
    if len(values) != count or None in values:
        raise ReadError(f"cards {name}.. give no {count} positions of PSFs")
    return np.array(values, dtype=np.float64)


def _of_detector(grid: _Grid, detector: int | None) -> _Grid:
    """Return the part of a grid that belongs to one detector, in pixels of that detector."""
    ny, nx = grid.images.shape[:2]
    mosaic = _MOSAICS.get(nx * ny)
    if mosaic is None:
        _require_one_detector(detector)
        return grid
    if detector is None or detector > len(mosaic.places):
        raise ConfigError(
            f"the file holds PSFs of {len(mosaic.places)} detectors: choose one with [detector=1...]"
        )
    if nx % mosaic.across or ny % mosaic.up:
        raise ReadError(f"{nx} x {ny} PSFs are not those of {mosaic.across} x {mosaic.up} detectors")
    row, column = divmod(mosaic.places[detector - 1], mosaic.across)
    nx, ny = nx // mosaic.across, ny // mosaic.up
    columns, rows = slice(column * nx, (column + 1) * nx), slice(row * ny, (row + 1) * ny)
    return _Grid(
        grid.images[rows, columns],
        grid.x[columns] - column * mosaic.side,
        grid.y[rows] - row * mosaic.side,
        grid.oversampling,
    )


def _require_one_detector(detector: int | None) -> None:
    if detector not in {None, 1}:
        raise ConfigError(f"detector={detector}: the file holds PSFs of one detector")


def _webbpsf(cards: Cards, images: FloatArray) -> _Grid:
    """Return the grid of cards DET_YX, ``(y, x)`` from 0 for each image, in any order."""
    oversampling = number_card(cards, "OVERSAMP")
    if oversampling is None:
        raise ReadError("a PSF grid without the card OVERSAMP")
    y, x = np.array([_pair(cards, f"DET_YX{k}") for k in range(len(images))]).T
    columns, column = np.unique(x, return_inverse=True)
    rows, row = np.unique(y, return_inverse=True)
    place = row * len(columns) + column
    if not np.array_equal(np.sort(place), np.arange(len(columns) * len(rows))):
        raise ReadError(f"{len(images)} PSFs are not on a rectangular grid of positions (cards DET_YX)")
    ordered = images[np.argsort(place)].reshape(len(rows), len(columns), *images.shape[1:])
    return _Grid(ordered, columns, rows, oversampling)


def _pair(cards: Cards, name: str) -> tuple[float, float]:
    found = _PAIR.fullmatch(text_card(cards, name))
    if found is None:
        raise ReadError(f"card {name} is {cards.get(name)!r} where '(y, x)' is expected")
    try:
        return float(found[1]), float(found[2])
    except ValueError:
        raise ReadError(f"card {name} is {cards.get(name)!r} where '(y, x)' is expected") from None
