"""Catalogues into tables, units kept, radians turned into degrees."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql import write_table
from forcedsql.database import load_catalog
from forcedsql.errors import DatabaseError, PrecisionWarning, TableError


def field(name, unit="", description=""):
    metadata = {"unit": unit, "description": description}
    return pa.field(name, pa.float64(), metadata={k: v for k, v in metadata.items() if v})


TABLE = pa.table(
    [pa.array([1.0, None]), pa.array([2.0, 3.0])],
    schema=pa.schema([field("ra", "deg", "where it's at"), field("psfFlux", "nJy")]),
)


def comments(con, name):
    return con.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [name]
    ).fetchall()


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ecsv", "arrow"])
def test_a_file_becomes_a_table(con, tmp_path, suffix):
    path = tmp_path / f"catalogue.{suffix}"
    write_table(TABLE, path)
    assert load_catalog(con, "source", path) == 2
    assert con.execute("SELECT ra, psfFlux FROM source").fetchall() == [(1.0, 2.0), (None, 3.0)]


def test_units_and_descriptions_become_comments(con):
    load_catalog(con, "source", TABLE)
    assert comments(con, "source") == [("ra", "where it's at [deg]"), ("psfFlux", "[nJy]")]


def test_coordinates_in_radians_become_degrees_and_angles_do_not(con):
    schema = pa.schema([field("coord_ra", "rad"), field("coord_dec", "rad"), field("position_angle", "rad")])
    values = [pa.array([np.pi]), pa.array([-np.pi / 2]), pa.array([1.0])]
    load_catalog(con, "source", pa.table(values, schema=schema))
    assert con.execute("FROM source").fetchall() == [(180.0, -90.0, 1.0)]
    assert [c for _, c in comments(con, "source")] == ["[deg]", "[deg]", "[rad]"]


def test_loading_again_replaces(con):
    load_catalog(con, "source", TABLE)
    assert load_catalog(con, "source", TABLE.slice(0, 1)) == 1
    assert con.execute("SELECT count(*) FROM source").fetchall() == [(1,)]


@pytest.mark.parametrize("name", ['my "source"', "it's; DROP TABLE exposure", "α.β", "select"])
def test_odd_names(con, name):
    odd = pa.table({"a\"b'c": [1]}).cast(
        pa.schema([pa.field("a\"b'c", pa.int64(), metadata={"unit": "it's"})])
    )
    load_catalog(con, name, odd)
    assert comments(con, name) == [("a\"b'c", "[it's]")]


def test_an_astropy_table(con):
    from astropy import units as u
    from astropy.table import Table

    table = Table({"coord_ra": [0.5, 1.0] * u.rad})
    load_catalog(con, "source", table)
    rows = con.execute("SELECT coord_ra FROM source").fetchall()
    np.testing.assert_allclose(np.ravel(rows), np.rad2deg([0.5, 1.0]))


@pytest.mark.parametrize("name", ["exposure", "Forced_Source", "measurement_run"])
def test_our_own_tables_are_not_overwritten(con, name):
    with pytest.raises(DatabaseError, match="one of forcedsql's own tables"):
        load_catalog(con, name, TABLE)


def test_a_view_of_that_name_is_not_replaced(con):
    con.execute("CREATE VIEW v AS SELECT 1 AS a")
    with pytest.raises(DatabaseError, match="cannot make the table 'v'"):
        load_catalog(con, "v", TABLE)
    assert con.execute("FROM v").fetchall() == [(1,)]


def test_a_missing_file_is_a_table_error(con, tmp_path):
    with pytest.raises(TableError, match="no such file"):
        load_catalog(con, "source", tmp_path / "none.parquet")


def test_a_plain_duckdb_connection_will_do():
    with duckdb.connect() as con:
        assert load_catalog(con, "source", TABLE) == 2


def test_coordinates_of_other_names_become_degrees_when_named(con):
    schema = pa.schema([field("l", "rad"), field("b", "rad")])
    load_catalog(
        con, "source", pa.table([[np.pi], [0.5 * np.pi]], schema=schema), ra_column="l", dec_column="b"
    )
    assert con.execute("FROM source").fetchall() == [(180.0, 90.0)]
    with pytest.raises(TableError, match="the table has no column 'alpha'; it has ra, psfFlux"):
        load_catalog(con, "source", TABLE, ra_column="alpha")


def test_single_precision_is_warned_about(con):
    table = pa.table({"ra": pa.array([1.0], pa.float32()), "flux": pa.array([1.0], pa.float32())})
    with pytest.warns(PrecisionWarning, match="column 'ra' is float32") as caught:
        load_catalog(con, "source", table)
    assert len(caught) == 1


def test_a_nested_hats_catalogue_becomes_a_table(con, shared):
    assert load_catalog(con, "sky", shared / "data" / "catalogs" / "hats_small_sky_nested") == 131
    assert con.execute("SELECT count(*), max(len(lc.mjd)) FROM sky").fetchall()[0][0] == 131
