"""What worker processes add: to a call of nothing, and to 400,000 positions on 8 exposures.

Run with ``pytest tests/benchmarks/test_extension.py --benchmark -s``.
"""

import os
import shutil

import numpy as np
import pyarrow as pa
import pytest

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, ingest
from forcedsql.extension.files import packaged_extension
from forcedsql.measure.driver import measure_positions
from forcedsql.resources import data_dir
from tests.benchmarks.timing import interleaved, print_table
from tests.extension.conftest import echo_descriptor, open_echo

ROWS, EXPOSURES, POSITIONS = 4_000_000, 8, 50_000


@pytest.mark.benchmark
def test_a_call_of_nothing(tmp_path):
    with open_echo(packaged_extension(), echo_descriptor(tmp_path)) as con:
        con.execute("SET threads = 1")
        con.execute("CREATE TABLE t AS SELECT 'visit:1:1' AS e, i::DOUBLE AS v FROM range(?) r(i)", [ROWS])
        con.sql("SELECT echo_double(v) FROM t LIMIT 1").fetchall()
        seconds = interleaved(
            {
                "without": lambda: con.sql("SELECT sum(v) FROM t").fetchall(),
                "a number": lambda: con.sql("SELECT sum(echo_double(v)) FROM t").fetchall(),
                "an exposure and a number": lambda: con.sql("SELECT sum(exposure(e, v)) FROM t").fetchall(),
            },
            rounds=5,
        )
    without = seconds.pop("without")
    rows = [(name, f"{(value - without) / ROWS * 1e9:.0f}") for name, value in seconds.items()]
    print_table("one worker, there and back", [("", "ns a row"), *rows])


@pytest.mark.benchmark
def test_many_positions_on_several_exposures(tmp_path):
    image = next((data_dir() / "survey").glob("visit_image*.fits"))
    files = [shutil.copy(image, tmp_path / f"{number}.fits") for number in range(EXPOSURES)]
    opened = forcedsql.open_exposure(image)
    x, y = np.random.default_rng(1).uniform(0, np.array([opened.shape[::-1]]).T, (2, EXPOSURES * POSITIONS))
    ra, dec = opened.wcs.pixel_to_sky(x + opened.xy0[0], y + opened.xy0[1])
    names = np.repeat([f"v{number}" for number in range(EXPOSURES)], POSITIONS)
    positions = pa.table({"e": names, "ra": ra, "dec": dec})  # noqa: F841 - DuckDB finds it
    workers = len(os.sched_getaffinity(0))
    with connect(tmp_path / "survey.duckdb", workers=workers) as con:
        ingest(con, files, exposure_id=[f"v{number}" for number in range(EXPOSURES)])
        con.execute("CREATE TABLE p AS FROM positions")

        def by_workers() -> None:
            con.execute('CREATE OR REPLACE TEMP TABLE r AS SELECT unnest(forced_phot(e, ra, "dec")) FROM p')

        def directly() -> None:
            for number, file in enumerate(files):
                some = slice(number * POSITIONS, (number + 1) * POSITIONS)
                measure_positions(forcedsql.open_exposure(file), ra[some], dec[some], MeasurementConfig())

        by_workers()
        seconds = interleaved({"directly": directly, "by workers": by_workers}, rounds=3)
    rows = [(name, f"{value:.1f}", f"{value / seconds['directly']:.2f}") for name, value in seconds.items()]
    title = f"{EXPOSURES * POSITIONS} positions on {EXPOSURES} exposures, {workers} workers"
    print_table(title, [("", "s", "ratio"), *rows])
