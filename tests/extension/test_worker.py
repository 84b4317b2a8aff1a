"""What a worker does in this process: it answers calls, refuses nonsense, and keeps interrupts apart."""

import os
import signal
import socket
import struct
import tempfile
from contextlib import contextmanager

import pyarrow as pa
import pytest

from forcedsql.errors import DatabaseError
from forcedsql.extension import stock_shell
from forcedsql.extension.columns import ColumnWriter
from forcedsql.extension.descriptor import DescribedFunction, config_of_descriptor
from forcedsql.extension.files import NAME, installed_extension
from forcedsql.extension.frames import Frame, FrameKind, FrameSocket, ProtocolError
from forcedsql.extension.interrupts import Interrupts
from forcedsql.extension.questions import Answer, Question, Reader, answer_bytes
from forcedsql.extension.sql_types import encode_text, sql_type
from forcedsql.extension.worker import Segment, Served, Server
from forcedsql.native import limit_threads, thread_limit

ANYTHING = Question(("a",))


class Extension:
    """The other side of a server's socket."""

    def __init__(self, server: Server, frames: FrameSocket, stream: socket.socket) -> None:
        self.server = server
        self.frames = frames
        self.stream = stream


@pytest.fixture
def interrupts():
    before = signal.getsignal(signal.SIGINT)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    yield Interrupts(writing)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, before)
    os.close(reading)
    os.close(writing)


@pytest.fixture
def extension_side(interrupts):
    with open_side(interrupts) as side:
        yield side


@contextmanager
def open_side(interrupts):
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile() as file:
        file.truncate(4096)
        yield Extension(
            Server(FrameSocket(theirs), Segment(file.fileno()), interrupts), FrameSocket(ours), ours
        )
    limit_threads(None)


def served(call) -> Served:
    return Served(DescribedFunction(("f",), (), sql_type("BIGINT")), call)


def reply_to_call(side: Extension, call, *, sharers: int = 1) -> Frame:
    """Return what the server says to one call for three rows."""
    side.frames.send(Frame(FrameKind.CALL, 7, 0, 0, struct.pack("<qII", 3, 0, sharers)))
    side.stream.shutdown(socket.SHUT_WR)
    side.server.serve([served(call)])
    assert side.frames.receive() == Frame(FrameKind.HELLO)
    reply = side.frames.receive()
    assert reply is not None
    assert reply.sequence == 7
    return reply


def test_a_call_is_answered_in_shared_memory(extension_side):
    reply = reply_to_call(extension_side, lambda: pa.array([1, 2, 3]))
    assert (reply.kind, reply.size) == (FrameKind.RESULT, 8 + 3 * 8)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (pa.array([1, 2]), b"a function gave 2 rows for 3"),
        (pa.array([1.0, 2.0, 3.0]), b"a function gave double where int64 was declared"),
    ],
)
def test_a_result_of_another_shape_or_type_is_a_failure(extension_side, result, error):
    reply = reply_to_call(extension_side, lambda: result)
    assert (reply.kind, reply.data) == (FrameKind.FAILURE, error)


@pytest.mark.parametrize(("sharers", "threads"), [(0, 8), (1, 8), (3, 2), (100, 1)])
def test_calls_at_the_same_time_share_the_processors(monkeypatch, interrupts, sharers, threads):
    monkeypatch.setenv("FORCEDSQL_THREADS", "8")
    seen = []
    with open_side(interrupts) as side:
        reply_to_call(side, lambda: seen.append(thread_limit()) or pa.array([1, 2, 3]), sharers=sharers)
    assert seen == [threads]


def test_ctrl_c_ends_a_call_and_not_the_worker(extension_side):
    reply = reply_to_call(extension_side, lambda: signal.raise_signal(signal.SIGINT))
    assert (reply.kind, reply.data) == (FrameKind.FAILURE, b"interrupted")


def test_a_frame_that_is_no_call_is_refused(extension_side):
    extension_side.frames.send(Frame(FrameKind.ROWS))
    with pytest.raises(ProtocolError, match="ROWS was sent where a call was due"):
        extension_side.server.serve([])


def test_a_frame_that_is_no_answer_is_refused(extension_side):
    extension_side.frames.send(Frame(FrameKind.CALL))
    with pytest.raises(ProtocolError, match="CALL was sent where an answer was due"):
        extension_side.server.ask(ANYTHING)


def test_a_worker_that_gets_no_answer_ends(extension_side):
    extension_side.stream.shutdown(socket.SHUT_WR)
    with pytest.raises(SystemExit):
        extension_side.server.ask(ANYTHING)


def test_ctrl_c_waits_until_a_frame_is_sent(interrupts):
    done = []

    def send() -> None:
        with interrupts.allowed(), interrupts.held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("the frame")

    with pytest.raises(KeyboardInterrupt):
        send()
    assert done == ["the frame"]


def test_ctrl_c_before_a_call_does_not_count(interrupts):
    signal.raise_signal(signal.SIGINT)
    with interrupts.allowed(), interrupts.held_back():
        pass


def test_too_long_a_question_is_refused():
    with pytest.raises(ProtocolError, match="about 70000 exposures is too long"):
        Question.decode(struct.pack("<II", 0, 70_000))


def test_an_error_of_the_registry_travels_in_the_answer():
    def ask(_: Question) -> Answer:
        raise DatabaseError("the file\nis gone")

    with pytest.raises(DatabaseError, match=r"^the file is gone$"):
        Answer.decode(answer_bytes(ANYTHING.encode(), ask), ANYTHING)


def test_an_unknown_exposure_is_left_out_of_an_answer():
    data = answer_bytes(ANYTHING.encode(), lambda _: Answer({}, {}))
    assert Answer.decode(data, ANYTHING) == Answer({}, {})


def test_a_string_that_is_not_utf_8_is_refused():
    with pytest.raises(ProtocolError, match="not UTF-8"):
        Reader(struct.pack("<I", 1) + b"\xff").text()


def test_what_is_no_descriptor_is_refused():
    with pytest.raises(ProtocolError, match="the descriptor is none"):
        config_of_descriptor(bytes(8) + encode_text("{}"))


@pytest.mark.parametrize(
    ("type_", "column", "error"),
    [
        ("DOUBLE[]", pa.array([1.0]), "gave double where a list was declared"),
        ("STRUCT(a DOUBLE)", pa.array([{"b": 1.0}]), "other fields than it declared"),
        ("STRUCT(a DOUBLE)", pa.array([1.0]), "other fields than it declared"),
    ],
)
def test_a_nested_result_of_another_type_is_refused(type_, column, error):
    with pytest.raises(ProtocolError, match=error):
        ColumnWriter().add(sql_type(type_), column)


def test_an_installed_extension_is_in_the_users_data(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert installed_extension() == tmp_path / "forcedsql" / NAME


def test_no_shell_is_found_where_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(stock_shell, "find_spec", lambda _: None)
    assert stock_shell.find_shell() is None
