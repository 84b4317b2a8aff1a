"""Frames: what travels over the socket between the extension and a worker.

The other side is ``src/frames.h``.  A frame is a header and a few bytes; columns of rows do
not travel, they are in shared memory at the offset that the header gives.
"""

import select
import socket
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

from forcedsql.errors import ForcedSQLError

MAGIC = 0x57515346
VERSION = 3
_AWAKE_NS = 100_000
LARGEST_INLINE = 1 << 28

_HEADER = struct.Struct("<IHHQQQQ")


class FrameKind(IntEnum):
    """What a frame says."""

    WELCOME = 1
    HELLO = 2
    CALL = 3
    RESULT = 4
    FAILURE = 5
    LOOKUP = 6
    ROWS = 7


_KINDS = frozenset(FrameKind)


class ProtocolError(ForcedSQLError):
    """The other side said something that makes no sense."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Parameters
    ----------
    kind : FrameKind
    sequence : int
        Number of the call that it belongs to.
    offset, size : int, byte
        Where its columns are in shared memory.
    data : bytes
        What travels with it.
    """

    kind: FrameKind
    sequence: int = 0
    offset: int = 0
    size: int = 0
    data: bytes = b""


class FrameSocket:
    """Sends and receives frames over a stream socket.

    Parameters
    ----------
    stream : socket.socket
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._arrivals = select.poll()
        self._arrivals.register(stream, select.POLLIN)

    def send(self, frame: Frame) -> None:
        """Send a frame.

        Raises
        ------
        OSError
            If the other side is gone.
        """
        header = _HEADER.pack(
            MAGIC, VERSION, frame.kind, frame.sequence, frame.offset, frame.size, len(frame.data)
        )
        self._stream.sendall(header + frame.data)

    def receive(self) -> Frame | None:
        """Wait for a frame; None if the other side is gone.

        Raises
        ------
        ProtocolError
            If it is none of ours.
        """
        self._stay_awake()
        header = self._exactly(_HEADER.size)
        if header is None:
            return None
        magic, version, kind, sequence, offset, size, length = _HEADER.unpack(header)
        if magic != MAGIC or kind not in _KINDS:
            raise ProtocolError(f"a frame begins with {header[:8]!r}")
        if version != VERSION:
            raise ProtocolError(
                f"the extension speaks version {version} of the protocol, not {VERSION}; "
                "run: forcedsql extension install"
            )
        if length > LARGEST_INLINE:
            raise ProtocolError(f"a frame of {length} bytes is too long")
        data = self._exactly(length)
        return None if data is None else Frame(FrameKind(kind), sequence, offset, size, data)

    def _stay_awake(self) -> None:
        """Wait for a short time without sleeping: waking up takes longer than a short call."""
        last = time.perf_counter_ns() + _AWAKE_NS
        while time.perf_counter_ns() < last and not self._arrivals.poll(0):
            pass

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            part = self._stream.recv(min(size - len(parts), 1 << 20))
            if not part:
                return None
            parts += part
        return bytes(parts)
