"""Sky projections: AST text of one or more mappings from pixels to ICRS."""

from forcedsql.ast.frame_set import transform_text
from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import MAX_CHARACTERS, parse_ast
from forcedsql.errors import ReadError
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.tree import Node
from forcedsql.wcs import AstWcs

_MAX_MAPPINGS = 16
_PIXEL_AXES = (2, 2)


def read_sky_projection(node: Node) -> AstWcs:
    """Return the projection from parent pixels to the sky.

    A mapping is an AST FrameSet or a bare AST mapping from pixels to radians; either is
    checked as all AST text is (`forcedsql.ast.frame_set`) (lsst.images
    ``_transforms/_transform.py``).

    Raises
    ------
    ReadError
        If it is damaged, or no invertible map of two pixel axes to ICRS.
    FileLimitError
        If it asks for more than a projection needs.
    UnknownClassError
        If it ends in another frame, is stored apart from the tree, or uses an AST class that
        is not known.
    """
    transform = node.child("pixel_to_sky")
    frames = transform.child("frames").elements(limit=_MAX_MAPPINGS + 1)
    mappings = transform.child("mappings").elements(limit=_MAX_MAPPINGS)
    if not mappings or len(frames) != len(mappings) + 1:
        raise ReadError(f"{transform.path} has {len(frames)} frames for {len(mappings)} mappings")
    if frames[-1].value != "ICRS":
        raise UnknownClassError(f"projection to {str(frames[-1].value)[:40]!r}")
    if any(mapping.has("column") for mapping in mappings):
        raise UnknownClassError("projection by reference")
    texts = [mapping.child("ast").text(limit=MAX_CHARACTERS) for mapping in mappings]
    try:
        if len(texts) == 1 and parse_ast(texts[0]).name == "FrameSet":
            return AstWcs(texts[0])
        return AstWcs(_frame_set([transform_text(text, axes=_PIXEL_AXES) for text in texts]))
    except UnknownAstClassError as fault:
        raise UnknownClassError(f"AST {fault.class_name}") from fault


def _frame_set(mappings: list[str]) -> str:
    """Return the AST text of a FrameSet from pixels to ICRS by way of mappings, each a checked text.

    Its order of lines is AST's own, so that AST can read the text too.
    """
    last = len(mappings) + 1
    lines = ["Begin FrameSet", "IsA Frame", f"Nframe = {last}", f"Currnt = {last}"]
    lines += [f"Lnk{number} = {number - 1}" for number in range(2, last + 1)]
    for number in range(1, last):
        lines += [
            f"Frm{number} =",
            "Begin Frame",
            "Naxes = 2",
            'Domain = "PIXELS"',
            *_axes("Axis"),
            "End Frame",
        ]
    sky = ["IsA Object", "Naxes = 2", 'System = "ICRS"', *_axes("SkyAxis"), "IsA Frame"]
    lines += [f"Frm{last} =", "Begin SkyFrame", *sky, "End SkyFrame"]
    for number, mapping in enumerate(mappings, start=2):
        lines += [f"Map{number} =", mapping]
    return "\n".join([*lines, "End FrameSet"]) + "\n"


def _axes(kind: str) -> list[str]:
    return [line for axis in (1, 2) for line in (f"Ax{axis} =", f"Begin {kind}", f"End {kind}")]
