"""Decoder of sky projections: AST text, bounded before AST sees it."""

import re

from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.wcs import AstWcs

# The classes of AST (Starlink User Note 211) that describe projections.  MathMap and IntraMap,
# which hold expressions and names of functions, are left out on purpose.
_FRAMES = ("frameset", "frame", "skyframe", "cmpframe", "axis", "skyaxis")
_LINEAR_MAPS = ("unitmap", "zoommap", "shiftmap", "winmap", "matrixmap", "permmap")
_OTHER_MAPS = (
    "polymap",
    "chebymap",
    "wcsmap",
    "sphmap",
    "slamap",
    "pcdmap",
    "lutmap",
    "unitnormmap",
    "normmap",
)
_COMPOUND_MAPS = ("cmpmap", "tranmap")
_AST_CLASSES = frozenset(_FRAMES + _LINEAR_MAPS + _OTHER_MAPS + _COMPOUND_MAPS)

# Keywords as lenient as AST reads them: any case, any spacing, quoted or not.
_ATTRIBUTE = re.compile(r'\s*([a-z]+)(\d*)\s*=[\s"+]*(-?\d+)', re.IGNORECASE)
_AXIS_COUNTS = frozenset({"nin", "nout", "naxes"})
_OTHER_COUNTS = frozenset({"nframe", "ncf", "nci", "mpf", "mpi", "niterinv", "nlut"})


def check_ast_text(text: str) -> None:
    """Refuse AST text that asks for too much, or for classes that are no projections.

    AST itself allocates and recurses as its text says.

    Raises
    ------
    FileLimitError
        If its length, nesting or a count in it is over a limit.
    UnknownClassError
        If it holds an AST class that forcedsql does not use.
    ReadError
        If a polynomial's powers are larger than it declares.
    """
    limits.require_at_most(len(text), limits.MAX_AST_CHARACTERS, "characters of AST text")
    declared: list[dict[str, int]] = []
    for line in text.split("\n"):
        words = line.lower().split(None, 2)
        if words[:1] == ["begin"]:
            name = words[1] if len(words) > 1 else ""
            if name not in _AST_CLASSES:
                raise UnknownClassError(f"AST {name}")
            declared.append({})
            limits.require_at_most(len(declared), limits.MAX_AST_NESTING, "nested objects in AST text")
        elif words[:1] == ["end"] and declared:
            declared.pop()
        elif declared and (match := _ATTRIBUTE.match(line)):
            _check_attribute(declared[-1], match[1].lower(), match[2], int(match[3]))


def _check_attribute(declared: dict[str, int], name: str, number: str, value: int) -> None:
    if name in _AXIS_COUNTS:
        limits.require_at_most(value, limits.MAX_AST_AXES, f"{name} in AST text")
    elif name in _OTHER_COUNTS:
        limits.require_at_most(value, limits.MAX_AST_COUNT, f"{name}{number} in AST text")
    declared[name + number] = value
    if name in {"pf", "pi"} and number:
        # AST sizes its table of powers by the largest power that the text declares per axis.
        axes = declared.get("nin", 1) if name == "pf" else declared.get("nout", declared.get("nin", 1))
        axis = (int(number) - 1) % max(axes, 1) + 1
        if not 0 <= value <= declared.get(f"m{name}{axis}", limits.MAX_AST_COUNT):
            raise ReadError(f"the AST text has a power {name}{number} = {value} out of its range")


def _sky_wcs(source: ArchiveObject) -> AstWcs:
    blob = source.row().blob("wcs", limit=limits.MAX_AST_CHARACTERS)
    text = blob.decode("ascii", errors="replace")
    check_ast_text(text)
    return AstWcs(text)


DECODERS = {"SkyWcs": Decoder("sky projection", _sky_wcs)}
