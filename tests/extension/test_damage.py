"""Nothing that either side sends, and nothing in a descriptor, crashes the other one."""

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from forcedsql.errors import DatabaseError
from forcedsql.extension.columns import ColumnReader
from forcedsql.extension.frames import MAGIC, VERSION, Frame, FrameKind, FrameSocket, ProtocolError
from forcedsql.extension.loading import give_descriptor
from forcedsql.extension.questions import Answer, Question
from forcedsql.extension.sql_types import encode_text, sql_type
from tests.extension import echo_worker
from tests.extension.conftest import echo_descriptor, open_echo

ROUNDS = int(os.environ.get("FORCEDSQL_TEST_ROUNDS", "12"))
"""Garbage from a worker: each costs a start of one."""

KINDS = [sql_type(text) for text in echo_worker.TYPES.values()]


def test_garbage_from_a_worker_is_an_error_and_the_next_query_works(extension, tmp_path):
    with open_echo(extension, echo_descriptor(tmp_path)) as con:
        for seed in range(ROUNDS):
            with pytest.raises(duckdb.Error, match=r"forcedsql worker|no answer"):
                con.sql(f"SELECT say_garbage(i) FROM range({seed}, {seed + 1}) r(i)").fetchall()
        assert con.sql("SELECT echo_double(2.5)").fetchall() == [(2.5,)]


def test_damaged_columns_from_a_worker_are_errors(extension, tmp_path):
    with open_echo(extension, echo_descriptor(tmp_path)) as con:
        outcomes = set()
        for seed in range(300):
            for name in ("varchar", "lists", "structs", "struct"):
                try:
                    con.sql(f"SELECT spoil_{name}(i) FROM range({seed}, {seed} + 5) r(i)").fetchall()
                    outcomes.add("read")
                except duckdb.Error as error:
                    outcomes.add(str(error).splitlines()[0])
        assert "Invalid Input Error: a forcedsql worker sent columns that cannot be read" in outcomes
        assert len(outcomes) <= 2, outcomes


def test_damaged_descriptors_are_refused(extension, tmp_path):
    good = echo_descriptor(tmp_path).encode()
    rng = np.random.default_rng(1)
    damaged = [b"", good[:7], good[:-1], b"x" * len(good), good[:8] + b"\xff" * 8 + good[16:]]
    for _ in range(200):
        changed = bytearray(good[: rng.integers(8, len(good))] if rng.random() < 0.3 else good)
        for place in rng.integers(8, len(changed), 4):
            changed[place] = rng.integers(256)
        damaged.append(bytes(changed))
    refused = 0
    for bytes_ in damaged:
        with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as con:
            give_descriptor(extension, bytes_ or b"?", "a test", lambda _: Answer({}, {}))
            try:
                con.execute(f"LOAD '{extension}'")
            except duckdb.Error as error:
                refused += "forcedsql extension install" in str(error) or "cannot be registered" in str(error)
    assert refused > 100


def test_columns_of_noise_are_protocol_errors():
    rng = np.random.default_rng(2)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(3000):
        data = rng.integers(0, 256 if rng.random() < 0.3 else 3, 8 * rng.integers(0, 40), np.uint8)
        try:
            for kind in rng.permutation(len(KINDS))[:2]:
                ColumnReader(data).read(KINDS[kind], int(rng.integers(0, 6)))
            outcomes["read"] += 1
        except ProtocolError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100


