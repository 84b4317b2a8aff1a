"""One exposure measured: what a worker gets, what it does, and what it hands back."""

import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ForcedSQLError, OutputError, ReadError
from forcedsql.exposure import Exposure
from forcedsql.exposure_file import RegisteredExposure, is_unchanged
from forcedsql.measure import measure
from forcedsql.measure.kernels import default_kernel
from forcedsql.native import limit_threads
from forcedsql.phases import READING, WRITING, collect_phases, phase
from forcedsql.readers import lazy
from forcedsql.runs.result_files import write_result
from forcedsql.runs.stored_result import Fingerprint

MEASURING = "measuring"

WORKER_DIED = "the worker that measured it died, perhaps for lack of memory; use fewer workers and retry it"

Fault = Literal["", "exposure", "output"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExposureTask:
    """One exposure to measure.

    Parameters
    ----------
    run_id, catalog : str
        The run, and where its positions came from.
    exposure : RegisteredExposure
    layout : str
        Layout of its file, "" where none is known.
    positions : pyarrow.Table
        Columns id (int64), ra and dec (float64, degree, ICRS), and those of
        `forcedsql.measure.positions.MOTION_NAMES`.
    config : MeasurementConfig
    fingerprint : Fingerprint
    folder : Path or None
        Results folder to write into; None to hand the rows back.
    threads : int or None
        Threads of the C kernel; None leaves them as they are.
    """

    run_id: str
    catalog: str
    exposure: RegisteredExposure
    layout: str
    positions: pa.Table
    config: MeasurementConfig
    fingerprint: Fingerprint
    folder: Path | None
    threads: int | None

    @property
    def provenance(self) -> dict[str, str]:
        """What the result says of itself, in the schema metadata of its table."""
        facts = {
            "run_id": self.run_id,
            "exposure_id": self.exposure.exposure_id,
            "catalog": self.catalog,
            **self.fingerprint.to_mapping(),
        }
        return {f"forcedsql.{name}": value for name, value in facts.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskResult:
    """What became of a task.

    Parameters
    ----------
    exposure_id : str
    started, ended : float, second
        Since 1970 UTC.
    seconds : dict of str to float
        Time of each phase: reading, psf, measuring, writing.
    rows : int
        Rows measured; 0 if it failed.
    table : pyarrow.Table or None
        The rows, where the task asked for them.
    fault : {"", "exposure", "output"}
        Whether the exposure could not be measured, or its result not be written.
    error : str
        One line on that.
    worker, kernel : str
        Host and process that measured, and with which kernel.
    """

    exposure_id: str
    started: float
    ended: float
    seconds: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    table: pa.Table | None = None
    fault: Fault = ""
    error: str = ""
    worker: str = ""
    kernel: str = ""


def measure_task(task: ExposureTask) -> TaskResult:
    """Measure one exposure; whatever is wrong with it becomes part of the result.

    Parameters
    ----------
    task : ExposureTask

    Returns
    -------
    TaskResult
        With one row per position, if there is no fault.
    """
    started = time.time()
    rows, table, error = 0, None, ""
    fault: Fault = ""
    with collect_phases() as seconds:
        clock = time.perf_counter()
        try:
            table = _measured(task)
            rows = table.num_rows
            if task.folder is not None:
                with phase(WRITING):
                    write_result(table, task.folder, task.exposure.exposure_id)
                table = None
        except OutputError as problem:
            rows, table, fault, error = 0, None, "output", str(problem)
        except MemoryError:
            rows, table, fault, error = 0, None, "exposure", "not enough memory; use fewer --workers"
        except Exception as problem:  # noqa: BLE001 - one exposure must not end the run of all others
            rows, table, fault, error = 0, None, "exposure", _one_line(problem)
        seconds[MEASURING] = time.perf_counter() - clock - sum(seconds.values())
    return TaskResult(
        exposure_id=task.exposure.exposure_id,
        started=started,
        ended=time.time(),
        seconds=seconds,
        rows=rows,
        table=table,
        fault=fault,
        error=error,
        worker=f"{socket.gethostname()}:{os.getpid()}",
        kernel=default_kernel().name,
    )


def failed_task(task: ExposureTask, error: str) -> TaskResult:
    """Return the result of a task that no worker could report on."""
    now = time.time()
    return TaskResult(
        exposure_id=task.exposure.exposure_id, started=now, ended=now, fault="exposure", error=error
    )


def _measured(task: ExposureTask) -> pa.Table:
    if task.threads is not None:
        limit_threads(task.threads)
    with phase(READING):
        exposure = _open(task)
    measured = measure(exposure, task.positions, config=task.config, columns="source")
    if not measured["id"].equals(task.positions["id"]):
        raise ForcedSQLError(f"{measured.num_rows} rows came back for {task.positions.num_rows} positions")
    names = {
        "exposure_id": (task.exposure.exposure_id, "exposure that the row was measured on"),
        "run_id": (task.run_id, "run that measured the row"),
    }
    for name, (value, meaning) in names.items():
        column = pa.field(name, pa.string(), metadata={"description": meaning, "ucd": "meta.id"})
        measured = measured.add_column(0, column, pa.repeat(value, measured.num_rows))
    return measured.replace_schema_metadata({**(measured.schema.metadata or {}), **task.provenance})


def _open(task: ExposureTask) -> Exposure:
    """Open the exposure, provided that its file is the one that was registered."""
    path = task.exposure.path
    try:
        same = is_unchanged(task.exposure)
    except OSError as error:
        raise ReadError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    if not same:
        raise ReadError(
            f"{path}, or a file that belongs to it, has changed since it was ingested; ingest it again"
        )
    return lazy.open_lazily(path, task.layout, task.exposure.open_options).exposure


def _one_line(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    if isinstance(problem, ForcedSQLError):
        return text
    return f"{type(problem).__name__}: {text}"
