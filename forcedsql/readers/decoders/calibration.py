"""Decoders of photometric calibrations, aperture corrections and their fields."""

import math
from dataclasses import dataclass

from forcedsql.errors import ReadError
from forcedsql.fields.bounded_field import BoundedField, ChebyshevField, ConstantField
from forcedsql.fields.calibration import ApCorrMap, PhotoCalib
from forcedsql.geometry import Box
from forcedsql.readers import limits
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.readers.rows import Rows

AB_ZERO_POINT_NJY = 1e32 * 10.0 ** (-48.6 / 2.5)
"""Flux of AB magnitude zero in nJy: 3.6307805e12 (afw ``src/image/PhotoCalib.cc``)."""

_MAX_AP_CORRS = 10_000


@dataclass(frozen=True, slots=True)
class DecodedApCorrMap:
    """An aperture correction map of which some entries may not be known.

    Parameters
    ----------
    known : mapping of str to BoundedField
    unknown : mapping of str to str
        Class names of the fields that no decoder knows, by flux name.
    """

    known: ApCorrMap
    unknown: dict[str, str]


def photo_calib_of_zero_point(flux_mag_0: float, error: float) -> PhotoCalib | None:
    """Return the calibration that the flux of magnitude zero gives, as old files carry it.

    Parameters
    ----------
    flux_mag_0, error : float
        Flux of AB magnitude zero in the image's own unit, and its error.

    Returns
    -------
    PhotoCalib or None
        None where the flux is not positive: the image was not calibrated.
    """
    if not (math.isfinite(flux_mag_0) and flux_mag_0 > 0.0):
        return None
    mean = AB_ZERO_POINT_NJY / flux_mag_0
    return PhotoCalib(mean=mean, error=mean * error / flux_mag_0 if math.isfinite(error) else 0.0)


def _photo_calib(source: ArchiveObject) -> PhotoCalib:
    row = source.row()
    version = row.integer("version") if row.has("version") else 0
    if version < 1:
        # Those are in maggies; afw refuses them too.
        raise UnknownClassError(f"PhotoCalib of version {version}")
    field: BoundedField | None = None
    if not row.flag("isConstant"):
        field = source.refer(row.integer("field"), "field")
    return PhotoCalib(row.number("calibrationMean"), row.number("calibrationErr"), field)


def _calib(source: ArchiveObject) -> PhotoCalib | None:
    row = source.row()
    return photo_calib_of_zero_point(row.number("fluxmag0"), row.number("fluxmag0.err"))


def _ap_corr_map(source: ArchiveObject) -> DecodedApCorrMap:
    rows = source.rows()
    limits.require_at_most(len(rows), _MAX_AP_CORRS, f"rows of {source.label}")
    known: dict[str, BoundedField] = {}
    unknown: dict[str, str] = {}
    for row in range(len(rows)):
        name = rows.text("name", row)
        try:
            known[name] = source.refer(rows.integer("field", row), "field")
        except UnknownClassError as fault:
            unknown[name] = fault.class_name
    return DecodedApCorrMap(known, unknown)


def _chebyshev_field(source: ArchiveObject) -> BoundedField:
    row = source.row()
    order_x = row.integer("order_x")
    limits.require_at_most(order_x, limits.MAX_POLYNOMIAL_ORDER, f"order of {source.label}")
    coefficients = row.vector("coefficients")
    nx = order_x + 1
    if nx < 1 or coefficients.size % nx or not coefficients.size:
        raise ReadError(f"{source.label} has {coefficients.size} coefficients for order {order_x}")
    if coefficients.size == 1:
        # A constant often comes with an empty box, over which nothing else is defined.
        return ConstantField(float(coefficients[0]), box_of_row(row))
    bbox = box_of_row(row)
    if bbox.width < 1 or bbox.height < 1:
        raise ReadError(f"{source.label} varies over an empty box")
    return ChebyshevField(bbox, coefficients.reshape(-1, nx))


def box_of_row(rows: Rows, row: int = 0) -> Box:
    """Return the box that a row holds as the coordinates of its first and last pixels."""
    x0, y0 = rows.integer("bbox_min_x", row), rows.integer("bbox_min_y", row)
    return Box(x0, y0, rows.integer("bbox_max_x", row) - x0 + 1, rows.integer("bbox_max_y", row) - y0 + 1)


DECODERS = {
    "ApCorrMap": Decoder("aperture correction map", _ap_corr_map),
    "Calib": Decoder("photometric calibration", _calib),
    "ChebyshevBoundedField": Decoder("field", _chebyshev_field),
    "PhotoCalib": Decoder("photometric calibration", _photo_calib),
}
