"""The ledger of runs: ``measurement_run`` and, exposure by exposure, ``measurement_task``."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.database.messages import one_line
from forcedsql.database.quoting import quote_identifier
from forcedsql.errors import OutputError
from forcedsql.runs.stored_result import Fingerprint, StoredResult
from forcedsql.runs.worker import TaskResult

RunStatus = Literal["done", "failed", "interrupted"]

_running: set[str] = set()
"""Runs of this process; what the database says runs besides, was killed."""

_LATEST = """
SELECT t.exposure_id, t.status, t.run_id, coalesce(r.catalog, ''), t.config_digest, t.file_sha256,
    t.positions_digest, t.row_count, coalesce(t.error, ''),
    t.ended = max(t.ended) OVER (PARTITION BY t.exposure_id)
FROM measurement_task t LEFT JOIN measurement_run r USING (run_id)
WHERE t.destination = ?
QUALIFY row_number() OVER (PARTITION BY t.exposure_id, t.status ORDER BY t.ended DESC, t.run_id DESC) = 1
"""

_END = """
UPDATE measurement_run
SET ended = $ended, status = $status, exposures = done.exposures, positions = done.positions
FROM (
    SELECT count(*) AS exposures, coalesce(sum(row_count), 0) AS positions
    FROM measurement_task WHERE run_id = $run_id AND status = 'done'
) done
WHERE run_id = $run_id
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says of a destination.

    Parameters
    ----------
    done : dict of str to StoredResult
        The last result of each exposure that has been measured, by id.
    failed : dict of str to (Fingerprint, str)
        What failed to be measured, and why, for the exposures whose last attempt failed.
    """

    done: dict[str, StoredResult]
    failed: dict[str, tuple[Fingerprint, str]]


def read_ledger(con: duckdb.DuckDBPyConnection, destination: str) -> Ledger:
    """Return what the ledger says of a destination."""
    ledger = Ledger({}, {})
    for exposure_id, status, run_id, catalog, *made_from, rows, error, is_last in con.execute(
        _LATEST, [destination]
    ).fetchall():
        fingerprint = Fingerprint(*made_from)
        if status == "done":
            ledger.done[exposure_id] = StoredResult(run_id, catalog, fingerprint, rows)
        elif is_last:
            ledger.failed[exposure_id] = (fingerprint, error)
    return ledger


def start_run(con: duckdb.DuckDBPyConnection, config: MeasurementConfig, catalog: str) -> str:
    """Record that a run begins, and return its id: the time in UTC and a random part.

    Runs that the database takes for running, and are not, were killed; they become interrupted.
    """
    run_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    row = {
        "run_id": run_id,
        "started": time.time(),
        "status": "running",
        "version": forcedsql.__version__,
        "duckdb_version": duckdb.__version__,
        "config": json.dumps(config.to_mapping()),
        "config_digest": config.digest(),
        "catalog": catalog,
    }
    with transaction(con):
        con.execute(
            "UPDATE measurement_run SET status = 'interrupted' WHERE status = 'running' AND run_id <> ALL(?)",
            [sorted(_running)],
        )
        _insert(con, "measurement_run", row)
    _running.add(run_id)
    return run_id


def end_run(con: duckdb.DuckDBPyConnection, run_id: str, status: RunStatus) -> None:
    """Record that a run is over, with what it measured."""
    with transaction(con):
        con.execute(_END, {"ended": time.time(), "status": status, "run_id": run_id})
    _running.discard(run_id)


def record_result(
    con: duckdb.DuckDBPyConnection,
    result: TaskResult,
    *,
    run_id: str,
    destination: str,
    positions: int,
    fingerprint: Fingerprint,
) -> None:
    """Add the line of an exposure that was measured, or failed, in the caller's transaction."""
    row = {
        "run_id": run_id,
        "exposure_id": result.exposure_id,
        "destination": destination,
        "status": "failed" if result.fault else "done",
        "error": result.error or None,
        "positions": positions,
        "row_count": result.rows,
        **fingerprint.to_mapping(),
        "started": result.started,
        "ended": result.ended,
        **{name: result.seconds.get(name, 0.0) for name in ("reading", "psf", "measuring", "writing")},
        "kernel": result.kernel,
        "worker": result.worker,
    }
    _insert(con, "measurement_task", row)


def record_found(
    con: duckdb.DuckDBPyConnection, exposure_id: str, stored: StoredResult, destination: str
) -> None:
    """Add the line of a result that is there although its run was killed before it could say so."""
    row = {
        "run_id": stored.run_id,
        "exposure_id": exposure_id,
        "destination": destination,
        "status": "done",
        "positions": stored.rows,
        "row_count": stored.rows,
        **stored.fingerprint.to_mapping(),
        "ended": time.time(),
    }
    _insert(con, "measurement_task", row, verb="INSERT OR REPLACE")


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the body does, or nothing of it.

    Raises
    ------
    OutputError
        If the database cannot be written: its disk is full, say.
    """
    try:
        con.begin()
        try:
            yield
            con.commit()
        except BaseException:
            _roll_back(con)
            raise
    except duckdb.Error as error:
        reason = one_line(error)
        raise OutputError(
            f"cannot write to the database: {reason}; what was committed is kept: make room, or see that it "
            "may be written to, and run the same command again"
        ) from error


def _roll_back(con: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # a fatal error has rolled back already, and is what is raised
        con.rollback()


def _insert(con: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any], verb: str = "INSERT") -> None:
    columns = ", ".join(map(quote_identifier, row))
    marks = ", ".join("?" for _ in row)
    con.execute(f"{verb} INTO {table} ({columns}) VALUES ({marks})", list(row.values()))
