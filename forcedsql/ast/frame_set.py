"""The mapping from pixels to sky in AST text, checked and written anew for the AST library.

AST (Starlink User Note 211) trusts the text that it reads: a count, an index or a nested
object that is missing or does not fit can end the process.  So nothing of a file reaches it
but keywords of known classes, each with a value that was checked.
"""

from collections.abc import Iterator

from forcedsql.ast.mapping import CheckedMapping, checked_mapping, in_series, inverse_of
from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import AstObject, parse_ast
from forcedsql.errors import ReadError

_MAX_FRAMES = 100


def pixel_to_sky_text(text: str) -> str:
    """Return checked AST text of the mapping from pixels to ICRS radians.

    Parameters
    ----------
    text : str
        AST dump of a FrameSet from pixels (base) to the sky (current).

    Raises
    ------
    ReadError
        If the text is damaged or inconsistent, or no map from two pixel axes to ICRS.
    FileLimitError
        If it asks for more than a projection needs.
    UnknownAstClassError
        If it uses a class other than the mappings that describe projections.
    """
    frames = parse_ast(text)
    if frames.name != "FrameSet":
        raise ReadError(f"the sky projection is an AST {frames.name}, not a FrameSet")
    _require_icrs(frames.nested(f"frm{_ends(frames)[1]}"))
    return _finished(_base_to_current(frames), axes=(2, 2), what="sky projection")


def transform_text(text: str, *, axes: tuple[int, int]) -> str:
    """Return checked AST text of a mapping, or of that from base to current of a FrameSet.

    Parameters
    ----------
    text : str
        AST dump.
    axes : (int, int)
        Number of axes that it must take and give.

    Raises
    ------
    ReadError, FileLimitError, UnknownAstClassError
        As `pixel_to_sky_text`.
    """
    node = parse_ast(text)
    if node.name == "FrameSet":
        return _finished(_base_to_current(node), axes=axes, what="transform")
    inverted = node.integer("invert", 0, low=0, high=1) == 1
    return _finished((checked_mapping(node), inverted), axes=axes, what="transform")


def _ends(frames: AstObject) -> tuple[int, int]:
    """Return the numbers of the base and the current frame."""
    count = frames.integer("nframe", low=1, high=_MAX_FRAMES)
    base = frames.integer("base", 1, low=1, high=count)
    return base, frames.integer("currnt", count, low=1, high=count)


def _base_to_current(frames: AstObject) -> tuple[CheckedMapping, bool]:
    """Return the mapping from base to current frame, and whether it is to be inverted."""
    steps = [_step(frames, number, inverted=inverted) for number, inverted in _path(frames, *_ends(frames))]
    if not steps:
        raise ReadError("the sky projection maps nothing: its base frame is the sky")
    (mapping, inverted), *others = steps
    for other, other_inverted in others:
        mapping = in_series(mapping, other, invert_first=inverted, invert_second=other_inverted)
        inverted = False
    return mapping, inverted


def _finished(step: tuple[CheckedMapping, bool], *, axes: tuple[int, int], what: str) -> str:
    mapping, inverted = step
    nin, nout = mapping.axes(inverted=inverted)
    if (nin, nout) != axes:
        raise ReadError(f"the {what} maps {nin} axes to {nout}, not {axes[0]} to {axes[1]}")
    return "\n".join((inverse_of(mapping) if inverted else mapping).lines)


def _require_icrs(frame: AstObject) -> None:
    system = frame.values.get("system", "ICRS").upper()
    permuted = (frame.values.get("axp1", "1"), frame.values.get("axp2", "2")) != ("1", "2")
    if frame.name != "SkyFrame" or system != "ICRS" or permuted:
        raise ReadError(f"the sky projection ends in an AST {frame.name} ({system}), not in ICRS (ra, dec)")


def _path(frames: AstObject, base: int, current: int) -> Iterator[tuple[int, bool]]:
    """Yield the nodes whose mappings lead from base to current, and whether each is inverted."""
    up, down = _ancestors(frames, base), _ancestors(frames, current)
    yield from ((node, True) for node in up if node not in down)
    yield from ((node, False) for node in reversed(down) if node not in up)


def _ancestors(frames: AstObject, node: int) -> list[int]:
    """Return a node and those that it derives from, without the root."""
    if any(name.startswith("nod") for name in frames.values):
        raise UnknownAstClassError("FrameSet with nodes apart from its frames")
    found: list[int] = []
    while node != 1:
        if node in found:
            raise ReadError("the sky projection's frames derive from one another in a circle")
        found.append(node)
        node = frames.integer(f"lnk{node}", low=1, high=_MAX_FRAMES)
    return found


def _step(frames: AstObject, node: int, *, inverted: bool) -> tuple[CheckedMapping, bool]:
    backwards = frames.integer(f"inv{node}", 0, low=0, high=1) == 1
    return checked_mapping(frames.nested(f"map{node}")), inverted != backwards
