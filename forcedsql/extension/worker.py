"""A worker: it serves calls of SQL functions until its socket is closed."""

import faulthandler
import mmap
import os
import select
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray
from forcedsql.errors import ForcedSQLError
from forcedsql.extension.columns import ColumnReader, ColumnWriter
from forcedsql.extension.descriptor import (
    DescribedFunction,
    config_of_descriptor,
    describe,
    encode_functions,
)
from forcedsql.extension.frames import Frame, FrameKind, FrameSocket, ProtocolError
from forcedsql.extension.interrupts import Interrupts
from forcedsql.extension.questions import Answer, Question, Reader
from forcedsql.native import limit_threads, thread_limit

SOCKET_FILE, SEGMENT_FILE, INTERRUPT_FILE = 3, 4, 5
"""File descriptors that ``src/worker.c`` starts a worker with."""

_CALL = "<qII"
_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class Served:
    """A function with its types, and what computes it."""

    described: DescribedFunction
    call: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the extension says first.

    Parameters
    ----------
    workers : int
        How many there may be: each takes its share of the memory.
    parent : int
        Process that the worker belongs to.
    shown : str
        Name of the database in messages.
    descriptor : bytes
    """

    workers: int
    parent: int
    shown: str
    descriptor: bytes

    @classmethod
    def decode(cls, data: bytes) -> "Welcome":
        """Return the welcome of some bytes.

        Raises
        ------
        ProtocolError
            If they are none.
        """
        reader = Reader(data)
        workers, parent = reader.unpack("<II")
        return cls(max(workers, 1), parent, reader.text(), reader.rest())


class Segment:
    """The shared memory.

    Parameters
    ----------
    file : int
        Its file descriptor.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._bytes: AnyArray = np.empty(0, np.uint8)

    def view(self, offset: int, size: int) -> AnyArray:
        """Return a part as bytes, (size,) uint8.

        Raises
        ------
        ProtocolError
            If the memory ends before.
        """
        if offset + size > len(self._bytes):
            self._map()
        if offset + size > len(self._bytes):
            raise ProtocolError(f"{offset + size} bytes are announced in {len(self._bytes)} of shared memory")
        return self._bytes[offset : offset + size]

    def grow(self, size: int) -> None:
        """Make the memory at least so large."""
        if size > len(self._bytes):
            self._map()
        if size > len(self._bytes):
            os.ftruncate(self._file, max(size, 2 * len(self._bytes)))
            self._map()

    def _map(self) -> None:
        self._bytes = np.frombuffer(mmap.mmap(self._file, os.fstat(self._file).st_size), np.uint8)


