"""What each class of AST mapping may say of itself: its attributes, checked one by one."""

import re
from collections.abc import Callable, Iterator, Mapping

from forcedsql.ast.text import AstObject
from forcedsql.errors import ReadError, UnsupportedError

MAX_AXES = 8
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


Values = Iterator[tuple[str, str]]
"""Attributes of an AST object, each a name and a checked value."""


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
    constants = node.integer("nconst", 0, low=0, high=MAX_AXES)
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
    count = node.integer("nsla", low=0, high=MAX_AXES)
    yield "nsla", str(count)
    for index in range(1, count + 1):
        conversion = node.values.get(f"sla{index}", "")
        if conversion not in ("FK5HZ", "HFK5Z", "GALEQ", "EQGAL"):
            raise UnknownAstClassError(f"{node.name} of type {conversion}")
        yield f"sla{index}", f'"{conversion}"'
        if "FK5" in conversion:
            yield from _number(node, f"sla{index}a", required=True)


def polynomial_attributes(node: AstObject, nin: int, nout: int) -> Values:
    """Yield what a PolyMap has, and a ChebyMap inherits; ReadError where a value is out of place."""
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


OWN_ATTRIBUTES: Mapping[str, Callable[[AstObject, int, int], Values]] = {
    "ChebyMap": _chebyshev_ranges,
    "MatrixMap": _matrix,
    "PermMap": _permutation,
    "PolyMap": polynomial_attributes,
    "ShiftMap": _shift,
    "SlaMap": _celestial,
    "SphMap": _spherical,
    "UnitMap": _unit,
    "UnitNormMap": _unit_norm,
    "WcsMap": _projection,
    "WinMap": _window,
    "ZoomMap": _zoom,
}
"""The attributes that an object of each simple class has, from its numbers of axes in and out."""
