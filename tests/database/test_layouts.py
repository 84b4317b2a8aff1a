"""What the registry keeps of a file's layout, and that exposures open by it."""

import json

import pytest

from forcedsql.database import connect, ingest
from forcedsql.lazy_exposure import LazyExposure
from forcedsql.readers import fits_file, open_exposure
from forcedsql.writer import write_exposure

from .conftest import Sky, make_exposure

QUERY = "SELECT unnest(forced_phot(exposure_id, 53.1, -28.1)) FROM exposure ORDER BY exposure_id"


def to_bytes(con):
    """The result of the query by column; bytes, because a NaN equals none."""
    table = con.sql(QUERY).to_arrow_table()
    assert table.num_rows == 5
    return {name: table[name].to_numpy().tobytes() for name in table.column_names}


@pytest.fixture
def files(tmp_path):
    """Five exposures of one field, really written."""
    paths = []
    for visit in range(5):
        exposure = make_exposure(Sky(), size=400, seed=visit, visit=visit, detector=1)
        paths.append(tmp_path / f"visit_{visit}.fits")
        write_exposure(exposure, paths[-1])
    return paths


@pytest.fixture
def measured_whole(files):
    """The result of the query on exposures that were opened with all their pixels."""
    from forcedsql.readers import lazy

    with connect() as con, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "open_lazily", lambda path, *_, **__: lazy.OpenedFile(open_exposure(path), ""))
        ingest(con, files)
        return to_bytes(con)


@pytest.fixture
def without_astropy(monkeypatch):
    def never(*_, **__):
        raise AssertionError("a file was opened by its headers")

    return lambda: monkeypatch.setattr(fits_file.fits, "open", never)


def test_exposures_open_by_their_layout_and_measure_the_same(con, files, measured_whole, without_astropy):
    ingest(con, files)
    without_astropy()
    assert to_bytes(con) == measured_whole


def test_so_they_do_when_they_do_not_fit_the_cache(files, measured_whole, without_astropy):
    with connect(cache_bytes=0) as con:
        ingest(con, files)
        without_astropy()
        for _ in range(2):
            assert to_bytes(con) == measured_whole


@pytest.mark.parametrize("layout", ["", "{}", "nonsense", '{"version":1,"size":0,"hdus":[],"condensed":{}}'])
def test_a_layout_that_does_not_fit_is_not_used(con, files, measured_whole, layout):
    ingest(con, files)
    con.execute("UPDATE exposure_layout SET layout = ?", [layout])
    assert to_bytes(con) == measured_whole


def test_a_registry_without_layouts_still_measures(con, files, measured_whole):
    ingest(con, files)
    con.execute("DELETE FROM exposure_layout")
    assert to_bytes(con) == measured_whole


def test_a_file_that_replaces_another_brings_its_own_layout(con, files):
    ingest(con, files[0], exposure_id="one")
    before = con.sql("SELECT layout FROM exposure_layout").fetchall()
    write_exposure(make_exposure(size=300), files[0])
    ingest(con, files[0], exposure_id="one")
    ((after,),) = con.sql("SELECT layout FROM exposure_layout").fetchall()
    assert before != [(after,)]
    assert json.loads(after)["size"] == files[0].stat().st_size


def test_an_ingested_file_is_opened_without_its_pixels(con, files, monkeypatch):
    opened = []
    real = LazyExposure.read_rows
    monkeypatch.setattr(LazyExposure, "read_rows", lambda self, *a: opened.append(a) or real(self, *a))
    assert ingest(con, files[0])[0].status == "added"
    assert opened == []
