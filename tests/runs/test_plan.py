"""Plans against brute force: every position with every footprint."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect
from forcedsql.database.footprint import Footprint
from forcedsql.exposure_file import RegisteredExposure
from forcedsql.runs.plan import PlannedExposure, in_portions, make_plan, positions_on
from forcedsql.runs.requested_positions import ColumnChoice, load_positions
from forcedsql.runs.stored_result import Fingerprint
from tests.runs.footprints import register, square_footprints

MIDDLES = {"equator": (0.0, 0.0), "pole": (123.0, 89.9), "south": (359.95, -60.0)}


@pytest.fixture
def con():
    with connect() as connection:
        yield connection


def scattered(footprints: list[Footprint], count: int) -> pa.Table:
    rng = np.random.default_rng(2)
    corners = np.concatenate([f.corners for f in footprints])
    ra = rng.choice(corners[:, 0], count) + rng.normal(0, 0.1, count)
    dec = np.clip(rng.choice(corners[:, 1], count) + rng.normal(0, 0.1, count), -90, 90)
    return pa.table({"id": np.arange(count), "ra": ra, "dec": dec})


def plan_of(con: duckdb.DuckDBPyConnection, positions: pa.Table, **options):
    requested = load_positions(con, positions, ColumnChoice())
    return make_plan(con, requested, MeasurementConfig(), **options)


@pytest.mark.parametrize("place", MIDDLES)
def test_every_position_is_planned_on_the_exposures_that_contain_it(con, place):
    footprints = square_footprints(30, centre=MIDDLES[place], spread=0.4)
    register(con, footprints)
    positions = scattered(footprints, 2000)
    plan = plan_of(con, positions)
    ra, dec = positions["ra"].to_numpy(), positions["dec"].to_numpy()
    inside = np.array([f.contains(ra, dec) for f in footprints])
    planned = {each.exposure_id: each.positions for each in plan.planned}
    assert planned == {f"e{i}": n for i, n in enumerate(inside.sum(axis=1)) if n}
    assert plan.uncovered == (~inside.any(axis=0)).sum() > 0
    found = positions_on(con, plan.planned)
    assert sum(table.get_total_buffer_size() for table in found.values()) < 100 * sum(planned.values())
    for i in np.flatnonzero(inside.any(axis=1)):
        assert found[f"e{i}"]["id"].to_pylist() == np.flatnonzero(inside[i]).tolist()


def test_exposures_without_a_sky_projection_or_positions_are_told_apart(con):
    footprints = square_footprints(3, centre=(10.0, 0.0), spread=0.0)
    register(con, [*footprints, None, *square_footprints(1, centre=(200.0, 0.0), spread=0.0)])
    plan = plan_of(con, pa.table({"id": [1], "ra": [10.0], "dec": [0.0]}))
    assert [each.exposure_id for each in plan.planned] == ["e0", "e1", "e2"]
    assert (plan.without_sky, plan.empty, plan.uncovered) == (("e3",), ("e4",), 0)


@pytest.mark.parametrize(
    ("positions", "sizes"),
    [
        ([], []),
        ([1] * 70, [32, 32, 6]),
        ([150_000, 50_000, 1, 300_000, 2], [2, 1, 1, 1]),
    ],
)
def test_positions_are_fetched_for_some_exposures_at_a_time(positions, sizes):
    exposure = RegisteredExposure("", "", 0, 0, "")
    planned = [
        PlannedExposure(exposure, n, Fingerprint("", "", str(i)), True) for i, n in enumerate(positions)
    ]
    portions = list(in_portions(planned))
    assert [len(portion) for portion in portions] == sizes
    assert [each for portion in portions for each in portion] == planned


def test_the_fingerprint_of_an_exposure_follows_its_own_positions(con):
    register(
        con,
        [
            *square_footprints(1, centre=(10.0, 0.0), spread=0.0),
            *square_footprints(1, centre=(20.0, 0.0), spread=0.0),
        ],
    )
    before, after = (
        [
            each.fingerprint
            for each in plan_of(con, pa.table({"id": [1, 2], "ra": [10.0, ra], "dec": [0.0, 0.0]})).planned
        ]
        for ra in (20.0, 20.0001)
    )
    assert before[0] == after[0]
    assert before[1] != after[1]
