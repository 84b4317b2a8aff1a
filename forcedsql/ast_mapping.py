"""The mapping from pixels to sky in AST text, checked and written anew for the AST library.

AST (Starlink User Note 211) trusts the text that it reads: a count, an index or a nested
object that is missing or does not fit can end the process.  So nothing of a file reaches it
but keywords of known classes, each with a value that was checked.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from forcedsql.ast_text import AstObject, parse_ast
from forcedsql.errors import ReadError, UnsupportedError

_MAX_FRAMES = 100
_MAX_AXES = 8
_MAX_COEFFICIENTS = 10_000
_MAX_POWER = 100
_MAX_ITERATIONS = 1_000

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?")
_WCS_PARAMETER = re.compile(r"pv[12]_\d{1,2}")
_PROJECTIONS = frozenset(["TAN", "SIN", "STG", "ARC", "ZEA", "ZPN", "CAR", "CEA", "MER", "SFL", "AIT", "MOL"])


class UnknownAstClassError(UnsupportedError):
    """A projection uses an AST class that forcedsql does not know.

    Parameters
    ----------
    class_name : str
    """

    def __init__(self, class_name: str) -> None:
        super().__init__(f"the sky projection uses an AST {class_name}, which forcedsql does not know")
        self.class_name = class_name


@dataclass(frozen=True, slots=True)
class _Mapping:
    """A checked mapping: its text, and the number of axes it takes and gives."""

    lines: tuple[str, ...]
    nin: int
    nout: int


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
    return _finished((_checked(node), inverted), axes=axes, what="transform")


def _ends(frames: AstObject) -> tuple[int, int]:
    """Return the numbers of the base and the current frame."""
    count = frames.integer("nframe", low=1, high=_MAX_FRAMES)
    base = frames.integer("base", 1, low=1, high=count)
    return base, frames.integer("currnt", count, low=1, high=count)


def _base_to_current(frames: AstObject) -> tuple[_Mapping, bool]:
    """Return the mapping from base to current frame, and whether it is to be inverted."""
    steps = [_step(frames, number, inverted=inverted) for number, inverted in _path(frames, *_ends(frames))]
    if not steps:
        raise ReadError("the sky projection maps nothing: its base frame is the sky")
    (mapping, inverted), *others = steps
    for other, other_inverted in others:
        mapping = _in_series(mapping, other, invert_first=inverted, invert_second=other_inverted)
        inverted = False
    return mapping, inverted


def _finished(step: tuple[_Mapping, bool], *, axes: tuple[int, int], what: str) -> str:
    mapping, inverted = step
    nin, nout = (mapping.nout, mapping.nin) if inverted else (mapping.nin, mapping.nout)
    if (nin, nout) != axes:
        raise ReadError(f"the {what} maps {nin} axes to {nout}, not {axes[0]} to {axes[1]}")
    if inverted:
        unit = _Mapping(_emit("UnitMap", nout, nout, ()), nout, nout)
        mapping = _in_series(mapping, unit, invert_first=True, invert_second=False)
    return "\n".join(mapping.lines)


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


def _step(frames: AstObject, node: int, *, inverted: bool) -> tuple[_Mapping, bool]:
    backwards = frames.integer(f"inv{node}", 0, low=0, high=1) == 1
    return _checked(frames.nested(f"map{node}")), inverted != backwards


def _in_series(first: _Mapping, second: _Mapping, *, invert_first: bool, invert_second: bool) -> _Mapping:
    own = [("InvA", str(int(invert_first))), ("InvB", str(int(invert_second)))]
    return _compound("CmpMap", own, first, second, (invert_first, invert_second))


def _checked(node: AstObject) -> _Mapping:
    if node.name in ("CmpMap", "TranMap"):
        return _checked_compound(node)
    if node.name not in _CLASSES:
        raise UnknownAstClassError(node.name)
    nin = node.integer("nin", low=1, high=_MAX_AXES)
    nout = node.integer("nout", nin, low=1, high=_MAX_AXES)
    own = list(_CLASSES[node.name](node, nin, nout))
    parents = ("Mapping", "PolyMap") if node.name == "ChebyMap" else ("Mapping",)
    if len(parents) == 1:
        return _Mapping(_emit(node.name, nin, nout, own), nin, nout)
    polynomial = list(_polynomial(node, nin, nout))
    return _Mapping(_emit(node.name, nin, nout, polynomial, own), nin, nout)


def _checked_compound(node: AstObject) -> _Mapping:
    first, second = _checked(node.nested("mapa")), _checked(node.nested("mapb"))
    inverted = (
        node.integer("inva", 0, low=0, high=1) == 1,
        node.integer("invb", 0, low=0, high=1) == 1,
    )
    own = [("InvA", str(int(inverted[0]))), ("InvB", str(int(inverted[1])))]
    if node.name == "CmpMap":
        own.insert(0, ("Series", str(node.integer("series", 1, low=0, high=1))))
    return _compound(node.name, own, first, second, inverted)


def _compound(
    name: str,
    own: Sequence[tuple[str, str]],
    first: _Mapping,
    second: _Mapping,
    inverted: tuple[bool, bool],
) -> _Mapping:
    axes = [
        (part.nout, part.nin) if backwards else (part.nin, part.nout)
        for part, backwards in zip((first, second), inverted, strict=True)
    ]
    if ("Series", "0") in own:
        nin, nout = axes[0][0] + axes[1][0], axes[0][1] + axes[1][1]
    elif name == "TranMap":
        nin, nout = axes[0]
        if axes[0] != axes[1]:
            raise ReadError(f"AST {name}: its parts map {axes[0]} and {axes[1]} axes")
    else:
        nin, nout = axes[0][0], axes[1][1]
        if axes[0][1] != axes[1][0]:
            raise ReadError(f"AST {name}: its parts do not fit, {axes[0]} and {axes[1]} axes")
    lines = _emit(name, nin, nout, own)
    nested = ("MapA =", *first.lines, "MapB =", *second.lines)
    return _Mapping((*lines[:-1], *nested, lines[-1]), nin, nout)


def _emit(name: str, nin: int, nout: int, *sections: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the text of an object; of two sections, the first is that of its parent PolyMap."""
    lines = [f"Begin {name}", f"Nin = {nin}", f"Nout = {nout}", "IsA Mapping"]
    for number, section in enumerate(sections):
        lines += ["IsA PolyMap"] * (number == 1)
        lines += [f"{key} = {value}" for key, value in section]
    return (*lines, f"End {name}")


