"""Plans for positions that move, against brute force: each where it is seen at each exposure's time."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect
from forcedsql.measure.positions import MOTION_NAMES
from forcedsql.measure.space_motion import SpaceMotion, position_at
from forcedsql.runs.plan import make_plan, positions_on
from forcedsql.runs.requested_positions import ColumnChoice, load_positions
from tests.runs.footprints import register, square_footprints

EXPOSURES, POSITIONS = 40, 3000
CENTRES = {"equator": (0.0, 0.0), "pole": (123.0, 89.9), "where three base cells meet": (45.0, 41.81)}
FASTEST = {"Gaia": 0.1, "Barnard's star": 10.0, "asteroid": 3000.0}
"""Largest proper motions in arcsec / yr: few leave their HEALPix cell, some do, all do."""


@pytest.fixture
def con():
    with connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def at_one_place():
    """Three exposures of one place: one at the epoch 2000.0, one ten years later, one at no stated time."""
    footprints = square_footprints(1, centre=(10.0, 0.0), spread=0.0) * 3
    with connect() as connection:
        register(connection, footprints, [51544.5, 51544.5 + 3652.5, None])
        yield connection


def moving_table(centre: tuple[float, float], fastest: float) -> pa.Table:
    """Return positions that are near a place in one year or another from 2010 to 2030."""
    rng = np.random.default_rng(4)
    dec = np.clip(centre[1] + rng.normal(0, 0.4, POSITIONS), -90, 90)
    ra = (centre[0] + rng.normal(0, 0.4, POSITIONS) / np.cos(np.radians(dec))) % 360.0
    pm = rng.normal(0, fastest / 3, (2, POSITIONS)) * 1000.0
    pm[:, ::10] = 0.0
    parallax = np.abs(rng.normal(0, 300.0, POSITIONS))
    ref_epoch = rng.choice([2000.0, 2016.0], POSITIONS)
    return pa.table(
        {
            "id": np.arange(POSITIONS),
            "ra": ra,
            "dec": dec,
            "pm_ra": pm[0],
            "pm_dec": pm[1],
            "parallax": parallax,
            "ref_epoch": ref_epoch,
        }
    )


def planned_ids(con, table: pa.Table, config: MeasurementConfig | None = None) -> dict[str, list[int]]:
    plan = make_plan(con, load_positions(con, table, ColumnChoice()), config or MeasurementConfig())
    found = positions_on(con, plan.planned)
    assert [each.positions for each in plan.planned] == [found[e.exposure_id].num_rows for e in plan.planned]
    return {exposure_id: rows["id"].to_pylist() for exposure_id, rows in found.items()}


@pytest.mark.parametrize("fastest", FASTEST)
@pytest.mark.parametrize("centre", CENTRES)
def test_a_moving_position_is_planned_on_the_exposures_that_contain_it_then(con, centre, fastest):
    footprints = square_footprints(EXPOSURES, centre=CENTRES[centre], spread=0.5)
    times = np.random.default_rng(5).uniform(55197.0, 62502.0, EXPOSURES)
    register(con, footprints, times.tolist())
    table = moving_table(CENTRES[centre], FASTEST[fastest])
    ra, dec, *motion = (table[name].to_numpy() for name in ("ra", "dec", *MOTION_NAMES))
    expected = {}
    for i, (footprint, mjd) in enumerate(zip(footprints, times, strict=True)):
        inside = footprint.contains(*position_at(ra, dec, SpaceMotion(*motion), mjd))
        if inside.any():
            expected[f"e{i}"] = np.flatnonzero(inside).tolist()
    planned = planned_ids(con, table)
    assert planned == expected
    standing = planned_ids(con, table, MeasurementConfig(space_motion="never"))
    assert standing != expected
    plain = table.select(["id", "ra", "dec"])
    assert standing == planned_ids(con, plain)


def one_position(**motion: float | None) -> pa.Table:
    columns = {"pm_ra": None, "pm_dec": None, "parallax": None, "ref_epoch": 2000.0} | motion
    return pa.table(
        {"id": [1], "ra": [10.0], "dec": [0.0]}
        | {name: pa.array([value], pa.float64()) for name, value in columns.items()}
    )


@pytest.mark.parametrize(
    ("motion", "planned"),
    [
        ({}, {"e0": [1], "e1": [1], "e2": [1]}),
        ({"pm_dec": 0.0, "parallax": float("nan")}, {"e0": [1], "e1": [1], "e2": [1]}),
        # 10 degrees in ten years; an exposure without a time is taken for one of the epoch.
        ({"pm_dec": 3.6e6}, {"e0": [1], "e2": [1]}),
        # Where a source without an epoch is, nobody knows: its rows say so.
        ({"pm_dec": 3.6e6, "ref_epoch": None}, {"e0": [1], "e1": [1], "e2": [1]}),
        ({"parallax": 1.0}, {"e0": [1], "e1": [1], "e2": [1]}),
        ({"pm_dec": float("inf")}, {}),
        ({"pm_dec": 1e300, "ref_epoch": -1e300}, {"e2": [1]}),
    ],
)
def test_what_is_not_known_of_a_motion_leaves_a_position_where_it_stands(at_one_place, motion, planned):
    assert planned_ids(at_one_place, one_position(**motion)) == planned


def test_exposures_without_a_time_are_planned_by_the_catalogue(con):
    register(con, square_footprints(1, centre=(10.0, 0.0), spread=0.0))
    assert planned_ids(con, one_position(pm_dec=3.6e6)) == {"e0": [1]}


def test_a_time_beyond_the_ephemeris_is_planned_without_a_word(con):
    register(con, square_footprints(1, centre=(10.0, 0.0), spread=0.0), [0.0])
    assert planned_ids(con, one_position(pm_dec=1.0)) == {"e0": [1]}


def test_a_moving_position_without_coordinates_is_on_no_exposure(at_one_place):
    table = one_position(pm_dec=1.0).set_column(1, "ra", pa.array([float("nan")]))
    assert planned_ids(at_one_place, table) == {}
