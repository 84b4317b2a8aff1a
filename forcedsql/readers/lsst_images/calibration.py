"""Aperture corrections and photometric calibration of an exposure."""

from collections.abc import Sequence

import numpy as np
from astropy import units

from forcedsql.fields.bounded_field import BoundedField, ConstantField, ProductField
from forcedsql.fields.calibration import PhotoCalib
from forcedsql.geometry import Box
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.decoders.calibration import DecodedApCorrMap
from forcedsql.readers.fits_file import reading
from forcedsql.readers.lsst_images.fields import read_cell_fields, read_field, units_of_field
from forcedsql.readers.lsst_images.sources import Sources
from forcedsql.readers.lsst_images.tree import Node


def read_ap_corr(sources: Sources, node: Node) -> DecodedApCorrMap:
    """Return the aperture corrections of an image or a cell-based coadd, by flux name.

    Raises
    ------
    ReadError
        If they are damaged.
    FileLimitError
        If they ask for more than a reader grants.
    """
    if node.has("table"):
        return DecodedApCorrMap(read_cell_fields(sources, node), {})
    known: dict[str, BoundedField] = {}
    unknown: dict[str, str] = {}
    for name, field in node.child("fields").children():
        try:
            known[name] = read_field(sources, field)
        except UnknownClassError as fault:
            unknown[name] = fault.class_name
    return DecodedApCorrMap(known, unknown)


def read_photo_calib(sources: Sources, tree: Node, *, unit: str, bbox: Box) -> PhotoCalib | None:
    """Return the factor from the image's unit to nJy, None where the file gives none.

    An image in a unit of flux density has a constant one.  The scaling of the file, which
    multiplies pixels in instrumental units, counts for other images only (lsst.images
    ``_visit_image.py``).

    Parameters
    ----------
    sources : Sources
    tree : Node
        Of the whole file.
    unit : str
        Of the image.
    bbox : Box
        Of the image; the mean is the factor at its centre.

    Raises
    ------
    ReadError
        If the scaling or a unit is damaged.
    UnknownClassError
        If the scaling is a field that is not known, or does not lead to nJy.
    """
    constant = _njy_per([unit]) if unit else None
    if constant is not None:
        return PhotoCalib(constant)
    if not tree.has("photometric_scaling"):
        return None
    node = tree.child("photometric_scaling")
    field, unit_of_scaling = read_field(sources, node), units_of_field(node)
    factor = _njy_per([unit, *unit_of_scaling])
    if factor is None:
        raise UnknownClassError(f"scaling to {'.'.join([unit, *unit_of_scaling])[:60]}")
    if isinstance(field, ConstantField):
        return PhotoCalib(field.value * factor)
    if factor != 1.0:
        field = ProductField((field, ConstantField(factor, field.bbox)))
    x, y = (np.array([value]) for value in bbox.centre)
    return PhotoCalib(float(field.evaluate(x, y)[0]), field=field)


def _njy_per(texts: Sequence[str]) -> float | None:
    """Return how many nJy the product of units is, None if it is no flux density."""
    with reading(f"the unit {' '.join(texts)[:60]!r}"):
        product = units.dimensionless_unscaled
        for text in texts:
            product = product * _parsed(text)
        try:
            return float(product.to(units.nJy))
        except units.UnitConversionError:
            return None


def _parsed(text: str) -> units.UnitBase:
    try:
        return units.Unit(text, format="vounit")
    except ValueError:
        # VOUnit lacks some units that images have, such as dn.
        return units.Unit(text)