Values = Iterator[tuple[str, str]]


def _number(node: AstObject, name: str, *, required: bool = False) -> Values:
    if name in node.values or required:
        text = node.values.get(name, "")
        if not _NUMBER.fullmatch(text):
            raise ReadError(f"AST {node.name}: {name} is {text!r} where a number is expected")
        yield name, text


def _whole(node: AstObject, name: str, *, low: int, high: int) -> Values:
    # What is not there stays out: AST's defaults depend on the rest of the object.
    if name in node.values:
        yield name, str(node.integer(name, low=low, high=high))


def _numbers(node: AstObject, stem: str, first: int, count: int, *, required: bool = False) -> Values:
    for index in range(first, first + count):
        yield from _number(node, f"{stem}{index}", required=required)


def _unit(node: AstObject, nin: int, nout: int) -> Values:
    _require_square(node, nin, nout)
    yield from ()


def _zoom(node: AstObject, nin: int, nout: int) -> Values:
    _require_square(node, nin, nout)
    yield from _number(node, "zoom", required=True)


def _shift(node: AstObject, nin: int, nout: int) -> Values:
    _require_square(node, nin, nout)
    yield from _numbers(node, "sft", 1, nin)


def _window(node: AstObject, nin: int, nout: int) -> Values:
    yield from _shift(node, nin, nout)
    yield from _numbers(node, "scl", 1, nin)


def _matrix(node: AstObject, nin: int, nout: int) -> Values:
    form = node.values.get("form", "")
    sizes = {"Full": nin * nout, "Diagonal": min(nin, nout), "Unit": 0}
    if form not in sizes:
        raise ReadError(f"AST {node.name}: form is {form!r}")
    yield from _numbers(node, "m", 0, sizes[form], required=True)
    yield from _numbers(node, "im", 0, sizes[form])
    yield "Form", f'"{form}"'


def _permutation(node: AstObject, nin: int, nout: int) -> Values:
    constants = node.integer("nconst", 0, low=0, high=_MAX_AXES)
    for stem, here, there in (("out", nout, nin), ("in", nin, nout)):
        for index in range(1, here + 1):
            source = node.integer(f"{stem}{index}", index, low=-constants, high=there)
            yield f"{stem}{index}", str(source)
    yield "nconst", str(constants)
    yield from _numbers(node, "con", 1, constants, required=True)


