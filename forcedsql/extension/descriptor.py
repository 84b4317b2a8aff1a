"""The descriptor: what the extension is told of this installation and its functions.

It is made from the very declaration of the functions that Python registers
(`forcedsql.database.functions.sql_functions`), for one configuration.
"""

import json
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from forcedsql.config import MeasurementConfig
from forcedsql.exposure_file import RegisteredExposure
from forcedsql.extension.frames import ProtocolError
from forcedsql.extension.questions import Reader
from forcedsql.extension.sql_types import SqlType, encode_text, sql_type

if TYPE_CHECKING:
    from forcedsql.database.functions import SqlFunction

MAGIC = 0x44515346
VERSION = 2
SCHEMA = "{schema}"
"""Stands for each database that the extension finds, in its queries."""

_BOOTSTRAP = Path(__file__).resolve().with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class DescribedFunction:
    """A function as the extension registers it.

    Parameters
    ----------
    names : tuple of str
    parameters : tuple of SqlType
    result : SqlType
    constant : str, optional
        What the function returns, without a worker.
    together : bool
        Whether all rows go to the same worker, which remembers earlier calls.
    """

    names: tuple[str, ...]
    parameters: tuple[SqlType, ...]
    result: SqlType
    constant: str | None = None
    together: bool = False

    def encode(self) -> bytes:
        """Return the function as ``src/descriptor.c`` reads it."""
        types = b"".join(kind.encode() for kind in self.parameters)
        return (
            _encode_texts(self.names)
            + struct.pack("<I", len(self.parameters))
            + types
            + self.result.encode()
            + struct.pack("<II", self.together, self.constant is not None)
            + encode_text(self.constant or "")
        )


def describe(function: "SqlFunction") -> DescribedFunction:
    """Return a function of `forcedsql.database.functions` as the extension registers it.

    Raises
    ------
    ForcedSQLError
        If the extension has no such type.
    """
    constant = None if function.kind == "arrow" else str(function.call())
    parameters = tuple(map(sql_type, function.parameters.values()))
    returns = sql_type(function.returns)
    return DescribedFunction(function.names, parameters, returns, constant, function.together)


def describe_all(config: MeasurementConfig) -> tuple[DescribedFunction, ...]:
    """Return every SQL function of a configuration."""
    from forcedsql.database.functions import sql_functions  # noqa: PLC0415 - loads the kernels
    from forcedsql.database.session import Session  # noqa: PLC0415

    session = Session(shown="", database="", config=config, cache_bytes=0)
    return tuple(map(describe, sql_functions(session)))


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Everything that the extension is told.

    Parameters
    ----------
    command : tuple of str
        How a worker is started: an absolute path, and its arguments.
    log : Path
        File for the messages of workers.
    workers : int
        How many there may be; 0 for one per processor.
    registry : tuple of (str, str)
        Queries for the files of exposures, and for their layouts, of the schema `SCHEMA`.
    macros : tuple of str
        Statements that make the macros, for databases in memory.
    functions : tuple of DescribedFunction
    config : MeasurementConfig
    """

    command: tuple[str, ...]
    log: Path
    workers: int
    registry: tuple[str, str]
    macros: tuple[str, ...]
    functions: tuple[DescribedFunction, ...]
    config: MeasurementConfig

    def encode(self) -> bytes:
        """Return the descriptor as ``src/descriptor.c`` reads it."""
        return (
            struct.pack("<II", MAGIC, VERSION)
            + encode_text(json.dumps(self.config.to_mapping()))
            + _encode_texts(self.command)
            + encode_text(str(self.log))
            + struct.pack("<I", self.workers)
            + struct.pack("<I", len(fields(RegisteredExposure)))
            + _encode_texts(self.registry)
            + _encode_texts(self.macros)
            + encode_functions(self.functions)
        )


def encode_functions(functions: Sequence[DescribedFunction]) -> bytes:
    """Return functions as they stand at the end of a descriptor."""
    return struct.pack("<I", len(functions)) + b"".join(function.encode() for function in functions)


def config_of_descriptor(data: bytes) -> MeasurementConfig:
    """Return the configuration that an encoded descriptor is made for.

    Raises
    ------
    ProtocolError
        If it is no descriptor, or of another version.
    """
    reader = Reader(data)
    if reader.unpack("<II") != (MAGIC, VERSION):
        raise ProtocolError("the descriptor is none, or of another version of forcedsql")
    return MeasurementConfig.from_mapping(json.loads(reader.text()))


def make_descriptor(config: MeasurementConfig, *, workers: int = 0) -> Descriptor:
    """Return the descriptor of this installation.

    Parameters
    ----------
    config : MeasurementConfig
        Decides the columns of the functions.
    workers : int
        How many processes may measure; 0 for ``FORCEDSQL_WORKERS``, else one per processor.
    """
    import duckdb  # noqa: PLC0415 - the command line imports it when it needs it

    from forcedsql.database.macros import statements  # noqa: PLC0415

    with duckdb.connect() as con:
        macros = tuple(statements(con, temporary=False))

    return Descriptor(
        command=(sys.executable, "-P", str(_BOOTSTRAP)),
        log=log_file(),
        workers=workers,
        registry=registry_queries(),
        macros=macros,
        functions=describe_all(config),
        config=config,
    )


def registry_queries() -> tuple[str, str]:
    """Return the queries by which the extension reads a registry: all values are texts."""
    from forcedsql.database.registry import file_query, layout_query  # noqa: PLC0415 - loads sqlalchemy

    files = f"SELECT COLUMNS(*)::VARCHAR FROM ({file_query(SCHEMA)})"  # noqa: S608 - no values
    return files, layout_query(SCHEMA)


def log_file() -> Path:
    """Return the file for the messages of workers, its folder made."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = (Path(state) / "forcedsql").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "workers.log"


def _encode_texts(texts: Sequence[str]) -> bytes:
    return struct.pack("<I", len(texts)) + b"".join(map(encode_text, texts))
