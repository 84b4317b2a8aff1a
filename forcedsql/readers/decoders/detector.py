"""Decoders of a detector and of the transforms between a camera's coordinate systems.

Layout: afw ``src/cameraGeom/Detector.cc``, ``TransformMap.cc``.  Amplifiers and crosstalk are
not read, and of the transforms only that between the detector's pixels and the focal plane.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import MAX_CHARACTERS
from forcedsql.detector import Detector
from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.archive import Archive, ArchiveObject, Decoder, UnknownClassError
from forcedsql.transforms import AstTransform

_MAX_TRANSFORMS = 20_000
_PIXELS, _FOCAL_PLANE = "Pixels", "FocalPlane"

CameraSystem = tuple[str, str]
"""Name of a coordinate system and of the detector that it belongs to, "" for the camera's own."""

TransformIds = Mapping[tuple[CameraSystem, CameraSystem], int]
"""Archive id of the transform from one system to another."""


@dataclass(frozen=True, slots=True)
class StoredDetector:
    """A detector as its file holds it.

    Parameters
    ----------
    number : int
        Its number in the camera.
    name : str
    transform : str
        AST text of the transform, not yet checked.
    from_focal_plane : bool
        Whether that leads from the focal plane to pixels, rather than from pixels to it.
    fault : str
        Why there is no transform, "" if there is one.
    """

    number: int
    name: str = ""
    transform: str = ""
    from_focal_plane: bool = False
    fault: str = ""


def read_detector_number(archive: Archive, object_id: int) -> int:
    """Return the number of a detector; see `Archive.get` for the errors."""
    stored: StoredDetector = archive.get(object_id, "detector")
    return stored.number


def read_detector(archive: Archive, object_id: int) -> Detector:
    """Return a detector with its transform from pixels to the focal plane.

    Raises
    ------
    ReadError
        If it is damaged, or no transform leads from its pixels to the focal plane directly.
    FileLimitError, UnknownClassError
        As `Archive.get`.
    """
    stored: StoredDetector = archive.get(object_id, "detector")
    if stored.fault:
        raise ReadError(stored.fault)
    try:
        transform = AstTransform(stored.transform)
    except UnknownAstClassError as unknown:
        raise UnknownClassError(f"Detector with AST {unknown.class_name}") from unknown
    to_focal_plane = transform.inverse if stored.from_focal_plane else transform.forward
    return Detector(stored.name, stored.number, to_focal_plane)


def _detector(source: ArchiveObject) -> StoredDetector:
    number = source.row().integer("id")
    try:
        return _with_transform(source, number)
    except ReadError as fault:
        return StoredDetector(number, fault=str(fault))


def _with_transform(source: ArchiveObject, number: int) -> StoredDetector:
    row = source.row()
    name = row.variable_texts("name")[0]
    ids: TransformIds = source.refer(row.integer("transformMap"), "transform map")
    pixels, focal_plane = (_PIXELS, name), (_FOCAL_PLANE, "")
    # Most cameras' maps start from the focal plane.
    from_focal_plane = (focal_plane, pixels) in ids
    way = (focal_plane, pixels) if from_focal_plane else (pixels, focal_plane)
    if way not in ids:
        raise ReadError(f"no transform leads from the pixels of detector {name!r} to the focal plane")
    text = source.archive.rows(ids[way], 0).blob("bytes", limit=MAX_CHARACTERS)
    return StoredDetector(number, name, text.decode("ascii", errors="replace"), from_focal_plane)


def _transform_map(source: ArchiveObject) -> TransformIds:
    rows = source.rows()
    limits.require_at_most(len(rows), _MAX_TRANSFORMS, f"transforms of {source.label}")
    starts, ends = (
        zip(rows.variable_texts(f"{end}SysName"), rows.variable_texts(f"{end}SysDetectorName"), strict=True)
        for end in ("from", "to")
    )
    return dict(zip(zip(starts, ends, strict=True), rows.integers("transform"), strict=True))


def _expand(condensed: Any) -> StoredDetector:
    types = {"number": int, "name": str, "transform": str, "from_focal_plane": bool, "fault": str}
    if not isinstance(condensed, dict) or {k: type(v) for k, v in condensed.items()} != types:
        raise ReadError("the condensed Detector is damaged")
    return StoredDetector(**condensed)


DECODERS = {
    "Detector": Decoder("detector", _detector, asdict, _expand),
    "TransformMap": Decoder("transform map", _transform_map),
}
