"""SQL types as the extension and its workers have them: a letter each, with what is inside."""

import struct
from dataclasses import dataclass
from typing import Any

from forcedsql.errors import ForcedSQLError

_LETTERS = {"double": "d", "float": "f", "bigint": "l", "integer": "i", "boolean": "b", "varchar": "s"}
LIST, STRUCT = "L", "S"


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type of a parameter or a result.

    Parameters
    ----------
    letter : str
        One of "dflibs" for a number, boolean or string, "L" for a list, "S" for a struct.
    fields : tuple of (str, SqlType)
        Of a struct, by name; of a list one, of its elements, whose name means nothing.
    """

    letter: str
    fields: "tuple[tuple[str, SqlType], ...]" = ()

    def encode(self) -> bytes:
        """Return the type as ``src/types.c`` reads it."""
        letter = self.letter.encode()
        if self.letter == STRUCT:
            inner = b"".join(encode_text(name) + field.encode() for name, field in self.fields)
            return letter + struct.pack("<I", len(self.fields)) + inner
        return letter + b"".join(field.encode() for _, field in self.fields)


def sql_type(text: str) -> SqlType:
    """Return a type by the words that SQL has for it, such as ``STRUCT(x DOUBLE)[]``.

    Raises
    ------
    ForcedSQLError
        If the extension has no such type.
    """
    import duckdb  # noqa: PLC0415 - takes a while, and a shell that has its descriptor needs it not

    return _convert(duckdb.sqltype(text))


def _convert(kind: Any) -> SqlType:
    name = str(kind.id)
    if name in _LETTERS:
        return SqlType(_LETTERS[name])
    if name == "list":
        return SqlType(LIST, (("", _convert(kind.children[0][1])),))
    if name == "struct":
        return SqlType(STRUCT, tuple((field, _convert(inner)) for field, inner in kind.children))
    raise ForcedSQLError(f"the extension has no type {kind}; use {', '.join(_LETTERS)}, lists or structs")


def encode_text(text: str) -> bytes:
    """Return a string as the protocol has it: its length in 32 bits, then UTF-8."""
    encoded = text.encode()
    return struct.pack("<I", len(encoded)) + encoded
