"""Questions about the exposure registry, and their answers, as bytes.

A worker asks by exposure ids; the extension answers from what it read when it was loaded
(``src/registry.c``), or a Python process from its connection.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from forcedsql.errors import DatabaseError
from forcedsql.exposure_file import RegisteredExposure
from forcedsql.extension.frames import ProtocolError
from forcedsql.extension.sql_types import encode_text

_WITH_LAYOUTS = 1
_FIELDS = fields(RegisteredExposure)
_MOST_QUESTIONS = 1 << 16


@dataclass(frozen=True, slots=True)
class Question:
    """Which exposures, and whether the layouts of their files are wanted too."""

    exposure_ids: tuple[str, ...]
    with_layouts: bool = False

    def encode(self) -> bytes:
        """Return the bytes of the question."""
        flags = _WITH_LAYOUTS if self.with_layouts else 0
        ids = b"".join(map(encode_text, self.exposure_ids))
        return struct.pack("<II", flags, len(self.exposure_ids)) + ids

    @classmethod
    def decode(cls, data: bytes) -> "Question":
        """Return the question of some bytes.

        Raises
        ------
        ProtocolError
            If they are none.
        """
        reader = Reader(data)
        flags, count = reader.unpack("<II")
        if count > _MOST_QUESTIONS:
            raise ProtocolError(f"a question about {count} exposures is too long")
        return cls(tuple(reader.text() for _ in range(count)), bool(flags & _WITH_LAYOUTS))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry says of the exposures of a question; unknown ones are left out."""

    rows: Mapping[str, RegisteredExposure]
    layouts: Mapping[str, str]

    def encode(self, question: Question) -> bytes:
        """Return the bytes of the answer to a question."""
        parts = [encode_text("")]
        for exposure_id in question.exposure_ids:
            row = self.rows.get(exposure_id)
            parts.append(struct.pack("<I", row is not None))
            if row is not None:
                parts += [_encode_value(getattr(row, field.name)) for field in _FIELDS]
                parts.append(encode_text(self.layouts.get(exposure_id, "")))
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, question: Question) -> "Answer":
        """Return the answer that some bytes give to a question.

        Raises
        ------
        DatabaseError
            If the registry could not be asked.
        ProtocolError
            If the bytes are no answer to it.
        """
        reader = Reader(data)
        error = reader.text()
        if error:
            raise DatabaseError(error)
        rows, layouts = {}, {}
        for exposure_id in question.exposure_ids:
            if reader.unpack("<I") == (0,):
                continue
            values = [_decode_value(reader, field.type) for field in _FIELDS]
            rows[exposure_id] = RegisteredExposure(*values)
            layouts[exposure_id] = reader.text()
        return cls(rows, {name: layout for name, layout in layouts.items() if layout})


def _encode_value(value: object) -> bytes:
    return struct.pack("<I", value is not None) + (b"" if value is None else encode_text(str(value)))


def _decode_value(reader: "Reader", type_: object) -> Any:
    """Return a value that travels as text, or not at all where it is NULL."""
    if reader.unpack("<I") == (0,):
        return None
    text = reader.text()
    if type_ is not int:
        return text
    try:
        return int(text)
    except ValueError:
        raise ProtocolError(f"{text!r} is no number") from None


def answer_bytes(data: bytes, ask: Callable[[Question], Answer]) -> bytes:
    """Answer a question in bytes; an error becomes part of the answer."""
    try:
        question = Question.decode(data)
        return ask(question).encode(question)
    except Exception as error:  # noqa: BLE001 - a thread of DuckDB's waits for the answer
        return encode_text(" ".join(str(error).split()) or type(error).__name__)


class Reader:
    """Reads bytes from their start, never beyond their end.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        Raises
        ------
        ProtocolError
            If there are not as many.
        """
        if size > len(self._data) - self._place:
            raise ProtocolError(f"{size} bytes are announced where {len(self._data) - self._place} are left")
        self._place += size
        return self._data[self._place - size : self._place]

    def unpack(self, form: str) -> tuple[int, ...]:
        """Return the next numbers, by a form of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def text(self) -> str:
        """Return the next string."""
        (size,) = self.unpack("<I")
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(f"a string is not UTF-8: {error}") from None

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data) - self._place)
