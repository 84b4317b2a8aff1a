"""A worker of functions that are easy to check, and of some that do wrong on purpose."""

import os
import signal
import socket
import struct
import sys
import time
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from forcedsql.arrays import AnyArray
from forcedsql.extension.columns import ColumnWriter
from forcedsql.extension.descriptor import DescribedFunction
from forcedsql.extension.frames import MAGIC, VERSION, FrameKind
from forcedsql.extension.sql_types import sql_type
from forcedsql.extension.worker import SOCKET_FILE, Served, main

TYPES = {
    "double": "DOUBLE",
    "float": "FLOAT",
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "boolean": "BOOLEAN",
    "varchar": "VARCHAR",
    "list": "DOUBLE[]",
    "lists": "VARCHAR[][]",
    "struct": 'STRUCT("a b" DOUBLE, t VARCHAR, l INTEGER[], b BOOLEAN)',
    "structs": "STRUCT(x DOUBLE, s STRUCT(y BIGINT))[]",
}
"""Of functions echo_NAME, which return what they get."""


def echo(values: pa.ChunkedArray) -> pa.Array:
    column = values.combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def nap(seconds: pa.ChunkedArray) -> pa.Array:
    """Sleep as long as each row says."""
    for value in seconds.to_pylist():
        time.sleep(value)
    return echo(seconds)


def compute(seconds: pa.ChunkedArray) -> pa.Array:
    """Be busy in C, deaf to signals."""
    end = time.monotonic() + seconds.to_pylist()[0]
    values = np.random.default_rng(1).random(30_000_000)
    while time.monotonic() < end:
        np.sort(values)
    return echo(seconds)


def die(signals: pa.ChunkedArray) -> pa.Array:
    """End this process by a signal, -1 for an exit of its own."""
    number = signals.to_pylist()[0]
    print("last words", file=sys.stderr, flush=True)
    if number < 0:
        os._exit(7)
    os.kill(os.getpid(), number)
    return echo(signals)


def process(values: pa.ChunkedArray) -> pa.Array:
    return pa.array(np.full(len(values), os.getpid()))


def folder(values: pa.ChunkedArray) -> pa.Array:
    return pa.array([os.getcwd()] * len(values))  # noqa: PTH109


def fail(values: pa.ChunkedArray) -> pa.Array:
    raise ValueError("a fault\nof two lines")


def say_garbage(seeds: pa.ChunkedArray) -> pa.Array:
    """Send bytes that no worker sends: noise, and frames that are almost right."""
    stream = socket.socket(fileno=os.dup(SOCKET_FILE))
    seed = seeds.to_pylist()[0]
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        stream.sendall(rng.bytes(int(rng.integers(1, 4000))))
    else:
        sizes = (0, 1, 7, 4096, 2**31, 2**40, 2**63, 2**64 - 1)
        numbers = [sizes[place] for place in rng.integers(0, len(sizes), 4)]
        kind = int(rng.choice([*FrameKind, 0, 99]))
        sequence = numbers[0] if seed % 4 == 1 else seed % 3
        header = struct.pack("<IHHQQQQ", MAGIC, VERSION, kind, sequence, *numbers[1:3], numbers[3] % 64)
        stream.sendall(header + rng.bytes(int(rng.integers(0, 64))))
    stream.shutdown(socket.SHUT_WR)
    time.sleep(0.05)
    os._exit(0)


SAMPLES = {
    "varchar": "text",
    "lists": [["a", None], []],
    "struct": {"a b": 1.0, "t": "x", "l": [1, 2], "b": True},
    "structs": [{"x": 1.0, "s": {"y": 2}}],
}
"""Values of functions spoil_NAME."""

spoiling: list[int] = []
"""Seed for the damage to the columns that are written next."""


def spoil(seeds: pa.ChunkedArray, name: str) -> pa.Array:
    """Return columns that are damaged when they are written."""
    spoiling.append(seeds.to_pylist()[0])
    kind = con.sql(f"SELECT NULL::{TYPES[name]} AS v").to_arrow_table().schema.field("v").type
    return pa.array([SAMPLES[name]] * len(seeds), kind)


def write_damaged(writer: ColumnWriter, target: AnyArray) -> None:
    write_whole(writer, target)
    if spoiling:
        rng = np.random.default_rng(spoiling.pop())
        for _ in range(rng.integers(1, 6)):
            target[rng.integers(len(target))] = rng.choice([0, 1, 2, 127, 128, 255])


con = duckdb.connect()
write_whole = ColumnWriter.write_to
ColumnWriter.write_to = write_damaged

FUNCTIONS = {
    **{f"spoil_{name}": (("BIGINT",), TYPES[name], partial(spoil, name=name)) for name in SAMPLES},
    **{f"echo_{name}": ((kind,), kind, echo) for name, kind in TYPES.items()},
    "nap": (("DOUBLE",), "DOUBLE", nap),
    "compute": (("DOUBLE",), "DOUBLE", compute),
    "die": (("BIGINT",), "BIGINT", die),
    "process": (("BIGINT",), "BIGINT", process),
    "folder": (("BIGINT",), "VARCHAR", folder),
    "fail": (("BIGINT",), "BIGINT", fail),
    "say_garbage": (("BIGINT",), "BIGINT", say_garbage),
    "exposure": (("VARCHAR", "DOUBLE"), "DOUBLE", lambda ids, values: echo(values)),
}


def described() -> tuple[DescribedFunction, ...]:
    return tuple(
        DescribedFunction((name,), tuple(map(sql_type, parameters)), sql_type(result))
        for name, (parameters, result, _) in FUNCTIONS.items()
    )


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    calls = [call for _, _, call in FUNCTIONS.values()]
    main(lambda _welcome, _ask: [Served(*pair) for pair in zip(described(), calls, strict=True)])