def _spherical(node: AstObject, nin: int, nout: int) -> Values:
    if (nin, nout) != (3, 2):
        raise ReadError(f"AST {node.name}: it maps {nin} axes to {nout}, not 3 to 2")
    yield from _whole(node, "untrd", low=0, high=1)
    yield from _number(node, "plrlg")


def _unit_norm(node: AstObject, nin: int, nout: int) -> Values:
    if nout != nin + 1:
        raise ReadError(f"AST {node.name}: it maps {nin} axes to {nout}, not to one more")
    yield from _numbers(node, "ctr", 1, nin)


def _projection(node: AstObject, nin: int, nout: int) -> Values:
    if (nin, nout) != (2, 2):
        raise ReadError(f"AST {node.name}: it maps {nin} axes to {nout}, not 2 to 2")
    kind = node.values.get("type", "")
    if kind not in _PROJECTIONS:
        raise UnknownAstClassError(f"{node.name} of type {kind}")
    yield "Type", f'"{kind}"'
    axes = [node.integer(f"wcsax{index}", index, low=1, high=2) for index in (1, 2)]
    if axes[0] == axes[1]:
        raise ReadError(f"AST {node.name}: both its axes are axis {axes[0]}")
    yield from ((f"wcsax{index}", str(axis)) for index, axis in enumerate(axes, start=1))
    for name in node.values:
        if _WCS_PARAMETER.fullmatch(name):
            yield from _number(node, name)


def _celestial(node: AstObject, nin: int, nout: int) -> Values:
    _require_square(node, nin, nout)
    if nin != 2:
        raise ReadError(f"AST {node.name}: it maps {nin} axes, not 2")
    count = node.integer("nsla", low=0, high=_MAX_AXES)
    yield "nsla", str(count)
    for index in range(1, count + 1):
        conversion = node.values.get(f"sla{index}", "")
        if conversion not in ("FK5HZ", "HFK5Z", "GALEQ", "EQGAL"):
            raise UnknownAstClassError(f"{node.name} of type {conversion}")
        yield f"sla{index}", f'"{conversion}"'
        if "FK5" in conversion:
            yield from _number(node, f"sla{index}a", required=True)


def _polynomial(node: AstObject, nin: int, nout: int) -> Values:
    yield from _coefficients(node, "f", nin, nout, required=True)
    yield from _coefficients(node, "i", nout, nin, required=False)
    yield from _whole(node, "iterinv", low=0, high=1)
    yield from _whole(node, "niterinv", low=1, high=_MAX_ITERATIONS)
    yield from _number(node, "tolinv")


def _coefficients(node: AstObject, way: str, inputs: int, outputs: int, *, required: bool) -> Values:
    """Yield one direction's polynomials, forward ("f") or inverse ("i")."""
    if not required and f"nc{way}1" not in node.values:
        return
    powers = [node.integer(f"mp{way}{axis}", low=0, high=_MAX_POWER) for axis in range(1, inputs + 1)]
    counts = [node.integer(f"nc{way}{axis}", low=0, high=_MAX_COEFFICIENTS) for axis in range(1, outputs + 1)]
    yield from ((f"mp{way}{axis}", str(power)) for axis, power in enumerate(powers, start=1))
    yield from ((f"nc{way}{axis}", str(count)) for axis, count in enumerate(counts, start=1))
    yield from _numbers(node, f"c{way}", 1, sum(counts), required=True)
    for term in range(sum(counts)):
        for axis, largest in enumerate(powers):
            name = f"p{way}{term * inputs + axis + 1}"
            if name in node.values:
                yield name, str(node.integer(name, low=0, high=largest))


def _chebyshev_ranges(node: AstObject, nin: int, nout: int) -> Values:
    for stem, axes in (("fscl", nin), ("foff", nin), ("iscl", nout), ("ioff", nout)):
        needed = stem.startswith("f") or "nci1" in node.values
        yield from _numbers(node, stem, 1, axes, required=needed)


def _require_square(node: AstObject, nin: int, nout: int) -> None:
    if nin != nout:
        raise ReadError(f"AST {node.name}: it maps {nin} axes to {nout}, not to as many")


_CLASSES: dict[str, Callable[[AstObject, int, int], Values]] = {
    "ChebyMap": _chebyshev_ranges,
    "MatrixMap": _matrix,
    "PermMap": _permutation,
    "PolyMap": _polynomial,
    "ShiftMap": _shift,
    "SlaMap": _celestial,
    "SphMap": _spherical,
    "UnitMap": _unit,
    "UnitNormMap": _unit_norm,
    "WcsMap": _projection,
    "WinMap": _window,
    "ZoomMap": _zoom,
}
