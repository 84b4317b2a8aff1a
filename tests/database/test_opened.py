"""Exposures and positions by id, outside of SQL."""

import numpy as np
import pytest

from forcedsql.database import connect, find_position, ingest, open_registered
from forcedsql.errors import DatabaseError, TableError, UnknownExposureError


def test_a_registered_exposure_is_opened_as_the_functions_open_it(con, exposure_file, opened):
    ingest(con, exposure_file("a.fits"))
    exposure = open_registered(con, "a")
    before = len(opened)
    con.execute("SELECT forced_phot('a', 53.1, -28.1)").fetchall()
    assert len(opened) == before  # they share one cache
    assert exposure.shape == (120, 120)


def test_an_unknown_id_and_a_foreign_connection_are_refused(con):
    with pytest.raises(UnknownExposureError, match="no exposure 'b' is registered"):
        open_registered(con, "b")
    with con.cursor() as cursor, pytest.raises(DatabaseError, match="not another or a cursor"):
        open_registered(cursor, "a")


def test_a_safe_connection_opens_only_below_its_folders(tmp_path, exposure_file):
    file = exposure_file("a.fits")
    with connect(tmp_path / "s.duckdb") as con:
        ingest(con, file)
    (tmp_path / "other").mkdir()
    with (
        connect(tmp_path / "s.duckdb", safe=True, roots=[tmp_path / "other"]) as con,
        pytest.raises(DatabaseError, match=r"a\.fits"),
    ):
        open_registered(con, "a")


@pytest.fixture
def catalogues(con):
    con.execute(
        'CREATE TABLE object AS FROM (VALUES (1, 10.0, -5.0), (2, 11.0, NULL)) v(objectId, ra, "dec")'
    )
    con.execute(
        "CREATE TABLE source AS FROM (VALUES (1, 10.0, -5.0), (3, 12.0, 1.0))"
        " v(sourceId, coord_ra, coord_dec)"
    )
    con.execute("CREATE TABLE fluxes AS SELECT 1 AS id, 5.0 AS psfFlux")
    return con


def test_an_id_is_found_in_whichever_table_has_it(catalogues):
    assert find_position(catalogues, "1") == (10.0, -5.0, "object")
    assert find_position(catalogues, "3") == (12.0, 1.0, "source")
    assert find_position(catalogues, "1", "source") == (10.0, -5.0, "source")
    assert np.isnan(find_position(catalogues, "2")[1])


def test_an_id_at_two_places_needs_the_name_of_a_table(catalogues):
    catalogues.execute("UPDATE source SET coord_ra = 10.1 WHERE sourceId = 1")
    with pytest.raises(TableError, match="id 1 is at different places in object, source; name the table"):
        find_position(catalogues, "1")
    assert find_position(catalogues, "1", "source")[0] == 10.1


@pytest.mark.parametrize(
    ("row_id", "table", "message"),
    [
        ("9", None, "no id 9 in .*object or source"),
        ("1'; DROP TABLE object; --", "object", "there is no id 1'; DROP"),
        ("1", "nowhere", "cannot look for positions in 'nowhere'"),
        ("1", "fluxes", "no column ra or coord_ra"),
    ],
)
def test_what_is_not_there_is_named(catalogues, row_id, table, message):
    with pytest.raises(TableError, match=message) as caught:
        find_position(catalogues, row_id, table)
    assert "\n" not in str(caught.value)


def test_a_view_whose_file_is_gone_is_passed_over(catalogues, tmp_path):
    catalogues.execute(f"COPY object TO '{tmp_path}/o.parquet'")
    catalogues.execute(f"CREATE VIEW aaa AS FROM '{tmp_path}/o.parquet'")
    (tmp_path / "o.parquet").unlink()
    assert find_position(catalogues, "1")[2] == "object"
