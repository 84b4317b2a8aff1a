"""connect: a DuckDB connection that can measure."""

import atexit
import json
import re
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from forcedsql.config import MeasurementConfig
from forcedsql.database.cache import DEFAULT_CACHE_BYTES
from forcedsql.database.macros import schema_digest, statements, stored_digest
from forcedsql.database.messages import one_line
from forcedsql.database.quoting import quote_literal
from forcedsql.database.registry import check_tables, table_statements
from forcedsql.database.safety import Roots, lock_down
from forcedsql.database.session import Session
from forcedsql.errors import ConfigError, DatabaseError

if TYPE_CHECKING:
    from forcedsql.database.functions import SqlFunction

MEMORY = ":memory:"
STORAGE_VERSION = "v1.5.0"
"""Format of new files: the oldest that DuckDB 1.5 shells and this version share."""

_lock = threading.RLock()
_sessions: dict[str, Session] = {}
_open: "weakref.WeakKeyDictionary[duckdb.DuckDBPyConnection, Session]" = weakref.WeakKeyDictionary()

# DuckDB keeps bare pointers to functions as long as anything has the file open, longer than
# the connection that made them.  They are small; letting go of one would crash the process.
_functions: "list[tuple[SqlFunction, ...]]" = []


def connect(
    path: str | Path = MEMORY,
    *,
    config: MeasurementConfig | None = None,
    read_only: bool = False,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
    threads: int | None = None,
    workers: int | None = None,
    safe: bool = False,
    roots: Iterable[str | Path] = (),
) -> duckdb.DuckDBPyConnection:
    """Open a database in which SQL can measure, and make it if it is new.

    Parameters
    ----------
    path : str or Path
        A DuckDB file; the default is a database in memory.
    config : MeasurementConfig, optional
        What is measured, and so the columns of the results.  All connections of a process
        to one file have the same.  It may not replace neighbours with noise: SQL hands over
        positions chunk by chunk, and each has to hide all others.
    read_only : bool
        Change nothing; several processes may then open the file.
    cache_bytes : int, byte
        Budget for the pixels of opened exposures.
    threads : int, optional
        Threads that DuckDB uses.
    workers : int, optional
        Measure in so many processes, one per processor at most, instead of in this one: many
        small queries, from many threads, then use all processors.  Needs the extension that
        is compiled at installation.
    safe : bool
        For databases that somebody else made: SQL cannot reach files, the network or Python's
        variables, its configuration is locked, and only exposures below `roots` are opened.
    roots : iterable of str or Path
        Folders below which the files of exposures must lie, symbolic links resolved; that of
        the database if not given.  Only with `safe`.

    Returns
    -------
    duckdb.DuckDBPyConnection
        Close it when done (or use it in ``with``); what is still open is closed at exit.
        Its cursors have the functions and macros too.

    Raises
    ------
    ConfigError
        If the configuration replaces neighbours with noise, the number of workers is less than
        1, `safe` is asked for together with workers, or `roots` without it.
    DatabaseError
        If the file cannot be opened, is not a database, holds other tables of our names, is
        open in this process with another configuration, or workers cannot be had.
    """
    config = config or MeasurementConfig()
    if config.do_replace_with_noise:
        raise ConfigError(
            "do_replace_with_noise: SQL measures positions in chunks, which do not know of one another; "
            "use forcedsql.measure() or 'forcedsql measure', or separate neighbours in SQL by "
            "forced_photometry_joint()"
        )
    if workers is not None and workers < 1:
        raise ConfigError(f"workers: {workers} processes cannot measure; give 1 or more")
    if safe and workers is not None:
        raise ConfigError("safe: a safe connection loads no extension; leave workers out")
    limits = _roots_of(str(path), roots) if safe else None
    if roots and not safe:
        raise ConfigError("roots: they are for a safe connection; set safe=True as well")
    with _lock:
        con = _open_file(str(path), read_only=read_only, unsigned=workers is not None)
        try:
            if threads is not None:
                con.execute("SET threads = ?", [threads])
            session = _share_session(con, str(path), _Wanted(config, cache_bytes, workers, limits))
            _prepare(con, str(path), read_only=read_only)
            if safe:
                lock_down(con)
        except duckdb.Error as error:
            con.close()
            raise DatabaseError(f"cannot prepare {path}: {one_line(error)}") from error
        except BaseException:
            con.close()
            raise
        cursor = con.cursor()
        session.attach(cursor)
        weakref.finalize(con, session.release, cursor)
        _open[con] = session
    return con


def database_name(con: duckdb.DuckDBPyConnection) -> str:
    """Return the name in SQL of a connection's database."""
    return str(con.execute("SELECT current_database()").fetchall()[0][0])


def session_of(con: duckdb.DuckDBPyConnection) -> Session:
    """Return what the functions of a connection share.

    Raises
    ------
    DatabaseError
        If the connection is not one of `connect`, but a cursor or another one.
    """
    session = _open.get(con)
    if session is None:
        raise DatabaseError(
            "give the connection that forcedsql.connect returned, not another or a cursor of it"
        )
    return session