class Server:
    """Answers calls, one after the other.

    Parameters
    ----------
    frames : FrameSocket
    segment : Segment
    interrupts : Interrupts
    """

    def __init__(self, frames: FrameSocket, segment: Segment, interrupts: Interrupts) -> None:
        self._frames = frames
        self._segment = segment
        self._interrupts = interrupts
        self._threads = thread_limit()
        self._sequence = 0

    def serve(self, functions: Sequence[Served]) -> None:
        """Serve until the socket is closed.

        Raises
        ------
        ProtocolError
            If the other side says what makes no sense.
        """
        self._frames.send(Frame(FrameKind.HELLO))
        while (frame := self._frames.receive()) is not None:
            if frame.kind is not FrameKind.CALL:
                raise ProtocolError(f"{frame.kind.name} was sent where a call was due")
            self._sequence = frame.sequence
            try:
                with self._interrupts.allowed():
                    reply = self._evaluate(functions, frame)
            except KeyboardInterrupt:
                reply = Frame(FrameKind.FAILURE, frame.sequence, data=b"interrupted")
            self._frames.send(reply)

    def ask(self, question: Question) -> Answer:
        """Ask the registry, within a call.

        Raises
        ------
        DatabaseError
            If it cannot be asked.
        ProtocolError
            If what comes is no answer.
        """
        with self._interrupts.held_back():
            self._frames.send(Frame(FrameKind.LOOKUP, self._sequence, data=question.encode()))
            frame = self._frames.receive()
        if frame is None:
            raise SystemExit
        if frame.kind is not FrameKind.ROWS:
            raise ProtocolError(f"{frame.kind.name} was sent where an answer was due")
        return Answer.decode(frame.data, question)

    def _evaluate(self, functions: Sequence[Served], frame: Frame) -> Frame:
        try:
            result, described = self._call(functions, frame)
            writer = ColumnWriter()
            writer.add(described.result, result)
            offset = frame.offset + frame.size + -(frame.offset + frame.size) % _ALIGNMENT
            self._segment.grow(offset + writer.size)
            writer.write_to(self._segment.view(offset, writer.size))
        except ForcedSQLError as error:
            return Frame(FrameKind.FAILURE, frame.sequence, data=_one_line(error))
        except Exception as error:  # noqa: BLE001 - the query gets the error, and the log the details
            traceback.print_exc()
            return Frame(FrameKind.FAILURE, frame.sequence, data=_one_line(error, named=True))
        return Frame(FrameKind.RESULT, frame.sequence, offset, writer.size)

    def _call(self, functions: Sequence[Served], frame: Frame) -> tuple[pa.Array, DescribedFunction]:
        count, index, sharers = Reader(frame.data).unpack(_CALL)
        if not 0 <= index < len(functions):
            raise ProtocolError(f"function {index} of {len(functions)} was called")
        served = functions[index]
        reader = ColumnReader(self._segment.view(frame.offset, frame.size))
        columns = [reader.read(kind, count) for kind in served.described.parameters]
        limit_threads(max(1, self._threads // max(1, sharers)))
        result = served.call(*(pa.chunked_array([column]) for column in columns))
        if len(result) != count:
            raise ProtocolError(f"a function gave {len(result)} rows for {count}")
        return result, served.described


def functions_for(welcome: Welcome, ask: Callable[[Question], Answer]) -> list[Served]:
    """Return the functions that a descriptor tells of.

    Raises
    ------
    ProtocolError
        If this version has others: forcedsql was updated after the descriptor was written.
    """
    from forcedsql.database.cache import DEFAULT_CACHE_BYTES  # noqa: PLC0415 - after the watch began
    from forcedsql.database.functions import sql_functions  # noqa: PLC0415
    from forcedsql.extension.registry import RemoteSession  # noqa: PLC0415

    session = RemoteSession(
        shown=welcome.shown,
        config=config_of_descriptor(welcome.descriptor),
        cache_bytes=DEFAULT_CACHE_BYTES // welcome.workers,
        ask=ask,
    )
    functions = [Served(describe(function), function.call) for function in sql_functions(session)]
    if not welcome.descriptor.endswith(encode_functions([served.described for served in functions])):
        raise ProtocolError(
            "forcedsql has changed since its extension was installed; run: forcedsql extension install"
        )
    return functions


def _one_line(error: BaseException, *, named: bool = False) -> bytes:
    text = " ".join(str(error).split())
    return (f"{type(error).__name__}: {text}" if named or not text else text).encode(errors="replace")


def _end_with(stream: socket.socket, parent: int) -> None:
    """End this process, whatever it does, when its socket is closed or its parent is gone."""
    watch = select.poll()
    watch.register(stream, getattr(select, "POLLRDHUP", 0) | select.POLLHUP)
    while os.getppid() == parent:
        if watch.poll(1000):
            break
    os._exit(0)


FunctionMaker = Callable[[Welcome, Callable[[Question], Answer]], Sequence[Served]]


def main(make_functions: FunctionMaker = functions_for) -> None:
    """Serve the extension that has started this process, and end it.

    Parameters
    ----------
    make_functions : callable
        Gives the functions, in the descriptor's order; it may ask the registry later on.
    """
    faulthandler.enable()
    stream = socket.socket(fileno=SOCKET_FILE)
    interrupts = Interrupts(INTERRUPT_FILE)
    frames = FrameSocket(stream)
    first = frames.receive()
    if first is None:
        return
    welcome = Welcome.decode(first.data)
    threading.Thread(target=_end_with, args=(stream, welcome.parent), daemon=True).start()
    server = Server(frames, Segment(SEGMENT_FILE), interrupts)
    try:
        server.serve(make_functions(welcome, server.ask))
    except ForcedSQLError as error:
        frames.send(Frame(FrameKind.FAILURE, data=_one_line(error)))
    except OSError:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(0)  # nothing to tidy up, and at once
