"""Proper motions in SQL: rows equal to the direct call, and tables without them pay nothing."""

import dataclasses

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, functions, ingest
from forcedsql.measure import measure
from forcedsql.schema import source_schema

from .conftest import make_exposure

MJD = 60676.3


def at_a_time():
    return make_exposure(mjd=MJD)


def moving(n=3000, seed=3):
    """Sources that move by up to some pixels; every third has no motion, and one no epoch."""
    rng = np.random.default_rng(seed)
    still = np.arange(n) % 3 == 0
    epoch = rng.choice([2000.0, 2016.0], n)
    return pa.table(
        {
            "id": np.arange(n),
            "ra": 53.1 + rng.uniform(-0.003, 0.003, n),
            "dec": -28.1 + rng.uniform(-0.003, 0.003, n),
            "pm_ra": pa.array(rng.normal(0, 60, n), mask=still),
            "pm_dec": pa.array(rng.normal(0, 60, n), mask=still),
            "parallax": pa.array(rng.uniform(0, 300, n), mask=rng.random(n) < 0.5),
            "ref_epoch": pa.array(epoch, mask=np.arange(n) == 7),
        }
    )


@pytest.fixture
def survey(con, exposure_file):
    ingest(con, exposure_file("a.fits", at_a_time()))
    con.register("stars", moving())
    return con


@pytest.mark.parametrize("macro", ["forced_photometry", "forced_measurement"])
def test_the_macros_equal_measure(survey, macro):
    columns = "source" if macro == "forced_photometry" else "lsst"
    got = survey.sql(f"FROM {macro}('a', stars)").to_arrow_table()
    want = measure(at_a_time(), moving(), columns=columns)
    for name in want.column_names:
        np.testing.assert_array_equal(got[name].to_numpy(), want[name].to_numpy(), err_msg=name)
    still = measure(at_a_time(), moving().drop(["pm_ra", "pm_dec", "parallax"]), columns=columns)
    x = "x" if columns == "source" else "slot_Centroid_x"
    off = np.abs(got[x].to_numpy() - still[x].to_numpy())
    assert np.isnan(off[7])
    assert np.nanmax(off[np.arange(3000) % 3 > 0]) > 5.0


def test_a_joint_fit_moves_positions_and_neighbours(survey):
    survey.execute("CREATE TABLE few AS FROM stars LIMIT 30; CREATE TABLE more AS FROM stars LIMIT 50")
    got = survey.sql("FROM forced_photometry_joint('a', few, neighbours := more)").to_arrow_table()
    config = MeasurementConfig(deblend="joint")
    want = measure(
        at_a_time(), moving().slice(0, 30), config=config, columns="source", neighbours=moving().slice(0, 50)
    )
    for name in ("ra", "x", "psfFlux", "psfFlux_joint"):
        np.testing.assert_array_equal(got[name].to_numpy(), want[name].to_numpy(), err_msg=name)


def test_gaias_names_and_the_function_itself(survey):
    survey.execute(
        "CREATE TABLE gaia AS "
        'SELECT id, ra, "dec", pm_ra AS pmra, pm_dec AS pmdec, parallax, ref_epoch FROM stars'
    )
    flux = "SELECT list(psfFlux) FROM forced_photometry('a', {})"
    named, renamed = (survey.sql(flux.format(table)).fetchall() for table in ("stars", "gaia"))
    np.testing.assert_array_equal(named[0][0], renamed[0][0])
    moved = survey.sql(
        """SELECT unnest(move_position('a', ra, "dec", pm_ra, pm_dec, parallax, ref_epoch)), ra, "dec"
        FROM stars WHERE id = 1 OR id = 0"""
    ).fetchall()
    assert moved[1][:2] != moved[1][2:]
    assert np.hypot(moved[1][0] - moved[1][2], moved[1][1] - moved[1][3]) < 0.001


def test_a_table_without_motions_never_calls_the_function(survey, monkeypatch):
    monkeypatch.setattr(functions, "arrays_of_each", None)
    survey.execute('CREATE TABLE plain AS SELECT id, ra, "dec" FROM stars LIMIT 10')
    survey.execute("CREATE TABLE unmoved AS FROM stars WHERE pm_ra IS NULL AND parallax IS NULL")
    for table in ("plain", "unmoved"):
        count = (
            "SELECT count(at_ra), bool_and(at_ra = ra), bool_and(at_dec = \"dec\") FROM positions_at('a', {})"
        )
        assert survey.sql(count.format(table)).fetchall()[0][1:] == (True, True)


def test_motions_without_an_epoch_are_refused_with_the_remedy(survey):
    survey.execute('CREATE TABLE undated AS SELECT id, ra, "dec", pm_ra, pm_dec FROM stars')
    with pytest.raises(duckdb.Error, match="no column ref_epoch; add the Julian year"):
        survey.sql("FROM forced_photometry('a', undated)").fetchall()
    count = "SELECT count(psfFlux) FROM forced_photometry('a', {})"
    dated = "WITH d AS (SELECT *, 2016.0 AS ref_epoch FROM undated) " + count.format("d")  # noqa: S608
    assert survey.sql(dated).fetchall() == [(3000,)]
    survey.execute("UPDATE undated SET pm_ra = NULL, pm_dec = 0")
    assert survey.sql(count.format("undated")).fetchall() == [(3000,)]


def test_an_exposure_without_a_time_says_so_unless_nothing_is_to_move(exposure_file):
    for option in ("auto", "never"):
        with connect(config=dataclasses.replace(MeasurementConfig(), space_motion=option)) as con:
            ingest(con, exposure_file(f"{option}.fits"))
            con.register("stars", moving(20))
            query = f"SELECT count(psfFlux) FROM forced_photometry('{option}', stars)"  # noqa: S608
            if option == "never":
                assert con.sql(query).fetchall() == [(20,)]
            else:
                with pytest.raises(duckdb.Error, match="does not say when it was taken"):
                    con.sql(query).fetchall()


def test_the_columns_are_those_of_a_plain_table(survey):
    assert (
        survey.sql("FROM forced_photometry('a', stars)").columns
        == source_schema(MeasurementConfig(), "nJy").names
    )
