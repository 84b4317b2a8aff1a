"""Planning a run: 1,000,000 positions in the footprints of 10,000 exposures, in under 5 seconds.

Where all of them move, each exposure asks for places of its own, and 8 seconds are allowed.

Run with ``pytest tests/benchmarks/test_run_plan.py --benchmark -s``.
"""

from time import perf_counter

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, load_catalog
from forcedsql.runs.plan import make_plan
from forcedsql.runs.requested_positions import ColumnChoice, load_positions
from tests.runs.footprints import register, square_footprints

POSITIONS, EXPOSURES = 1_000_000, 10_000
CENTRE, SPREAD = (53.13, -28.1), 10.0
"""Degrees: a position is on 2.5 exposures in the mean."""


def positions(*, moving: bool) -> pa.Table:
    """Return positions; those that move do so as in Gaia's catalogue."""
    rng = np.random.default_rng(3)
    columns = {
        "id": np.arange(POSITIONS),
        "ra": CENTRE[0] + rng.uniform(-SPREAD, SPREAD, POSITIONS) / np.cos(np.radians(CENTRE[1])),
        "dec": CENTRE[1] + rng.uniform(-SPREAD, SPREAD, POSITIONS),
    }
    if moving:
        columns |= {name: rng.normal(0, 10.0, POSITIONS) for name in ("pmra", "pmdec", "parallax")}
        columns["ref_epoch"] = np.full(POSITIONS, 2016.0)
    return pa.table(columns)


@pytest.mark.benchmark
@pytest.mark.parametrize("moving", [False, True], ids=["standing", "moving"])
def test_a_large_survey_is_planned_in_seconds(moving):
    times = np.random.default_rng(4).uniform(60000.0, 63652.0, EXPOSURES)
    with connect() as con:
        register(con, square_footprints(EXPOSURES, centre=CENTRE, spread=SPREAD), times.tolist())
        load_catalog(con, "object", positions(moving=moving))
        start = perf_counter()
        requested = load_positions(con, "object", ColumnChoice())
        loaded = perf_counter()
        plan = make_plan(con, requested, MeasurementConfig())
        planned = perf_counter()
    rows = sum(each.positions for each in plan.planned)
    print(f"\n{POSITIONS:,} positions, {EXPOSURES:,} exposures, {rows:,} pairs, {plan.uncovered:,} uncovered")
    print(f"positions {loaded - start:.2f} s, plan {planned - loaded:.2f} s")
    assert rows > POSITIONS
    assert planned - start < (8.0 if moving else 5.0)
