"""AST mappings, simple and compound, checked and written anew for the AST library."""

from collections.abc import Sequence
from dataclasses import dataclass

from forcedsql.ast.mapping_classes import (
    MAX_AXES,
    OWN_ATTRIBUTES,
    UnknownAstClassError,
    polynomial_attributes,
)
from forcedsql.ast.text import AstObject
from forcedsql.errors import ReadError


@dataclass(frozen=True, slots=True)
class CheckedMapping:
    """A mapping that AST can be trusted with.

    Parameters
    ----------
    lines : tuple of str
        Its text.
    nin, nout : int
        Number of axes that it takes and gives.
    """

    lines: tuple[str, ...]
    nin: int
    nout: int

    def axes(self, *, inverted: bool) -> tuple[int, int]:
        """Return the number of axes in and out, of the mapping or of its inverse."""
        return (self.nout, self.nin) if inverted else (self.nin, self.nout)


def checked_mapping(node: AstObject) -> CheckedMapping:
    """Return a mapping of a file, with nothing of its text that was not checked.

    Parameters
    ----------
    node : AstObject
        A mapping, those that it is made of nested in it.

    Raises
    ------
    ReadError
        If a value is missing or out of place, or the parts of a compound do not fit.
    FileLimitError
        If it asks for more than a projection needs.
    UnknownAstClassError
        If its class, or that of a part, is not known.
    """
    if node.name in ("CmpMap", "TranMap"):
        return _checked_compound(node)
    if node.name not in OWN_ATTRIBUTES:
        raise UnknownAstClassError(node.name)
    nin = node.integer("nin", low=1, high=MAX_AXES)
    nout = node.integer("nout", nin, low=1, high=MAX_AXES)
    own = list(OWN_ATTRIBUTES[node.name](node, nin, nout))
    if node.name == "ChebyMap":
        inherited = list(polynomial_attributes(node, nin, nout))
        return CheckedMapping(_emit(node.name, nin, nout, inherited, own), nin, nout)
    return CheckedMapping(_emit(node.name, nin, nout, own), nin, nout)


def in_series(
    first: CheckedMapping, second: CheckedMapping, *, invert_first: bool, invert_second: bool
) -> CheckedMapping:
    """Return one mapping, or its inverse, followed by another, or its inverse.

    Raises
    ------
    ReadError
        If the second does not take as many axes as the first gives.
    """
    return _compound("CmpMap", (first, second), (invert_first, invert_second), series=True)


def inverse_of(mapping: CheckedMapping) -> CheckedMapping:
    """Return the inverse of a mapping: in series with the map that changes nothing."""
    unit = CheckedMapping(_emit("UnitMap", mapping.nin, mapping.nin), mapping.nin, mapping.nin)
    return in_series(mapping, unit, invert_first=True, invert_second=False)


def _checked_compound(node: AstObject) -> CheckedMapping:
    parts = (checked_mapping(node.nested("mapa")), checked_mapping(node.nested("mapb")))
    inverted = (
        node.integer("inva", 0, low=0, high=1) == 1,
        node.integer("invb", 0, low=0, high=1) == 1,
    )
    series = node.name != "CmpMap" or node.integer("series", 1, low=0, high=1) == 1
    return _compound(node.name, parts, inverted, series=series)


def _compound(
    name: str,
    parts: tuple[CheckedMapping, CheckedMapping],
    inverted: tuple[bool, bool],
    *,
    series: bool,
) -> CheckedMapping:
    first, second = (part.axes(inverted=flag) for part, flag in zip(parts, inverted, strict=True))
    if name == "TranMap":
        nin, nout = first
        if first != second:
            raise ReadError(f"AST {name}: its parts map {first} and {second} axes")
    elif series:
        nin, nout = first[0], second[1]
        if first[1] != second[0]:
            raise ReadError(f"AST {name}: its parts do not fit, {first} and {second} axes")
    else:
        nin, nout = first[0] + second[0], first[1] + second[1]
    own = [("Series", str(int(series)))] if name == "CmpMap" else []
    own += [("InvA", str(int(inverted[0]))), ("InvB", str(int(inverted[1])))]
    lines = _emit(name, nin, nout, own)
    nested = ("MapA =", *parts[0].lines, "MapB =", *parts[1].lines)
    return CheckedMapping((*lines[:-1], *nested, lines[-1]), nin, nout)


def _emit(name: str, nin: int, nout: int, *sections: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the text of an object; of two sections, the first is that of its parent PolyMap."""
    lines = [f"Begin {name}", f"Nin = {nin}", f"Nout = {nout}", "IsA Mapping"]
    for number, section in enumerate(sections):
        lines += ["IsA PolyMap"] * (number == 1)
        lines += [f"{key} = {value}" for key, value in section]
    return (*lines, f"End {name}")
