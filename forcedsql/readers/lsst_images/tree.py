"""The JSON tree of an lsst.images file: parsed within limits, read with types."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.errors import ReadError
from forcedsql.readers import limits

MAX_BYTES = 1 << 25
_MAX_VALUES = 1_000_000
_MAX_NESTING = 64
_SHOWN_CHARACTERS = 40

# A string that is not closed runs to the end, so that every byte is looked at once.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_OPENING, _CLOSING, _SEPARATING = b"[{", b"]}", b",:"


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a JSON tree, and the way to it.

    Parameters
    ----------
    value : dict, list, str, int, float, bool or None
    path : str
        Names and numbers of the values that contain it, joined by dots; for messages.

    Raises
    ------
    ReadError
        By every accessor, where the value is of another type or missing.
    """

    value: Any
    path: str = ""

    def has(self, name: str) -> bool:
        """Tell whether this is an object with a value of that name that is not null."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def child(self, name: str) -> "Node":
        """Return a value of an object."""
        value = self._of_type(dict, "an object").get(name)
        if value is None:
            raise ReadError(f"its JSON lacks {self._path_to(name)}")
        return Node(value, self._path_to(name))

    def children(self) -> Iterator[tuple[str, "Node"]]:
        """Yield the names and values of an object."""
        for name, value in self._of_type(dict, "an object").items():
            yield name, Node(value, self._path_to(name))

    def elements(self, *, limit: int) -> list["Node"]:
        """Return the values of a list of at most `limit`."""
        values = self._of_type(list, "a list")
        limits.require_at_most(len(values), limit, f"values in the JSON list {self.path}")
        return [Node(value, self._path_to(str(index))) for index, value in enumerate(values)]

    def text(self, *, limit: int = 256) -> str:
        """Return a string of at most `limit` characters."""
        text: str = self._of_type(str, "a string")
        limits.require_at_most(len(text), limit, f"characters in the JSON string {self.path}")
        return text

    def label(self) -> str:
        """Return a string of printable characters: a name or a unit."""
        text = self.text()
        if not text.isprintable():
            raise self._unlike("printable")
        return text

    def find(self, *names: str) -> Any:
        """Return what a way of names leads to, None where it leads nowhere."""
        value = self.value
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def integer(self, *, low: int, high: int) -> int:
        """Return a whole number between two bounds; FileLimitError if it is above the upper one."""
        if type(self.value) is not int or self.value < low:
            raise self._unlike(f"a whole number from {low} up")
        limits.require_at_most(self.value, high, f"JSON value {self.path}")
        return self.value

    def number(self) -> float:
        """Return a finite number."""
        number = finite_number(self.value)
        if number is None:
            raise self._unlike("a finite number")
        return number

    def numbers(self) -> AnyArray:
        """Return nested lists of numbers as an array of integers or floats."""
        try:
            array = np.array(self._of_type(list, "a list"))
        except (ValueError, OverflowError) as fault:
            raise self._unlike("an array of numbers") from fault
        if array.dtype.kind not in "iuf":
            raise self._unlike("an array of numbers")
        return array

    def _of_type(self, wanted: type, what: str) -> Any:
        if not isinstance(self.value, wanted):
            raise self._unlike(what)
        return self.value

    def _unlike(self, what: str) -> ReadError:
        shown = repr(self.value) if not isinstance(self.value, dict | list) else type(self.value).__name__
        return ReadError(f"its JSON has {shown[:_SHOWN_CHARACTERS]} at {self.path or 'the top'}, not {what}")

    def _path_to(self, name: str) -> str:
        name = name[:_SHOWN_CHARACTERS]
        return f"{self.path}.{name}" if self.path else name


def finite_number(value: Any) -> float | None:
    """Return a value as a number, None if it is none or not finite in double precision."""
    if type(value) not in {int, float}:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def parse_tree(data: bytes) -> Node:
    """Return the tree that JSON text describes.

    Its nesting and the number of its values are counted before it is parsed.

    Raises
    ------
    ReadError
        If it is not JSON in UTF-8, or not an object.
    FileLimitError
        If it is longer, deeper or of more values than an exposure needs.
    """
    limits.require_at_most(len(data), MAX_BYTES, "bytes of JSON")
    structure = np.frombuffer(_STRING.sub(b"", data), dtype=np.uint8)
    opening, closing, separating = (
        np.isin(structure, np.frombuffer(marks, dtype=np.uint8))
        for marks in (_OPENING, _CLOSING, _SEPARATING)
    )
    depth = np.cumsum(opening.astype(np.int32) - closing, dtype=np.int32).max(initial=0)
    limits.require_at_most(int(depth), _MAX_NESTING, "nesting of its JSON")
    limits.require_at_most(
        int(np.count_nonzero(opening) + np.count_nonzero(separating)), _MAX_VALUES, "values in its JSON"
    )
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as fault:
        raise ReadError(f"its JSON cannot be read: {fault}") from fault
    if not isinstance(value, dict):
        raise ReadError("its JSON is no object")
    return Node(value)
