"""How the parts of an exposure, but for its PSF, are stored in the archive of an afw file.

Class names, columns and their order are those of afw's own persistence code.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forcedsql.fields.bounded_field import BoundedField, ChebyshevField, ConstantField
from forcedsql.fields.calibration import ApCorrMap, PhotoCalib
from forcedsql.geometry import Box
from forcedsql.writer.archive import ArchiveWriter, Encoder, Record
from forcedsql.writer.hdus import Field, Flag, Schema

_GEOM, _IMAGE, _MATH = "lsst.afw.geom", "lsst.afw.image", "lsst.afw.math"

_EVERYWHERE = Box(0, 0, 0, 0)
"""The empty box that LSST gives the field of a constant calibration."""


@dataclass(frozen=True, slots=True)
class FilterLabel:
    """Names of the filter of an exposure; "" where there is none."""

    band: str
    physical: str


@dataclass(frozen=True, slots=True)
class AstText:
    """A sky projection as AST text, from ``Begin FrameSet`` to ``End FrameSet``."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class ApertureCorrections:
    """The aperture corrections of an exposure, and its box."""

    fields: ApCorrMap
    bbox: Box


def _filter_label(part: FilterLabel, _: ArchiveWriter) -> Record:
    schema = Schema(
        (
            Field("band", "string", "Name of the band.", size=32),
            Field("physical", "string", "Name of the physical filter.", size=32),
        ),
        (
            Flag("band_exists", "Whether there is a band"),
            Flag("physical_exists", "Whether there is a filter"),
        ),
    )
    row = {
        "band": part.band,
        "physical": part.physical,
        "band_exists": bool(part.band),
        "physical_exists": bool(part.physical),
    }
    return Record("FilterLabel", _IMAGE, schema, [row])


def _sky_wcs(part: AstText, _: ArchiveWriter) -> Record:
    # The text starts with its format's version, the class, and "0": no FITS approximation follows.
    text = f"1 SkyWcs 0  {part.text}".encode("ascii")
    return Record(
        "SkyWcs", _GEOM, Schema((Field("wcs", "bytes", "wcs string representation"),)), [{"wcs": text}]
    )


def _photo_calib(part: PhotoCalib, archive: ArchiveWriter) -> Record:
    """Store a calibration; a constant one has a constant field (afw ``src/image/PhotoCalib.cc``)."""
    schema = Schema(
        (
            Field("calibrationMean", "double", "mean calibration on this PhotoCalib's domain", unit="count"),
            Field("calibrationErr", "double", "1-sigma error on calibrationMean", unit="count"),
            Field("field", "int", "archive ID of the BoundedField object"),
            Field("version", "int", "version of this PhotoCalib"),
        ),
        (Flag("isConstant", "Is this spatially-constant?"),),
    )
    row = {
        "calibrationMean": part.mean,
        "calibrationErr": part.error,
        "field": archive.put(_as_chebyshev(part.field or ConstantField(part.mean), _EVERYWHERE)),
        "version": 1,
        "isConstant": part.field is None,
    }
    return Record("PhotoCalib", "", schema, [row])


def _ap_corr_map(part: ApertureCorrections, archive: ArchiveWriter) -> Record:
    schema = Schema(
        (
            Field("name", "string", "name of the aperture correction", size=64),
            Field("field", "int", "archive ID of the BoundedField object"),
        )
    )
    rows = [
        {"name": name, "field": archive.put(_as_chebyshev(part.fields[name], part.bbox))}
        for name in sorted(part.fields)
    ]
    return Record("ApCorrMap", _IMAGE, schema, rows)


def _chebyshev_field(part: ChebyshevField, _: ArchiveWriter) -> Record:
    coefficients = np.ascontiguousarray(part.coefficients, dtype=np.float64)
    low, high = "bounding box (minimum)", "bounding box (maximum)"
    values = "Chebyshev function coefficients, ordered by y then x"
    schema = Schema(
        (
            Field("order_x", "int", "maximum Chebyshev function order in x"),
            Field("bbox_min_x", "int", low, unit="pixel"),
            Field("bbox_min_y", "int", low, unit="pixel"),
            Field("bbox_max_x", "int", high, unit="pixel"),
            Field("bbox_max_y", "int", high, unit="pixel"),
            Field("coefficients", "double_array", values, size=coefficients.size),
        )
    )
    row = {
        "order_x": coefficients.shape[1] - 1,
        "bbox_min_x": part.bbox.x0,
        "bbox_min_y": part.bbox.y0,
        "bbox_max_x": part.bbox.x1,
        "bbox_max_y": part.bbox.y1,
        "coefficients": coefficients.ravel(),
    }
    return Record("ChebyshevBoundedField", _MATH, schema, [row])


def _as_chebyshev(field: BoundedField, bbox: Box) -> BoundedField:
    """Turn a constant into the polynomial of order 0 that afw has for it."""
    if isinstance(field, ConstantField):
        return ChebyshevField(bbox, np.array([[field.value]]))
    return field


COMPONENT_ENCODERS: Mapping[type, Encoder] = {
    FilterLabel: _filter_label,
    AstText: _sky_wcs,
    PhotoCalib: _photo_calib,
    ApertureCorrections: _ap_corr_map,
    ChebyshevField: _chebyshev_field,
}
"""Encoders of everything an exposure has beside its PSF."""
