"""Mask planes by LSST's names, from masks of several kinds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray
from forcedsql.errors import ConfigError, ReadError
from forcedsql.exposure import MaskArray
from forcedsql.open_options import Codes
from forcedsql.readers import limits
from forcedsql.readers.cards import Cards
from forcedsql.readers.planes import read_mask_planes

STANDARD_PLANES = ("BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA")
"""In the order of their bits, as afw has them."""

_MOST_VALUES = 8


class MaskPlanes:
    """A mask in the making: planes are set one after the other.

    Parameters
    ----------
    shape : (int, int)
    names : tuple of str
        Planes beyond the standard ones, which get the next bits.
    """

    def __init__(self, shape: tuple[int, int], names: tuple[str, ...] = ()) -> None:
        order = dict.fromkeys((*STANDARD_PLANES, *names))
        limits.require_at_most(len(order), limits.MAX_MASK_BITS, "mask planes")
        self.planes: Mapping[str, int] = {name: bit for bit, name in enumerate(order)}
        self._bits = np.zeros(shape, np.uint32)

    def set(self, plane: str, where: BoolArray) -> None:
        """Set a plane at pixels."""
        self._bits[where] |= np.uint32(1 << self.planes[plane])

    def has(self, *planes: str) -> BoolArray:
        """Tell which pixels have any of these planes, or any at all if none is named."""
        bits = sum(1 << self.planes[name] for name in planes) if planes else 0xFFFFFFFF
        return np.asarray((self._bits & np.uint32(bits)) != 0)

    @property
    def array(self) -> MaskArray:
        """The bit field, (ny, nx) int32."""
        return self._bits.view(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class ReadMask:
    """Planes as a mask image has them, and what it was taken for in words."""

    planes: MaskPlanes
    how: str


def no_mask(shape: tuple[int, int]) -> ReadMask:
    """Return planes of which none is set."""
    return ReadMask(MaskPlanes(shape), "none")


def read_mask(values: AnyArray, cards: Cards, kind: str, codes: Codes) -> ReadMask:
    """Return the planes of a mask image.

    Parameters
    ----------
    values : ndarray, (ny, nx) of integers or booleans
    cards : mapping
        Its header.
    kind : str
        As in `OpenOptions`; if empty, "planes" where the header has MP_ cards, and else "nonzero".
    codes : tuple of (int, str)

    Raises
    ------
    ReadError
        If the pixels are no integers.
    ConfigError
        If the kind needs what is not there.
    """
    values = _integers(values)
    kind = kind or ("planes" if read_mask_planes(cards) else "nonzero")
    if kind == "planes":
        named = read_mask_planes(cards)
        if not named:
            raise ReadError("mask_kind is planes, and the header of the mask has no MP_ cards")
        return _of_bits(
            values, tuple((bit, name) for name, bit in named.items()), "planes named by MP_ cards"
        )
    if kind in ("bits", "values"):
        if not codes:
            raise ConfigError(
                f"mask_kind {kind} needs mask_codes, such as {{0 = 'BAD', 1 = 'SAT'}}, or a profile"
            )
        return (_of_bits if kind == "bits" else _of_values)(values, codes, f"{kind} by their codes")
    planes = MaskPlanes(_shape(values))
    planes.set("BAD", values != 0)
    return ReadMask(planes, f"all that is not 0 is BAD ({_seen(values[values != 0])})")


def _of_bits(values: AnyArray, codes: Codes, how: str) -> ReadMask:
    planes = MaskPlanes(_shape(values), tuple(name for _, name in codes if name))
    unsigned = values.astype(np.uint64)
    known = 0
    for bit, name in codes:
        limits.require_at_most(bit, 63, "bit of a mask")
        known |= 1 << bit
        if name:
            planes.set(name, (unsigned >> np.uint64(bit)) & np.uint64(1) != 0)
    present = int(np.bitwise_or.reduce(unsigned, axis=None)) & ~known
    unnamed = [str(bit) for bit in range(64) if present >> bit & 1]
    if unnamed:
        # A bit that nobody has named is a fault until somebody says it is none.
        planes.set("BAD", (unsigned & np.uint64(present)) != 0)
        how += f"; bits without a code are BAD: {', '.join(unnamed)}"
    return ReadMask(planes, how)


def _of_values(values: AnyArray, codes: Codes, how: str) -> ReadMask:
    planes = MaskPlanes(_shape(values), tuple(name for _, name in codes if name))
    unknown = values != 0
    for value, name in codes:
        here = values == value
        unknown &= ~here
        if name:
            planes.set(name, here)
    if unknown.any():
        planes.set("BAD", unknown)
        how += f"; values without a code are BAD ({_seen(values[unknown])})"
    return ReadMask(planes, how)


def _seen(values: AnyArray) -> str:
    distinct = np.unique(values)
    if not distinct.size:
        return "no pixel is"
    shown = ", ".join(str(value) for value in distinct[:_MOST_VALUES])
    return f"values {shown}" + (", ..." if distinct.size > _MOST_VALUES else "")


def _integers(values: AnyArray) -> AnyArray:
    if values.dtype.kind == "f" and np.array_equal(values, np.floor(values)):
        values = values.astype(np.int64)  # SWarp and SExtractor write whole numbers as floats
    if values.dtype.kind not in "biu":
        raise ReadError(f"the mask has pixels of type {values.dtype}; whole numbers are expected")
    return values


def _shape(values: AnyArray) -> tuple[int, int]:
    height, width = values.shape
    return height, width
