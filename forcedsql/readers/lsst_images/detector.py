"""Detectors: the AST FrameSet of a camera, whose current frame is one detector's pixels."""

from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import MAX_CHARACTERS, AstObject, parse_ast
from forcedsql.detector import Detector
from forcedsql.errors import ReadError
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.tree import Node
from forcedsql.transforms import AstTransform

_FOCAL_PLANE, _PIXELS = "FOCAL_PLANE", "DETECTOR_"
_MAX_FRAMES = 20_000
_MAX_DETECTORS = 100_000


def read_detector(node: Node) -> Detector:
    """Return a detector with its transform from pixels to the focal plane.

    Raises
    ------
    ReadError
        If it is damaged, or its frames do not lead from the focal plane to its pixels.
    FileLimitError
        If it asks for more than a camera needs.
    UnknownClassError
        If its frames use an AST class that is not known.
    """
    attributes = node.child("attributes")
    number = attributes.child("id").integer(low=0, high=_MAX_DETECTORS)
    text = node.child("frames").child("ast").text(limit=MAX_CHARACTERS)
    _require_focal_plane_to_pixels(parse_ast(text))
    try:
        transform = AstTransform(text)
    except UnknownAstClassError as unknown:
        raise UnknownClassError(f"detector with AST {unknown.class_name}") from unknown
    return Detector(attributes.child("name").text(), number, transform.inverse)


def _require_focal_plane_to_pixels(frames: AstObject) -> None:
    """Refuse frames whose base and current one are others than lsst.images ``cameras`` writes."""
    base = frames.integer("base", 1, low=1, high=_MAX_FRAMES)
    current = frames.integer("currnt", 1, low=1, high=_MAX_FRAMES)
    first, last = (frames.nested(f"frm{number}").values.get("ident", "") for number in (base, current))
    if first != _FOCAL_PLANE or not last.startswith(_PIXELS):
        raise ReadError(f"the detector's frames lead from {first!r} to {last!r}, not to its pixels")
