"""What the SQL functions of one database share: its configuration, registry and exposures."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from forcedsql.config import MeasurementConfig
from forcedsql.database.cache import ExposureCache, ExposureKey
from forcedsql.database.registry import look_up, look_up_layouts
from forcedsql.database.safety import Roots
from forcedsql.errors import DatabaseError, UnknownExposureError
from forcedsql.exposure import Exposure
from forcedsql.exposure_file import RegisteredExposure, changed_file, sha256_of
from forcedsql.open_options import OpenOptions

if TYPE_CHECKING:
    import duckdb

Answer = TypeVar("Answer")


class Session:
    """One open database, as the functions see it.

    DuckDB keeps functions with the database and not with the connection, so all
    connections that a process has to one file share one session.

    Parameters
    ----------
    shown : str
        Name of the database in messages.
    database : str
        Its name in SQL.
    config : MeasurementConfig
    cache_bytes : int, byte
        Budget of the opened exposures.
    roots : Roots, optional
        Folders below which exposures must lie; anywhere if not given.
    """

    def __init__(
        self,
        *,
        shown: str,
        database: str,
        config: MeasurementConfig,
        cache_bytes: int,
        roots: Roots | None = None,
    ) -> None:
        self.shown = shown
        self.database = database
        self.config = config
        self.roots = roots
        self.cache = ExposureCache(cache_bytes)
        self._lock = Lock()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._verified: dict[ExposureKey, str] = {}

    def attach(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        """Take a cursor for looking ids up; a function cannot use the connection that runs it."""
        with self._lock:
            self._cursors.append(cursor)

    def release(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        """Give a cursor back; with the last one the opened exposures are let go."""
        cursor.close()
        with self._lock:
            if cursor in self._cursors:
                self._cursors.remove(cursor)
            if not self._cursors:
                self.cache.clear()

    def keys(self, exposure_ids: Sequence[str]) -> list[ExposureKey]:
        """Return the keys of exposures by the registry's committed state.

        Raises
        ------
        UnknownExposureError
            If an id is not registered.
        DatabaseError
            If the file of an exposure is gone, or is not the one that was registered.
        """
        known = self.look_up(exposure_ids)
        for exposure_id in exposure_ids:
            if exposure_id not in known:
                raise UnknownExposureError(
                    f"no exposure {exposure_id!r} is registered in {self.shown}; "
                    "'FROM exposure' lists those that are, forcedsql.ingest adds one"
                )
        return [self._key(known[exposure_id]) for exposure_id in exposure_ids]

    def layouts(self, keys: Sequence[ExposureKey]) -> dict[ExposureKey, str]:
        """Return what the registry knows of the layouts of files, unless all of them are open.

        Opening one may close another of them, which is then opened once more.
        """
        if all(key in self.cache for key in keys):
            return {}
        known = self.look_up_layouts([key.exposure_id for key in keys])
        return {key: known[key.exposure_id] for key in keys if key.exposure_id in known}

    def open(self, key: ExposureKey, layout: str = "") -> Exposure:
        """Return the opened exposure of a key; its pixels may be in the file still."""
        return self.cache.get(key, lambda: self._open(key, layout))

    def _open(self, key: ExposureKey, layout: str) -> Exposure:
        from forcedsql.readers import lazy  # noqa: PLC0415 - loads astropy

        options = OpenOptions.from_json(key.options) if key.options else None
        roots = self.roots
        require = None if roots is None else partial(roots.require, exposure_id=key.exposure_id)
        return lazy.open_lazily(key.path, layout, options, require_allowed=require).exposure

    def look_up(self, exposure_ids: Sequence[str]) -> Mapping[str, RegisteredExposure]:
        """Return the registry's committed rows of exposures by id; unknown ids are left out."""
        return self._ask(look_up, exposure_ids)

    def look_up_layouts(self, exposure_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the layouts of exposures' files by id, of those that have one."""
        return self._ask(look_up_layouts, exposure_ids)

    def _ask(
        self,
        question: "Callable[[duckdb.DuckDBPyConnection, str, Sequence[str]], Answer]",
        exposure_ids: Sequence[str],
    ) -> "Answer":
        """Return an answer of the registry, over a connection that is still open."""
        import duckdb  # noqa: PLC0415 - loaded by whoever made the cursor

        with self._lock:
            for cursor in tuple(self._cursors):
                try:
                    return question(cursor, self.database, exposure_ids)
                except duckdb.ConnectionException:
                    self._cursors.remove(cursor)  # its connection has been closed
        raise DatabaseError(f"the connection to {self.shown} that made these functions is closed")

    def _key(self, registered: RegisteredExposure) -> ExposureKey:
        path = registered.path
        if self.roots is not None:
            path = str(self.roots.require(path, exposure_id=registered.exposure_id))
        try:
            status = Path(path).stat()
        except OSError as error:
            raise DatabaseError(
                f"the file of exposure {registered.exposure_id!r} cannot be read: {path}: "
                f"{os.strerror(error.errno or 0)}; put it back or ingest it from where it is now"
            ) from error
        key = ExposureKey(
            registered.exposure_id,
            path,
            status.st_mtime_ns,
            registered.sha256,
            registered.options or "",
            registered.side_files or "",
        )
        changed = changed_file(key.side_files)
        if changed:
            raise DatabaseError(
                f"{changed}, which exposure {key.exposure_id!r} is made of, has changed or gone since it "
                "was ingested; ingest the exposure again"
            )
        same_time = status.st_mtime_ns == registered.file_mtime_ns
        if status.st_size != registered.file_size or not (same_time or self._is_same_file(key)):
            raise DatabaseError(f"{path} has changed since it was ingested; ingest it again")
        return key

    def _is_same_file(self, key: ExposureKey) -> bool:
        """Compare checksums, once per modification time: a copied file has a new time."""
        if key not in self._verified:
            self._verified[key] = sha256_of(key.path)
        return self._verified[key] == key.sha256
