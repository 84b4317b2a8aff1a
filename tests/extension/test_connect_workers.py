"""``connect(workers=...)``: the same connection, measured by other processes."""

import os
import shutil
import threading
from pathlib import Path

import duckdb
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import config_of, connect, ingest
from forcedsql.errors import ConfigError, DatabaseError
from forcedsql.extension import files
from forcedsql.resources import data_dir
from tests.extension.conftest import COADD, VISIT, workers_of

MEASURE = f"FROM forced_photometry('{VISIT}', source)"


@pytest.fixture
def path(extension, database) -> Path:
    return database


def test_tables_are_equal_to_the_bit_and_nothing_is_left(path):
    with connect(path) as con:
        expected = con.sql(MEASURE).to_arrow_table().to_pylist()
    with connect(path, workers=2) as con:
        assert repr(con.sql(MEASURE).to_arrow_table().to_pylist()) == repr(expected)
        assert workers_of(os.getpid())
    assert workers_of(os.getpid()) == []
    with connect(path) as con:  # the file is free again, for other options too
        assert con.sql("SELECT count(*) FROM exposure").fetchall() == [(2,)]


def test_what_is_ingested_later_is_known_and_so_is_what_is_replaced(path, tmp_path):
    image = next((data_dir() / "survey").glob("visit_image*.fits"))
    with connect(path, workers=1) as con:
        query = "SELECT sky_to_pixel('late', 53.2, -28.2).x"
        with pytest.raises(duckdb.Error, match=f"no exposure 'late' is registered in {path}"):
            con.sql(query).fetchall()
        copied = Path(shutil.copy(image, tmp_path / "late.fits"))
        ingest(con, copied, exposure_id="late")
        ((x,),) = con.sql(query).fetchall()
        assert con.sql(query.replace("late", VISIT)).fetchall() == [(x,)]
        os.utime(copied, ns=(1, 1))
        copied.write_bytes(copied.read_bytes() + bytes(2880))
        with pytest.raises(duckdb.Error, match="has changed since it was ingested"):
            con.sql(query).fetchall()


def test_announced_positions_stay_with_one_worker_and_others_are_divided(path):
    with connect(path, workers=2) as con:
        con.execute(
            "CREATE TABLE many AS SELECT i AS id, 53.2 + i / 1e6 AS ra, -28.2 AS dec FROM range(3000) r(i)"
        )
        con.sql(f"FROM forced_photometry('{VISIT}', many)").to_arrow_table()
        assert len(workers_of(os.getpid())) == 1
        con.sql(f"SELECT forced_phot('{VISIT}', ra, \"dec\") FROM many").to_arrow_table()
        assert len(workers_of(os.getpid())) == 2


def test_small_queries_of_many_threads_agree(path):
    with connect(path, workers=2) as con:
        ids = [VISIT, COADD] * 4
        query = "SELECT sum(sky_to_pixel(?, 53.2 + i / 1e4, -28.2).x) FROM range(50) r(i)"
        found: list[tuple[str, float]] = []

        def ask(cursor: duckdb.DuckDBPyConnection, exposure_id: str) -> None:
            found.extend(
                (exposure_id, cursor.execute(query, [exposure_id]).fetchall()[0][0]) for _ in range(5)
            )

        threads = [threading.Thread(target=ask, args=(con.cursor(), exposure_id)) for exposure_id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 40
    assert len(set(found)) == 2


def test_the_configuration_is_that_of_the_connection(path):
    config = MeasurementConfig(radii=(5,))
    with connect(path, config=config, workers=1) as con:
        assert config_of(con) == config
        assert "ap05Flux" in con.sql(f"{MEASURE} LIMIT 1").columns
        with connect(path, config=config, workers=1) as second:  # shares functions and workers
            assert second.sql("SELECT count(*) FROM exposure").fetchall() == [(2,)]


@pytest.mark.parametrize("workers", [0, -1])
def test_less_than_one_worker_is_refused(path, workers):
    with pytest.raises(ConfigError, match="give 1 or more"):
        connect(path, workers=workers)


def test_without_the_extension_it_says_what_to_do(path, monkeypatch):
    monkeypatch.setattr(files, "NAME", "none")
    with pytest.raises(DatabaseError, match=r"workers cannot be had.*install a C compiler"):
        connect(path, workers=1)


def test_the_environment_lowers_the_number_and_nonsense_is_refused(echo_shell):
    query = "SELECT count(DISTINCT process(i)) AS n FROM range(5000) r(i)"
    echo_shell.environment["FORCEDSQL_WORKERS"] = "many"
    assert "FORCEDSQL_WORKERS=many is not a whole number from 1" in echo_shell.run(":memory:", query).stderr
