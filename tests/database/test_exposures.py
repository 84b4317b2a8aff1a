"""Which exposures see a position, and light curves."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.database import ingest

from .conftest import Sky, make_exposure

FIELDS = {
    "equator": Sky(200.0, 0.0),
    "wrap": Sky(0.0, -33.0),
    "north": Sky(17.0, 90.0),
    "south": Sky(80.0, -90.0),
    "plain": Sky(53.1, -28.1),
    "beside": Sky(53.103, -28.1),
}


@pytest.fixture
def survey(con, exposure_file):
    for i, (name, sky) in enumerate(FIELDS.items()):
        ingest(
            con,
            exposure_file(f"{name}.fits", make_exposure(sky, seed=i, mjd=60000.0 - i, exposure_time=30.0)),
        )
    return con


def ids_at(con, ra, dec) -> set[str]:
    return {i for (i,) in con.execute("SELECT exposure_id FROM exposures_at(?, ?)", [ra, dec]).fetchall()}


@pytest.mark.parametrize("name", FIELDS)
def test_positions_are_found_exactly_where_the_projection_puts_them_on_the_image(survey, name):
    sky = FIELDS[name]
    rng = np.random.default_rng(8)
    # Well beyond the image of 120 pixels on all sides; to its own projection all is exact.
    x, y = rng.uniform(-60, 180, (2, 400))
    ra, dec = make_exposure(sky).wcs.pixel_to_sky(x, y)
    survey.register("points", pa.table({"n": np.arange(400), "ra": ra, "dec": dec}))
    rows = survey.execute(
        'SELECT points.n FROM points, LATERAL (FROM exposures_at(points.ra, points."dec")) e '
        "WHERE e.exposure_id = ?",
        [name],
    ).fetchall()
    survey.unregister("points")
    on_image = (x > -0.5) & (x < 119.5) & (y > -0.5) & (y < 119.5)
    assert sorted(n for (n,) in rows) == np.flatnonzero(on_image).tolist()


def test_overlapping_exposures_are_both_found(survey):
    assert ids_at(survey, 53.1015, -28.1) == {"plain", "beside"}
    assert ids_at(survey, 53.0985, -28.1) == {"plain"}


@pytest.mark.parametrize(("ra", "dec"), [(0.001, -33.0), (359.999, -33.0), (-0.001, -33.0), (360.0, -33.0)])
def test_right_ascension_0_from_either_side(survey, ra, dec):
    assert ids_at(survey, ra, dec) == {"wrap"}


@pytest.mark.parametrize("ra", [0.0, 123.0, 359.0])
def test_the_poles_from_any_side(survey, ra):
    assert ids_at(survey, ra, 90.0) == {"north"}
    assert ids_at(survey, ra, -89.9999) == {"south"}


@pytest.mark.parametrize(
    ("ra", "dec"), [(None, 1.0), (float("nan"), 1.0), (10.0, float("nan")), (10.0, 95.0)]
)
def test_no_position_is_in_no_exposure(survey, ra, dec):
    assert ids_at(survey, ra, dec) == set()


def test_the_columns_are_those_of_the_registry(survey):
    assert survey.sql("FROM exposures_at(1, 2)").columns == survey.sql("FROM exposure").columns


def test_a_light_curve_has_one_row_per_exposure_in_order_of_time(survey):
    rows = survey.execute(
        "SELECT exposure_id, mjd, band, psfFlux, psfFluxErr, psfFlux_flag "
        "FROM forced_lightcurve(53.1015, -28.1)"
    ).fetchall()
    assert [(row[0], row[1], row[2]) for row in rows] == [("beside", 59995.0, "r"), ("plain", 59996.0, "r")]
    for row in rows:
        direct = survey.execute(
            "SELECT m.psfFlux, m.psfFluxErr, m.psfFlux_flag "
            "FROM (SELECT forced_phot(?, 53.1015, -28.1) AS m)",
            [row[0]],
        ).fetchall()
        assert row[3:] == pytest.approx(direct[0], rel=1e-12)


def test_a_light_curve_of_a_position_from_a_query(survey):
    rows = survey.execute(
        "SELECT exposure_id FROM forced_lightcurve((SELECT 53.0985), (SELECT -28.1))"
    ).fetchall()
    assert rows == [("plain",)]


def test_light_curves_of_every_row_of_a_table(survey):
    survey.execute('CREATE TABLE p AS FROM (VALUES (1, 53.1015, -28.1), (2, 10.0, 10.0)) v(id, ra, "dec")')
    rows = survey.execute(
        'SELECT p.id, l.exposure_id FROM p, LATERAL (FROM forced_lightcurve(p.ra, p."dec")) l ORDER BY ALL'
    ).fetchall()
    assert rows == [(1, "beside"), (1, "plain")]
