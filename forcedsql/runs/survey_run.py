"""run: a catalogue of positions on every exposure that contains them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from forcedsql.config import MeasurementConfig
from forcedsql.database import config_of, connect
from forcedsql.database.connection import database_name
from forcedsql.database.messages import one_line
from forcedsql.database.registry import FORCED_SOURCE, look_up_layouts
from forcedsql.errors import ConfigError, DatabaseError, OutputError
from forcedsql.runs.destinations import Destination, ResultFolder, ResultTable
from forcedsql.runs.dispatch import run_tasks
from forcedsql.runs.ledger import (
    end_run,
    read_ledger,
    record_found,
    record_result,
    start_run,
    transaction,
)
from forcedsql.runs.plan import Plan, PlannedExposure, in_portions, make_plan, positions_on
from forcedsql.runs.pools import Pool, open_pool
from forcedsql.runs.report import PLANNING, STORING, RunReport, RunWatcher, SilentWatcher
from forcedsql.runs.requested_positions import ColumnChoice, load_positions
from forcedsql.runs.resume import Remainder, find_remainder, require_same_catalog
from forcedsql.runs.worker import ExposureTask, TaskResult


def run(
    database: duckdb.DuckDBPyConnection | str | Path,
    positions: Any,
    *,
    exposures: str | None = None,
    out: str | Path | None = None,
    into: str | None = None,
    workers: int | None = None,
    executor: str = "process",
    retry_failed: bool = False,
    replace: bool = False,
    config: MeasurementConfig | None = None,
    id_column: str | None = None,
    ra_column: str | None = None,
    dec_column: str | None = None,
    unit: str | None = None,
    watcher: RunWatcher | None = None,
) -> RunReport:
    """Measure a catalogue on every registered exposure that contains its positions.

    Each exposure is a unit of work and of commit.  Doing it again measures what is missing or
    has changed: the configuration, an exposure's file, the positions on it.  A run may be
    killed at any time; the next one goes on with what is left.

    Parameters
    ----------
    database : duckdb.DuckDBPyConnection, str or Path
        As `forcedsql.connect` gives it, or the file of one.
    positions : str, Path or table
        Name of a table or view, a query (``SELECT ...``, ``FROM ...``), a file that
        `forcedsql.read_table` reads, or a table in memory.  Ids are whole numbers.
    exposures : str, optional
        A query that returns ``exposure_id``, or a condition on the table ``exposure``; all
        registered exposures where not given.
    out : str or Path, optional
        Folder for one Parquet file per exposure, ``exposure=ID/part-0.parquet``.
    into : str, optional
        Table of the database for the rows; ``forced_source`` where neither is given.
    workers : int, optional
        Tasks at a time; as many as there are processors where not given.
    executor : str
        ``process``, ``thread``, or ``dask://ADDRESS`` of a Dask scheduler.
    retry_failed : bool
        Try exposures again that failed before.
    replace : bool
        Let results for other positions at the destination be replaced.
    config : MeasurementConfig, optional
        Of the connection where not given.
    id_column, ra_column, dec_column, unit
        See `forcedsql.measure`.
    watcher : RunWatcher, optional
        Is told how it gets on.

    Returns
    -------
    RunReport
        An exposure that cannot be measured is named there, and does not stop the others.

    Raises
    ------
    ConfigError
        If an option is not usable, or the destination holds results of another kind.
    TableError
        If the positions are not usable.
    DatabaseError
        If the database cannot be opened, or has no exposures.
    OutputError
        If results cannot be written; what was written is kept.
    KeyboardInterrupt
        When interrupted; what is finished is kept.
    """
    if out is not None and into is not None:
        raise ConfigError("results go to a folder (out) or to a table (into), not both")
    destination: Destination = ResultTable(into or FORCED_SOURCE) if out is None else ResultFolder(Path(out))
    choice = ColumnChoice(id_column=id_column, ra_column=ra_column, dec_column=dec_column, unit=unit)
    with errors_by_their_names(), _cursor_of(database) as con:
        _require_open(con)
        if config is None:
            config = MeasurementConfig() if isinstance(database, str | Path) else config_of(con)
        job = _Job(con, destination, config, watcher or SilentWatcher())
        job.prepare(positions, choice, exposures=exposures, retry_failed=retry_failed, replace=replace)
        if job.remainder.todo:
            job.measure(open_pool(executor, workers))
        return job.report()


@contextmanager
def _cursor_of(database: duckdb.DuckDBPyConnection | str | Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection of the run's own: its temporary tables are no one else's."""
    if isinstance(database, str | Path):
        with connect(database) as con:
            yield con
    else:
        with database.cursor() as con:
            yield con


@contextmanager
def errors_by_their_names() -> Iterator[None]:
    """Turn what DuckDB raises into errors of ours and, where that is what it was, an interrupt."""
    try:
        yield
    except duckdb.Error as problem:
        raise DatabaseError(f"the database failed: {one_line(problem)}") from problem
    except RuntimeError as problem:
        if _is_interrupt(problem):
            raise KeyboardInterrupt from problem
        raise


