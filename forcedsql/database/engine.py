"""engine: SQLAlchemy on a database whose connections can measure."""

from pathlib import Path
from typing import Any

import duckdb_engine
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL

from forcedsql.config import MeasurementConfig
from forcedsql.database.connection import MEMORY, connect


def engine(
    path: str | Path = MEMORY,
    *,
    config: MeasurementConfig | None = None,
    read_only: bool = False,
    **options: Any,
) -> Engine:
    """Return an SQLAlchemy engine; its connections have the functions and macros.

    Parameters
    ----------
    path, config, read_only
        See `connect`.  A database in memory is shared by the engine's connections.
    **options
        Handed to `sqlalchemy.create_engine`.

    Raises
    ------
    DatabaseError
        Here for a database in memory, otherwise with the first connection; see `connect`.

    Notes
    -----
    Declare tables rather than reflect them: reflection does not work with DuckDB 2.
    """
    url = URL.create("duckdb", database=str(path))
    if str(path) in ("", MEMORY):
        root = connect(path, config=config, read_only=read_only)
        return create_engine(url, creator=lambda: duckdb_engine.ConnectionWrapper(root.cursor()), **options)

    def creator() -> duckdb_engine.ConnectionWrapper:
        return duckdb_engine.ConnectionWrapper(connect(path, config=config, read_only=read_only))

    return create_engine(url, creator=creator, **options)
