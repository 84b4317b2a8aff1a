"""kill -9 at random times, of the whole process tree or the parent: nothing partial, lost or twice.

``FORCEDSQL_KILLS`` says how often; 4 where it is not set.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest
from pyarrow import parquet

from forcedsql.database import connect
from forcedsql.runs import run
from tests.runs.conftest import content_hash, folder_rows, table_rows

KILLS = int(os.environ.get("FORCEDSQL_KILLS", "4"))
SEED = int(os.environ.get("FORCEDSQL_KILL_SEED", "1"))


@dataclass(frozen=True)
class Uninterrupted:
    """What a run gives that no one kills: hash of its rows, rows by exposure, and how long it takes."""

    content: str
    rows: Counter[str]
    seconds: float


def start(database: Path, destination: list[str], executor: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "forcedsql", "run", str(database), "--positions", "object"]
    return subprocess.Popen(
        [*command, "--executor", executor, "--workers", "2", *destination],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def kill_at_a_random_time(process: subprocess.Popen[str], longest: float, rng: random.Random) -> bool:
    """Kill a run, with its workers or alone; tell whether it was still at work."""
    with process:
        assert process.stderr is not None
        if process.stderr.readline().endswith("exposures\n"):  # "N rows to measure on M exposures"
            time.sleep(rng.uniform(0.0, longest))
            kill = rng.choice([os.kill, os.killpg])
            with suppress(ProcessLookupError):
                kill(process.pid, signal.SIGKILL)
            wait_for_the_end_of_group(process)
    return process.returncode == -signal.SIGKILL


def wait_for_the_end_of_group(process: subprocess.Popen[str]) -> None:
    """See that no worker outlives its parent by more than some seconds, on a busy machine."""
    process.wait()
    for _ in range(200):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a worker lives on without its parent")


def check_folder(con, folder: Path, expected: Counter[str]) -> None:
    """See that each file is whole, and that the ledger claims none that is not there."""
    found = {}
    for path in folder.rglob("*.parquet"):
        with parquet.ParquetFile(path) as file:
            rows = file.read()
        (exposure_id,) = set(rows["exposure_id"].to_pylist())
        assert len(rows) == expected[exposure_id]
        found[exposure_id] = len(rows)
    assert set(ledger(con)) <= set(found)


def check_table(con, expected: Counter[str]) -> None:
    """See that each exposure is there whole or not at all, as the ledger says."""
    found = dict(con.execute("SELECT exposure_id, count(*) FROM forced_source GROUP BY ALL").fetchall())
    assert all(found[exposure_id] == expected[exposure_id] for exposure_id in found)
    assert set(ledger(con)) == set(found)


def ledger(con) -> Counter[str]:
    rows = con.execute("SELECT exposure_id FROM measurement_task WHERE status = 'done'").fetchall()
    return Counter(row[0] for row in rows)


@pytest.fixture(scope="module")
def uninterrupted(survey, tmp_path_factory) -> Uninterrupted:
    database = survey.copy_to(tmp_path_factory.mktemp("uninterrupted"))
    with connect(database) as con:
        started = time.monotonic()
        run(con, "object", executor="thread", workers=2)
        seconds = time.monotonic() - started
        rows = table_rows(con)
    return Uninterrupted(content_hash(rows), Counter(rows["exposure_id"].to_pylist()), seconds)


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_killed_run_loses_and_doubles_nothing(survey, tmp_path, kind, uninterrupted):
    database = survey.copy_to(tmp_path)
    folder = tmp_path / "out"
    destination = ["--out", str(folder)] if kind == "folder" else ["--into", "forced_source"]
    rng = random.Random(f"{SEED} {kind}")
    executors = cycle(["process", "thread"])
    kills = 0
    while kills < (KILLS + 1) // 2:
        process = start(database, destination, next(executors))
        killed = kill_at_a_random_time(process, uninterrupted.seconds, rng)
        kills += killed
        with connect(database) as con:
            if kind == "folder":
                check_folder(con, folder, uninterrupted.rows)
            else:
                check_table(con, uninterrupted.rows)
            if not killed:
                begin_anew(con, folder)
    with start(database, destination, "thread") as process:
        _, narration = process.communicate()
    assert process.returncode == 0, narration
    with connect(database) as con:
        rows = folder_rows(folder) if kind == "folder" else table_rows(con)
        assert content_hash(rows) == uninterrupted.content
        assert ledger(con) == Counter(uninterrupted.rows.keys())
    assert not list(folder.rglob("*.tmp"))


def begin_anew(con, folder: Path) -> None:
    """Take all results away: the run was done before it could be killed."""
    con.execute("DELETE FROM measurement_task")
    con.execute("DELETE FROM forced_source")
    for path in folder.rglob("*.parquet"):
        path.unlink()
