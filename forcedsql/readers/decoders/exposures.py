"""Rows of afw exposure catalogues, and the polygons that they refer to."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from forcedsql.coadd_inputs import ExposureCatalog, ExposureRecord
from forcedsql.geometry import Polygon
from forcedsql.readers import limits
from forcedsql.readers.archive import Archive, ArchiveObject, Decoder, UnknownClassError
from forcedsql.readers.decoders.calibration import DecodedApCorrMap, box_of_row
from forcedsql.readers.decoders.detector import StoredDetector
from forcedsql.readers.rows import Rows
from forcedsql.readers.visit_info import VisitInfo

_MAX_VERTICES = 10_000

# Column of the archive id, attribute of `ExposureRecord`, kind of its decoder.
_PARTS = (
    ("wcs", "wcs", "sky projection"),
    ("psf", "psf", "PSF"),
    ("photoCalib", "photo_calib", "photometric calibration"),
    ("calib", "photo_calib", "photometric calibration"),
    ("apCorrMap", "ap_corr", "aperture correction map"),
    ("validPolygon", "valid_polygon", "polygon"),
    ("visitInfo", "visit_info", "visit information"),
    ("detector", "detector", "detector"),
)
_KINDS = {column: kind for column, _, kind in _PARTS}

ALL_PARTS = frozenset(_KINDS)
"""Every component that a row may refer to."""

COVERAGE = frozenset(["wcs", "validPolygon"])
"""Those that say where on the sky an image is."""


def optional_part(archive: Archive, rows: Rows, row: int, column: str) -> Any:
    """Return the object that a row refers to, None where the column is missing or 0."""
    object_id = rows.integer(column, row) if rows.has(column) else 0
    return None if object_id == 0 else archive.get(object_id, _KINDS[column])


def exposure_records(archive: Archive, rows: Rows, *, parts: Collection[str]) -> ExposureCatalog:
    """Return the images that the rows of an exposure catalogue describe.

    Parameters
    ----------
    archive : Archive
        Where the rows' components are.
    rows : Rows
        Layout: afw ``src/table/Exposure.cc``.
    parts : collection of str
        Columns of the components to read, of `ALL_PARTS`.

    Raises
    ------
    ReadError
        If rows or components are damaged.
    FileLimitError
        If one asks for more than a reader grants.
    """
    return tuple(_record(archive, rows, row, parts) for row in range(len(rows)))


def _record(archive: Archive, rows: Rows, row: int, parts: Collection[str]) -> ExposureRecord:
    found: dict[str, Any] = {}
    unsupported: dict[str, str] = {}
    for column, name, _ in _PARTS:
        if column in parts and found.get(name) is None:
            try:
                found[name] = optional_part(archive, rows, row, column)
            except UnknownClassError as fault:
                unsupported[name] = fault.class_name
    ap_corr: DecodedApCorrMap | None = found.pop("ap_corr", None)
    visit_info: VisitInfo = found.pop("visit_info", None) or VisitInfo()
    detector: StoredDetector | None = found.pop("detector", None)
    number = None if detector is None else detector.number
    return ExposureRecord(
        id=rows.integer("id", row),
        bbox=box_of_row(rows, row),
        ap_corr=None if ap_corr is None else ap_corr.known,
        visit=rows.integer("visit", row) if rows.has("visit") else visit_info.visit,
        detector=rows.integer("ccd", row) if rows.has("ccd") else number,
        weight=rows.number("weight", row) if rows.has("weight") else None,
        band=_text(rows, row, "band") or _text(rows, row, "filter"),
        physical_filter=_text(rows, row, "physical_filter"),
        mjd=visit_info.mjd,
        exposure_time=visit_info.exposure_time,
        unsupported=unsupported,
        **found,
    )


def _text(rows: Rows, row: int, column: str) -> str:
    return rows.text(column, row) if rows.has(column) else ""


def _polygon(source: ArchiveObject) -> Polygon:
    rows = source.rows()
    limits.require_at_most(len(rows), _MAX_VERTICES, f"vertices of {source.label}")
    x, y = (
        np.array([rows.number(f"vertices_{axis}", row) for row in range(len(rows))], dtype=np.float64)
        for axis in "xy"
    )
    return Polygon(x, y)


DECODERS: Mapping[str, Decoder] = {"Polygon": Decoder("polygon", _polygon)}
