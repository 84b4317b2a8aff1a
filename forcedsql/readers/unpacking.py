"""Files that are gzipped or bzipped as a whole, unpacked within a limit."""

import bz2
import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits

_CHUNK = 1 << 20
_OPENERS: Mapping[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
"""How a file is unpacked, by the bytes that it starts with."""


@contextmanager
def unpacked(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Unpack a stream into a temporary file, which is gone afterwards.

    Parameters
    ----------
    stream : binary file
        At its start.

    Yields
    ------
    binary file
        At its start, for reading; the stream itself, if it is a file that is not packed.

    Raises
    ------
    ReadError
        If it is damaged or cut short, or there is no room for it.
    FileLimitError
        If it holds more than a reader grants.
    """
    opener = _opener_of(stream)
    if opener is None and not isinstance(stream, BytesIO):
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        try:
            if opener is None:
                shutil.copyfileobj(stream, copy)
            else:
                _unpack(opener(stream), copy)
        except (OSError, EOFError, zlib.error) as fault:
            raise ReadError(f"it cannot be unpacked: {fault}") from fault
        copy.flush()
        # A handle that can only read: astropy insists.
        with os.fdopen(os.dup(copy.fileno()), "rb") as readable:
            readable.seek(0)
            yield readable


def _opener_of(stream: BinaryIO) -> Callable[[BinaryIO], Any] | None:
    start = stream.read(max(map(len, _OPENERS)))
    stream.seek(0)
    return next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)


def _unpack(source: Any, copy: Any) -> None:
    held = 0
    while part := source.read(_CHUNK):
        held += len(part)
        if held > limits.MAX_UNPACKED_BYTES:
            raise FileLimitError(
                f"it unpacks to more than {limits.MAX_UNPACKED_BYTES} bytes, the most that forcedsql "
                "unpacks; unpack it first"
            )
        copy.write(part)
