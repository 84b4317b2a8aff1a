"""Image, mask and variance planes of an afw exposure, and the origin of its pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, Float32Array
from forcedsql.errors import ReadError
from forcedsql.exposure import MaskArray
from forcedsql.readers import limits
from forcedsql.readers.cards import Cards, integer_card, number_card, text_card
from forcedsql.readers.fits_file import FitsFile

_PLANES = ("IMAGE", "MASK", "VARIANCE")
_MASK_PREFIX = "MP_"
_LARGEST_ORIGIN = 2**31


@dataclass(frozen=True, slots=True)
class PlaneHdus:
    """Numbers of the HDUs that hold the three planes."""

    image: int
    mask: int
    variance: int


def find_planes(file: FitsFile) -> PlaneHdus:
    """Find the planes by their EXTTYPE, or else by the order in which afw writes them.

    EXTNAME is not looked at: files before 2016 lack it.

    Raises
    ------
    ReadError
        If the file has too few HDUs.
    """
    types = {}
    for hdu in (1, 2, 3):
        if not file.has(hdu):
            raise ReadError(
                f"it has {hdu} HDUs ({file.summary()}); an afw exposure has IMAGE, MASK and VARIANCE"
            )
        types[text_card(file.cards(hdu), "EXTTYPE")] = hdu
    found = [types.get(name, order) for order, name in enumerate(_PLANES, start=1)]
    if len(set(found)) != len(found):
        raise ReadError(f"its EXTTYPE cards name {sorted(types)}, not {list(_PLANES)}")
    return PlaneHdus(*found)


def read_float_plane(file: FitsFile, hdu: int) -> Float32Array:
    """Return the pixels of an image or variance plane, (ny, nx) float32 in native byte order.

    Uncompressed HDUs lose infinities (to NaN), denormals and negative zeros (to 0) as they do
    in LSST, whose reader has cfitsio check for nulls; tile-compressed ones keep them.

    Raises
    ------
    ReadError
        If the HDU is not a complete image of two axes.
    FileLimitError
        If it is too large.
    """
    pixels = file.pixels(hdu)
    return float_pixels(pixels.values, compressed=pixels.compressed)


def read_mask_plane(file: FitsFile, hdu: int) -> MaskArray:
    """Return the pixels of a mask plane, (ny, nx) int32 in native byte order.

    Raises
    ------
    ReadError
        If the HDU is not an image of integers of at most 32 bits.
    FileLimitError
        If it is too large.
    """
    return mask_pixels(file.pixels(hdu).values, label=f"HDU {hdu}")


def float_pixels(values: AnyArray, *, compressed: bool) -> Float32Array:
    """Return pixels of an image or variance plane as they are measured; see `read_float_plane`."""
    with np.errstate(over="ignore", under="ignore"):
        plane = np.array(values, dtype=np.float32, order="C")
    if values.dtype.kind == "f" and not compressed:
        plane[~np.isfinite(values)] = np.nan
        plane[np.abs(values) < np.finfo(values.dtype).tiny] = 0.0
    return plane


def mask_pixels(values: AnyArray, *, label: str) -> MaskArray:
    """Return pixels of a mask plane as they are measured; see `read_mask_plane`."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 4:
        raise ReadError(f"{label} has pixels of type {values.dtype}; a mask has integers of at most 32 bits")
    return np.array(values, order="C").astype(np.int32, casting="unsafe")


def read_mask_planes(cards: Cards) -> Mapping[str, int]:
    """Return the bit number of each mask plane by name, from the MP_ cards of the mask's header.

    Raises
    ------
    ReadError
        If a card holds no bit number of a 32-bit mask.
    """
    planes = {}
    for key in cards:
        if key.startswith(_MASK_PREFIX):
            bit = integer_card(cards, key)
            if bit is None or not 0 <= bit < limits.MAX_MASK_BITS:
                raise ReadError(f"mask plane card {key} is {cards[key]!r}, not a bit of a 32-bit mask")
            planes[key.removeprefix(_MASK_PREFIX)] = bit
    return planes


def read_origin(cards: Cards) -> tuple[int, int]:
    """Return the parent coordinates (x, y) of the first pixel, from the WCS called A.

    As in afw ``src/geom/wcsUtils.cc``, it counts only where both CRPIX are exactly 1.

    Raises
    ------
    ReadError
        If the origin is out of the range of pixel coordinates.
    """
    if (cards.get("CRPIX1A"), cards.get("CRPIX2A")) != (1, 1):
        return 0, 0
    x0, y0 = number_card(cards, "CRVAL1A"), number_card(cards, "CRVAL2A")
    if x0 is None or y0 is None:
        return 0, 0
    if max(abs(x0), abs(y0)) >= _LARGEST_ORIGIN:
        raise ReadError(f"its pixel origin ({x0}, {y0}) is out of range")
    return int(np.floor(x0 + 0.5)), int(np.floor(y0 + 0.5))