def config_of(con: duckdb.DuckDBPyConnection) -> MeasurementConfig:
    """Return the configuration of the functions of a connection or cursor.

    Raises
    ------
    DatabaseError
        If the connection is not one of `connect`.
    """
    try:
        with con.cursor() as cursor:  # the connection itself may be at work
            ((text,),) = cursor.execute("SELECT forcedsql_config()").fetchall()
    except duckdb.CatalogException as error:
        raise DatabaseError(
            "the connection has no measuring functions; open it with forcedsql.connect"
        ) from error
    return MeasurementConfig.from_mapping(json.loads(text))


def _is_memory(path: str) -> bool:
    return path in ("", MEMORY)


def _open_file(path: str, *, read_only: bool, unsigned: bool) -> duckdb.DuckDBPyConnection:
    # The extension is our own, and is loaded by its path.
    options: dict[str, str | bool | int | float | list[str]] = {}
    if unsigned:
        options["allow_unsigned_extensions"] = "true"
    if _is_memory(path):
        if read_only:
            raise DatabaseError("a database in memory is new and empty; it cannot be opened read-only")
        return duckdb.connect(MEMORY, config=options)
    if Path(path).is_dir():
        raise DatabaseError(
            f"{path} is a folder; give the name of a database file, such as {path}/survey.duckdb"
        )
    try:
        if not read_only and not Path(path).exists():
            _create(path)
        return duckdb.connect(path, read_only=read_only, config=options)
    except duckdb.Error as error:
        raise DatabaseError(_why_not_open(path, error)) from error


def _create(path: str) -> None:
    with duckdb.connect(MEMORY) as con:
        con.execute(
            f"ATTACH {quote_literal(path)} AS created (STORAGE_VERSION {quote_literal(STORAGE_VERSION)})"
        )
        con.execute("DETACH created")


def _why_not_open(path: str, error: duckdb.Error) -> str:
    """Return one line on why DuckDB did not open a file, and what to do."""
    text = str(error)
    holder = re.search(r"held in (.*?) \(PID (\d+)\)", text)
    who = f"{Path(holder[1]).name}, process {holder[2]}" if holder else "another process"
    reasons = {
        "Could not set lock": f"is open in {who}; close it there, or open it read-only everywhere",
        "different configuration": "is open in this process, read-only or not, or with workers; close that",
        "not a valid DuckDB database": "is not a DuckDB database; give another name",
        "version number": f"was made by a newer DuckDB than this one ({duckdb.__version__}); update duckdb",
        "database does not exist": "does not exist, so it cannot be opened read-only; open it once without",
        "Permission denied": "cannot be written to; open it with read_only=True",
        "Read-only file system": "cannot be written to; open it with read_only=True",
        "No such file": f"cannot be made: there is no folder {Path(path).parent}; make it first",
    }
    for fragment, reason in reasons.items():
        if fragment in text:
            return f"{path} {reason}"
    return f"cannot open {path}: {one_line(error)}"


def _prepare(con: duckdb.DuckDBPyConnection, path: str, *, read_only: bool) -> None:
    """Make tables and macros, or bring them up to date."""
    database = database_name(con)
    complete = check_tables(con, database, shown=path)
    if complete and stored_digest(con, database) == schema_digest():
        return
    if read_only:
        if not complete:
            raise DatabaseError(
                f"{path} has no forcedsql tables, and read-only they cannot be made; open it once without"
            )
        _run(con, list(statements(con, temporary=True)))
        return
    con.begin()
    try:
        _run(con, [*table_statements(), *statements(con, temporary=False)])
    except BaseException:
        con.rollback()
        raise
    con.commit()


def _run(con: duckdb.DuckDBPyConnection, commands: list[str]) -> None:
    for command in commands:
        con.execute(command)


def _roots_of(path: str, roots: Iterable[str | Path]) -> Roots:
    stated = tuple(roots)
    if not stated and not _is_memory(path):
        stated = (Path(path).resolve().parent,)
    return Roots.of(stated)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a connection asks for; all of a process to one file must agree."""

    config: MeasurementConfig
    cache_bytes: int
    workers: int | None
    roots: Roots | None


def _share_session(con: duckdb.DuckDBPyConnection, path: str, wanted: _Wanted) -> Session:
    """Return the session of the connection's database, its functions made if it is new."""
    from forcedsql.database.functions import sql_functions  # noqa: PLC0415 - loads the kernels
    from forcedsql.extension.loading import load_extension  # noqa: PLC0415

    key = path if _is_memory(path) else str(Path(path).resolve())
    functions_exist = con.execute(
        "SELECT count(*) FROM duckdb_functions() WHERE function_name = 'forced_phot' AND internal"
    ).fetchall() != [(0,)]
    if functions_exist:
        session = _sessions.get(key)
        if session is None or (session.config, session.roots) != (wanted.config, wanted.roots):
            raise DatabaseError(
                f"{path} is open in this process with another configuration; close that connection first"
            )
        session.cache.budget = wanted.cache_bytes
        return session
    shown = "the database in memory" if _is_memory(path) else path
    session = Session(
        shown=shown,
        database=database_name(con),
        config=wanted.config,
        cache_bytes=wanted.cache_bytes,
        roots=wanted.roots,
    )
    if wanted.workers is None:
        functions = sql_functions(session)
        for function in functions:
            function.register(con)
        _functions.append(functions)
    else:
        load_extension(con, session, wanted.workers)
    if not _is_memory(path):
        _sessions[key] = session
    return session


@atexit.register
def _close_all() -> None:
    # DuckDB 2.0 reports connections with functions that are open at exit as leaks.
    for con in tuple(_open):
        con.close()
