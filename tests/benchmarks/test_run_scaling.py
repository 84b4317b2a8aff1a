"""What a second worker process brings: at least 1.7 times the speed, where cores are free.

Run with ``pytest tests/benchmarks/test_run_scaling.py --benchmark -s`` on a quiet machine.
"""

import os
from pathlib import Path

import pytest

from forcedsql.database import connect, ingest, load_catalog
from forcedsql.native import limit_threads
from forcedsql.runs import run
from forcedsql.simulate import SurveyDesign, simulate_epochs

DESIGN = SurveyDesign(exposures=150, objects=12_000, size=1200, fields=4)


@pytest.fixture
def database(tmp_path) -> Path:
    files = simulate_epochs(tmp_path, DESIGN)
    with connect(tmp_path / "survey.duckdb") as con:
        ingest(con, files.exposures)
        load_catalog(con, "object", files.objects)
    return tmp_path / "survey.duckdb"


@pytest.mark.benchmark
def test_a_second_process_brings_most_of_its_worth(database, tmp_path):
    busy = os.getloadavg()[0]
    seconds = {}
    with connect(database) as con:
        for workers in (1, 2, 1, 2):
            limit_threads(workers)  # a thread of the kernel for each process
            out = tmp_path / f"{workers}-{len(list(tmp_path.iterdir()))}"
            report = run(con, "object", out=out, workers=workers)
            seconds[workers] = min(seconds.get(workers, report.elapsed), report.elapsed)
    limit_threads(None)
    gain = seconds[1] / seconds[2]
    print(
        f"\n{report.rows:,} rows: 1 process {seconds[1]:.2f} s, 2 processes {seconds[2]:.2f} s: x{gain:.2f}"
    )
    if len(os.sched_getaffinity(0)) < 3 or busy > len(os.sched_getaffinity(0)) - 2:
        pytest.skip(
            f"no two cores and one for the parent are free (load {busy:.1f}); x{gain:.2f} says little"
        )
    assert gain > 1.7