def _require_open(con: duckdb.DuckDBPyConnection) -> None:
    """Refuse a safe connection: a run opens whatever files the registry names."""
    ((allowed,),) = con.execute("SELECT current_setting('enable_external_access')").fetchall()
    if not allowed:
        raise ConfigError(
            "a run reads and writes files, which a safe connection may not; open one without safe=True"
        )


def _is_interrupt(problem: BaseException) -> bool:
    """Tell whether Ctrl-C was pressed, which DuckDB calls a RuntimeError if it hears it first."""
    return isinstance(problem, KeyboardInterrupt) or str(problem) == "Query interrupted"


@dataclass
class _Job:
    """A run at work, in the process that has the database."""

    con: duckdb.DuckDBPyConnection
    destination: Destination
    config: MeasurementConfig
    watcher: RunWatcher
    started: float = field(default_factory=time.perf_counter)
    run_id: str = ""
    measured: int = 0
    rows: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    database: str = field(init=False)
    plan: Plan = field(init=False)
    remainder: Remainder = field(init=False)

    def prepare(
        self,
        positions: Any,
        choice: ColumnChoice,
        *,
        exposures: str | None,
        retry_failed: bool,
        replace: bool,
    ) -> None:
        """Find out what is to be done."""
        with self._phase(PLANNING):
            self.database = database_name(self.con)
            self.destination.prepare(self.con, self.config)
            requested = load_positions(self.con, positions, choice)
            self.plan = make_plan(self.con, requested, self.config, exposures=exposures)
            ledger = read_ledger(self.con, self.destination.name)
            stored = self.destination.stored(self.con, ledger)
            if not replace:
                require_same_catalog(stored, requested.catalog, self.destination.shown)
            self.remainder = find_remainder(self.plan, stored, ledger, retry_failed=retry_failed)
            if self.remainder.unrecorded:
                with transaction(self.con):
                    for exposure_id, result in self.remainder.unrecorded.items():
                        record_found(self.con, exposure_id, result, self.destination.name)
        todo = self.remainder.todo
        self.watcher.planned(len(todo), sum(each.positions for each in todo))

    def measure(self, pool: Pool) -> None:
        """Measure what is left to do, and record it exposure by exposure."""
        planned = {each.exposure_id: each for each in self.remainder.todo}
        try:
            self.run_id = start_run(self.con, self.config, self.plan.requested.catalog)
            for task, result in run_tasks(pool, self._tasks(pool)):
                self._finish(planned[task.exposure.exposure_id], result)
            pool.close()
        except BaseException as problem:
            pool.abandon()
            if self.run_id:
                with suppress(OutputError):  # what is raised already says more
                    end_run(self.con, self.run_id, "interrupted" if _is_interrupt(problem) else "failed")
            raise
        end_run(self.con, self.run_id, "failed" if self.failed else "done")

    def report(self) -> RunReport:
        """Return what became of the run."""
        plan, remainder = self.plan, self.remainder
        return RunReport(
            run_id=self.run_id,
            destination=self.destination.shown,
            requested=plan.requested.count,
            uncovered=plan.uncovered,
            unplaced=plan.requested.unplaced,
            measured=self.measured,
            rows=self.rows,
            unchanged=len(remainder.unchanged),
            failed=self.failed,
            failed_before=remainder.failed_before,
            without_psf=tuple(each.exposure_id for each in plan.planned if not each.has_psf),
            without_sky=plan.without_sky,
            empty=len(plan.empty),
            outdated=remainder.outdated,
            seconds=self.seconds,
            elapsed=time.perf_counter() - self.started,
        )

    def _tasks(self, pool: Pool) -> Iterator[ExposureTask]:
        for portion in in_portions(self.remainder.todo):
            with self._phase(PLANNING):
                positions = positions_on(self.con, portion)
                layouts = look_up_layouts(self.con, self.database, list(positions))
            for planned in portion:
                yield ExposureTask(
                    run_id=self.run_id,
                    catalog=self.plan.requested.catalog,
                    exposure=planned.exposure,
                    layout=layouts.get(planned.exposure_id, ""),
                    positions=positions[planned.exposure_id],
                    config=self.config,
                    fingerprint=planned.fingerprint,
                    folder=self.destination.folder,
                    threads=pool.threads,
                )

    def _finish(self, planned: PlannedExposure, result: TaskResult) -> None:
        """Keep a result with its line in the ledger, or the line alone if it failed."""
        if result.fault == "output":
            raise OutputError(result.error)
        with self._phase(STORING), transaction(self.con):
            if not result.fault:
                self.destination.store(self.con, result.exposure_id, result.table)
            record_result(
                self.con,
                result,
                run_id=self.run_id,
                destination=self.destination.name,
                positions=planned.positions,
                fingerprint=planned.fingerprint,
            )
        for name, seconds in result.seconds.items():
            self._spend(name, seconds)
        if result.fault:
            self.failed[result.exposure_id] = result.error
        else:
            self.measured += 1
            self.rows += result.rows
        self.watcher.finished(result.exposure_id, planned.positions, result.error)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._spend(name, time.perf_counter() - start)

    def _spend(self, phase: str, seconds: float) -> None:
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
