"""The extension in this Python process: queries measure in worker processes."""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forcedsql.database.quoting import quote_literal
from forcedsql.errors import DatabaseError, ForcedSQLError
from forcedsql.extension.descriptor import make_descriptor
from forcedsql.extension.files import packaged_extension
from forcedsql.extension.questions import Answer, Question, answer_bytes

if TYPE_CHECKING:
    import duckdb

    from forcedsql.database.session import Session

_Lookup = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint64, ctypes.c_void_p)

# The extension calls them as long as anything has the file open, longer than the connection
# that loaded it.  They are small; letting go of one would crash the process.
_lookups: list[Any] = []


def load_extension(con: "duckdb.DuckDBPyConnection", session: "Session", workers: int) -> None:
    """Register the functions of a session so that worker processes compute them.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Of a database that was opened with ``allow_unsigned_extensions``.
    session : Session
        Answers the workers' questions about exposures.
    workers : int
        How many processes there may be.

    Raises
    ------
    DatabaseError
        If the extension was not compiled, or cannot be loaded.
    """
    import duckdb  # noqa: PLC0415 - whoever made the connection has loaded it

    def ask(question: Question) -> Answer:
        if question.with_layouts:
            layouts = session.look_up_layouts(question.exposure_ids)
            return Answer(session.look_up(question.exposure_ids), layouts)
        return Answer(session.look_up(question.exposure_ids), {})

    try:
        descriptor = make_descriptor(session.config, workers=workers).encode()
        give_descriptor(packaged_extension(), descriptor, session.shown, ask)
        con.execute(f"LOAD {quote_literal(str(packaged_extension()))}")
    except (ForcedSQLError, duckdb.Error) as error:
        raise DatabaseError(f"workers cannot be had: {' '.join(str(error).split())}") from error


def give_descriptor(path: Path, descriptor: bytes, shown: str, ask: Callable[[Question], Answer]) -> None:
    """Tell an extension what the next database that loads it in this process is to have.

    Parameters
    ----------
    path : Path
        The extension.
    descriptor : bytes
    shown : str
        Name of the database in messages.
    ask : callable
        Answers the workers' questions, from any thread.

    Raises
    ------
    DatabaseError
        If there is no memory for it.
    """
    library = _library(path)
    lookup = _Lookup(_answer_with(library, ask))
    _lookups.append(lookup)
    if library.forcedsql_host(descriptor, len(descriptor), shown.encode(), lookup):
        raise DatabaseError("not enough memory to load the extension")


@cache
def _library(path: Path) -> Any:
    # DuckDB loads the same file, and so finds what is told to this one.
    library = ctypes.CDLL(str(path))
    library.forcedsql_host.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.c_char_p, _Lookup]
    library.forcedsql_host.restype = ctypes.c_int
    library.forcedsql_reply.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64]
    library.forcedsql_reply.restype = None
    return library


def _answer_with(library: Any, ask: Callable[[Question], Answer]) -> Callable[[Any, int, int], None]:
    def answer(question: Any, size: int, reply: int) -> None:
        data = answer_bytes(ctypes.string_at(question, size), ask)
        library.forcedsql_reply(reply, data, len(data))

    return answer
