"""The tree of objects that AST text (Starlink User Note 211) describes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from forcedsql.errors import FileLimitError, ReadError

MAX_CHARACTERS = 4_000_000
_MAX_NESTING = 100
_INTEGER = re.compile(r"[-+]?\d{1,9}")


@dataclass(slots=True)
class AstObject:
    """One ``Begin ... End`` of AST text; keywords in lower case.

    Parameters
    ----------
    name : str
        Class.
    values : dict of str to str
        Scalar attributes, unquoted.
    objects : dict of str to AstObject
        Nested objects.
    """

    name: str
    values: dict[str, str] = field(default_factory=dict)
    objects: dict[str, "AstObject"] = field(default_factory=dict)

    def integer(self, name: str, default: int | None = None, *, low: int, high: int) -> int:
        """Return a whole number between two bounds.

        Raises
        ------
        ReadError
            If it is missing and has no default, or is no whole number, or is below `low`.
        FileLimitError
            If it is above `high`.
        """
        text = self.values.get(name, "" if default is None else str(default))
        if not _INTEGER.fullmatch(text) or int(text) < low:
            raise ReadError(f"AST {self.name}: {name} is {text!r}")
        if int(text) > high:
            raise FileLimitError(f"AST {self.name}: {name} is {text}; forcedsql reads at most {high}")
        return int(text)

    def nested(self, name: str) -> "AstObject":
        """Return a nested object; ReadError if it is missing."""
        if name not in self.objects:
            raise ReadError(f"AST {self.name}: the object {name} is missing")
        return self.objects[name]


def parse_ast(text: str) -> AstObject:
    """Return the tree of the first object in AST text.

    Raises
    ------
    ReadError
        If it is not well formed.
    FileLimitError
        If it is too long or nested too deeply.
    """
    if len(text) > MAX_CHARACTERS:
        raise FileLimitError(f"characters of AST text: {len(text)}; forcedsql reads at most {MAX_CHARACTERS}")
    tree = _Tree()
    for line in _lines(text):
        closed = tree.add(line)
        if closed is not None:
            return closed
    raise ReadError("AST text is cut short")


class _Tree:
    """The objects that are open while text is read line by line."""

    def __init__(self) -> None:
        self._open: list[AstObject] = []
        self._awaited = ""

    def add(self, line: str) -> AstObject | None:
        """Take one line; return the outermost object once it is complete."""
        keyword, _, rest = line.partition(" ")
        if keyword == "Begin":
            self._begin(rest.strip())
        elif self._awaited:
            raise ReadError(f"AST text has {line[:40]!r} where an object is expected")
        elif keyword == "End":
            return self._end(rest.strip())
        elif keyword != "IsA":
            self._value(line)
        return None

    def _begin(self, name: str) -> None:
        opened = AstObject(name)
        if self._open:
            self._require_new(self._awaited)
            self._open[-1].objects[self._awaited] = opened
        self._open.append(opened)
        self._awaited = ""
        if len(self._open) > _MAX_NESTING:
            raise FileLimitError(f"AST text nests deeper than {_MAX_NESTING} objects")

    def _end(self, name: str) -> AstObject | None:
        closed = self._open.pop()
        if name != closed.name:
            raise ReadError(f"AST text ends a {name!r} where a {closed.name!r} is open")
        return None if self._open else closed

    def _value(self, line: str) -> None:
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise ReadError(f"AST text has the line {line[:40]!r}, which is no value")
        self._require_new(name.lower())
        if value:
            self._open[-1].values[name.lower()] = value.strip('"').strip()
        else:
            self._awaited = name.lower()

    def _require_new(self, name: str) -> None:
        parent = self._open[-1]
        if not name or name in parent.values or name in parent.objects:
            raise ReadError(f"AST text gives {name or 'an object without a name'!r} out of place")


def _lines(text: str) -> Iterator[str]:
    begin = text.find("Begin ")
    if begin < 0:
        raise ReadError(f"the sky projection is no AST text: it starts {text[:20]!r}")
    for raw in text[begin:].split("\n"):
        # lsst.images appends a tab and a comment to lines; a leading # marks a default.
        line = raw.partition("\t")[0].strip()
        if line and not line.startswith("#"):
            yield line
