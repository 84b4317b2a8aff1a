"""Image, mask and variance planes, mask names as afw has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import Float32Array
from forcedsql.errors import ReadError
from forcedsql.exposure import MaskArray
from forcedsql.readers import limits
from forcedsql.readers.lsst_images.sources import Sources
from forcedsql.readers.lsst_images.tree import Node
from forcedsql.schema import PIXEL_FLAGS

# lsst.images ``_mask.py``; other planes go by the same name in both.
_AFW_NAMES = {
    "SATURATED": "SAT",
    "COSMIC_RAY": "CR",
    "INTERPOLATED": "INTRP",
    "DETECTION_EDGE": "EDGE",
    "UNMASKED_NAN": "UNMASKEDNAN",
}
_FLAGGED = frozenset(flag.plane for flag in PIXEL_FLAGS)
_PLANES_PER_HDU = 31
_MAX_PLANES = 1_000
_LARGEST_ORIGIN = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class FloatPlane:
    """An image or variance plane.

    Parameters
    ----------
    values : ndarray, (ny, nx) float32
        Infinities kept: coadds have infinite variance where they have no data.
    xy0 : (int, int), pixel
        Parent coordinates of the first pixel.
    unit : str
        As in the file (VOUnit), "" for none.
    """

    values: Float32Array
    xy0: tuple[int, int]
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class MaskPlane:
    """A mask and the bit number of each of its planes, by afw name."""

    values: MaskArray
    xy0: tuple[int, int]
    bits: dict[str, int]


def read_float_plane(sources: Sources, node: Node) -> FloatPlane:
    """Return an image or variance plane.

    Raises
    ------
    ReadError
        If it is not a complete image, or its origin is out of range.
    FileLimitError
        If it is too large.
    """
    data = node.child("data")
    pixels = sources.pixels(data.child("value") if data.has("value") else data)
    with np.errstate(over="ignore", under="ignore"):
        values = np.array(pixels.values, dtype=np.float32, order="C")
    return FloatPlane(values, _origin(node), data.child("unit").label() if data.has("unit") else "")


def read_mask(sources: Sources, node: Node) -> MaskPlane:
    """Return the mask, of which 32 planes are kept: those that flags are made of, then the first.

    Planes are numbered in the order of the tree, 31 to an HDU (lsst.images ``_mask.py``).

    Raises
    ------
    ReadError
        If it is not made of two-dimensional images of integers, or they are too few.
    FileLimitError
        If it is too large, or has more planes than a reader grants.
    """
    names = _names(node)
    layers = node.child("data").elements(limit=_MAX_PLANES)
    if not layers or len(layers) * _PLANES_PER_HDU < len(names):
        raise ReadError(f"{node.path} has {len(layers)} images for {len(names)} planes")
    bits = _kept_bits(names)
    mask = _mask_pixels(sources, layers[0])
    if len(layers) > 1 or list(bits) != names:
        mask = _renumbered(mask, names[:_PLANES_PER_HDU], bits)
    for number, layer in enumerate(layers[1:], start=1):
        stored = _mask_pixels(sources, layer)
        if stored.shape != mask.shape:
            raise ReadError(f"{layer.path} is {stored.shape} pixels, the mask's first image {mask.shape}")
        first = number * _PLANES_PER_HDU
        mask |= _renumbered(stored, names[first : first + _PLANES_PER_HDU], bits)
    return MaskPlane(mask, _origin(node), bits)


def _renumbered(stored: MaskArray, names: Sequence[str], bits: Mapping[str, int]) -> MaskArray:
    """Return a mask whose planes, numbered as their names come, have the bits that are kept for them."""
    mask = np.zeros_like(stored)
    for bit, name in enumerate(names):
        if name in bits:
            mask |= ((stored >> bit) & 1) << bits[name]
    return mask


def _mask_pixels(sources: Sources, layer: Node) -> MaskArray:
    values = sources.pixels(layer).values
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 4:
        raise ReadError(
            f"{layer.path} has pixels of type {values.dtype}; a mask has integers of at most 32 bits"
        )
    return np.array(values, order="C").astype(np.int32, casting="unsafe")


def _names(node: Node) -> list[str]:
    """Return the afw names of the planes; null stands for a bit without a plane, which takes none."""
    planes = node.child("planes").elements(limit=_MAX_PLANES)
    names = [plane.child("name").label() for plane in planes if plane.value is not None]
    return [_AFW_NAMES.get(name, name) for name in names]


def _kept_bits(names: Sequence[str]) -> dict[str, int]:
    """Return a bit number for each of the 32 planes that are needed most, in their order."""
    distinct = dict.fromkeys(names)
    kept = sorted(distinct, key=lambda name: name not in _FLAGGED)[: limits.MAX_MASK_BITS]
    return {name: bit for bit, name in enumerate(name for name in distinct if name in kept)}


def _origin(node: Node) -> tuple[int, int]:
    yx = node.child("yx0").elements(limit=2)
    if len(yx) != 2:
        raise ReadError(f"{node.path}.yx0 is not a point (y, x)")
    y, x = (value.integer(low=-_LARGEST_ORIGIN, high=_LARGEST_ORIGIN) for value in yx)
    return x, y