@pytest.mark.parametrize(
    ("begin", "end", "text", "error"),
    [
        (1, 2, b"ab", "does not begin where it should"),
        (0, -1, b"", "values are announced"),
        (0, 99, b"ab", "values are announced"),
        (0, 2, b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_string_that_all_rows_share_is_checked(begin, end, text, error):
    data = struct.pack("<qqii", 0, 1, begin, end) + text.ljust(8, b"\0")
    with pytest.raises(ProtocolError, match=error):
        ColumnReader(np.frombuffer(data, np.uint8)).read(sql_type("VARCHAR"), 3)


def test_questions_and_answers_of_noise_are_protocol_errors():
    rng = np.random.default_rng(3)
    for _ in range(500):
        data = rng.bytes(int(rng.integers(0, 60)))
        with pytest.raises(ProtocolError):
            Question.decode(b"\1\0\0\0\3\0\0\0" + data)
        if data[:4] != bytes(4):
            with pytest.raises((ProtocolError, DatabaseError)):
                Answer.decode(data, Question(("a",)))


@pytest.mark.parametrize(
    "header",
    [
        b"no header at all, but long enough for one",
        struct.pack("<IHHQQQQ", MAGIC, VERSION + 1, FrameKind.CALL, 0, 0, 0, 0),
        struct.pack("<IHHQQQQ", MAGIC, VERSION, 99, 0, 0, 0, 0),
        struct.pack("<IHHQQQQ", MAGIC, VERSION, FrameKind.CALL, 0, 0, 0, 2**63),
    ],
)
def test_a_frame_that_is_none_is_refused(header):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(header)
        with pytest.raises(ProtocolError):
            FrameSocket(theirs).receive()


def test_half_a_frame_is_the_end():
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(struct.pack("<IHHQQQQ", MAGIC, VERSION, FrameKind.CALL, 0, 0, 0, 100) + b"half")
        assert FrameSocket(theirs).receive() is None


class Impostor:
    """Starts a worker as the extension does, without being the extension."""

    def __init__(self, folder: Path) -> None:
        self.socket, theirs = socket.socketpair()
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with theirs, (folder / "segment").open("wb+") as segment:
            segment.truncate(4096)
            files = (theirs.fileno(), segment.fileno(), writing)
            moves = "; ".join(f"os.dup2({file}, {50 + i})" for i, file in enumerate(files))
            moves += "; " + "; ".join(f"os.dup2({50 + i}, {3 + i})" for i in range(3))
            command = [sys.executable, "-P", str(Path(echo_worker.__file__).resolve())]
            start = f"import os; {moves}; os.execv({sys.executable!r}, {command!r})"
            self.process = subprocess.Popen([sys.executable, "-c", start], pass_fds=files)
        os.close(writing)
        self.frames = FrameSocket(self.socket)
        descriptor = echo_descriptor(folder).encode()
        welcome = struct.pack("<II", 1, os.getpid()) + encode_text("a test") + descriptor
        self.frames.send(Frame(FrameKind.WELCOME, data=welcome))
        assert self.frames.receive() == Frame(FrameKind.HELLO)

    def ask(self, frame: Frame) -> Frame:
        self.frames.send(frame)
        reply = self.frames.receive()
        assert reply is not None
        return reply

    def close(self) -> None:
        self.socket.close()
        assert self.process.wait(20) == 0
        os.close(self._reading)


@pytest.fixture
def impostor(tmp_path):
    made = Impostor(tmp_path)
    yield made
    made.close()


def test_calls_that_make_no_sense_are_failures_and_the_worker_lives_on(impostor):
    rng = np.random.default_rng(4)
    data = [b"short", *(struct.pack("<qII", *call) for call in ((-1, 0, 1), (3, 9999, 1), (2**62, 0, 1)))]
    calls = [Frame(FrameKind.CALL, n, 0, 4096, some) for n, some in enumerate(data)]
    for n in range(10, 300):
        offset, size, count = (int(x) for x in rng.choice([0, 1, 8, 4095, 4096, 2**31, 2**40, 2**63], 3))
        function = int(rng.integers(0, len(echo_worker.TYPES)))
        calls.append(Frame(FrameKind.CALL, n, offset, size, struct.pack("<QII", count, function, n % 3)))
    for call in calls:
        reply = impostor.ask(call)
        assert reply.sequence == call.sequence
        assert reply.kind in (FrameKind.FAILURE, FrameKind.RESULT)


def test_garbage_ends_the_worker_with_a_word(impostor):
    impostor.socket.sendall(np.random.default_rng(5).bytes(100))
    reply = impostor.frames.receive()
    assert reply is not None
    assert (reply.kind, reply.data[:19]) == (FrameKind.FAILURE, b"a frame begins with")
    assert impostor.process.wait(20) == 0
