"""Connections: open, share, refuse, close."""

import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import config_of, connect, ingest
from forcedsql.errors import ConfigError, DatabaseError

MEASURE = "SELECT (forced_phot('a', 53.1, -28.1)).psfFlux"


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_new_file_can_be_opened_by_a_1_5_shell(tmp_path):
    with connect(tmp_path / "new.duckdb") as con:
        ((tags,),) = con.execute("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
    assert tags["storage_version"].rstrip("+") in ("v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0", "v1.5.0")


def test_the_storage_version_outlives_a_checkpoint_and_reopening(tmp_path):
    path = tmp_path / "new.duckdb"
    with connect(path) as con:
        con.execute("CREATE TABLE t AS FROM range(300000)")
        con.execute("CHECKPOINT")
    with connect(path) as con:
        ((tags,),) = con.execute("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
    assert tags["storage_version"].rstrip("+") <= "v1.5.0"


def test_tables_and_registry_outlive_the_connection(tmp_path, exposure_file):
    path = tmp_path / "kept.duckdb"
    with connect(path) as con:
        ingest(con, exposure_file("a.fits"))
        before = con.execute(MEASURE).fetchall()
    with connect(path) as con:
        assert con.execute(MEASURE).fetchall() == before


def test_opening_again_changes_nothing_in_the_file(tmp_path):
    path = tmp_path / "kept.duckdb"
    connect(path).close()
    before = path.read_bytes()
    connect(path).close()
    assert path.read_bytes() == before


def test_read_only_measures_and_refuses_to_write(tmp_path, exposure_file):
    path = tmp_path / "kept.duckdb"
    with connect(path) as con:
        ingest(con, exposure_file("a.fits"))
    with connect(path, read_only=True) as con:
        assert con.execute(MEASURE).fetchall()[0][0] == pytest.approx(5000.0, rel=0.05)
        assert con.execute("SELECT ab_mag(1.0)").fetchall() == [(31.4,)]
        (result,) = ingest(con, exposure_file("b.fits"))
        assert result.status == "failed"
        assert "read-only" in result.error


def test_read_only_with_macros_of_another_version_uses_its_own(tmp_path):
    path = tmp_path / "old.duckdb"
    with connect(path) as con:
        con.execute("CREATE OR REPLACE MACRO ab_mag(flux) AS 'old'")
        con.execute("CREATE OR REPLACE MACRO forcedsql_schema_digest() AS 'old'")
    with connect(path, read_only=True) as con:
        assert con.execute("SELECT ab_mag(1.0)").fetchall() == [(31.4,)]
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("SELECT ab_mag(1.0)").fetchall() == [("old",)]


def test_writing_brings_macros_up_to_date(tmp_path):
    path = tmp_path / "old.duckdb"
    with connect(path) as con:
        con.execute("CREATE OR REPLACE MACRO ab_mag(flux) AS 'old'")
        con.execute("CREATE OR REPLACE MACRO forcedsql_schema_digest() AS 'old'")
    connect(path).close()
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("SELECT ab_mag(1.0)").fetchall() == [(31.4,)]


def test_cursors_have_functions_and_macros(con, exposure_file):
    ingest(con, exposure_file("a.fits"))
    con.execute('CREATE TABLE p AS SELECT 1 AS id, 53.1 AS ra, -28.1 AS "dec"')
    with con.cursor() as cursor:
        direct = cursor.execute(MEASURE).fetchall()
        assert cursor.execute("SELECT psfFlux FROM forced_photometry('a', p)").fetchall() == direct


def test_an_ingest_by_another_cursor_is_seen(con, exposure_file):
    with con.cursor() as other:
        with pytest.raises(duckdb.Error, match="no exposure 'a' is registered"):
            con.execute(MEASURE).fetchall()
        ingest(other, exposure_file("a.fits"))
    assert len(con.execute(MEASURE).fetchall()) == 1


def test_a_deleted_exposure_is_gone_at_once(con, exposure_file):
    ingest(con, exposure_file("a.fits"))
    con.execute(MEASURE).fetchall()
    con.execute("DELETE FROM exposure")
    with pytest.raises(duckdb.Error, match="no exposure 'a' is registered"):
        con.execute(MEASURE).fetchall()


def test_functions_work_inside_a_transaction(con, exposure_file):
    ingest(con, exposure_file("a.fits"))
    con.begin()
    con.execute("CREATE TABLE result AS " + MEASURE + " AS flux")
    assert con.execute("SELECT count(*) FROM result").fetchall() == [(1,)]
    con.rollback()


def test_two_connections_to_one_file_share_functions(tmp_path, exposure_file):
    path = tmp_path / "shared.duckdb"
    first, second = connect(path), connect(path)
    ingest(first, exposure_file("a.fits"))
    assert first.execute(MEASURE).fetchall() == second.execute(MEASURE).fetchall()
    first.close()
    assert len(second.execute(MEASURE).fetchall()) == 1
    second.close()


def test_functions_outlive_the_connection_that_made_them(tmp_path, exposure_file):
    # Done in a process of its own: it would crash if the functions were let go.
    path = tmp_path / "shared.duckdb"
    code = f"""
import gc, duckdb, forcedsql
con = forcedsql.connect({str(path)!r})
plain = duckdb.connect({str(path)!r})
con.close()
del con
gc.collect()
try:
    plain.execute("SELECT forced_phot('a', 1, 2)").fetchall()
except duckdb.Error as error:
    print(str(error).splitlines()[0])
plain.close()
"""
    done = run_python(code)
    assert done.returncode == 0
    assert "is closed" in done.stdout


def test_two_databases_do_not_mix(tmp_path, exposure_file):
    with connect(tmp_path / "one.duckdb") as one, connect(tmp_path / "two.duckdb") as two, connect() as three:
        ingest(one, exposure_file("a.fits"))
        assert len(one.execute(MEASURE).fetchall()) == 1
        for other in (two, three):
            with pytest.raises(duckdb.Error, match="no exposure 'a'"):
                other.execute(MEASURE).fetchall()


def test_the_configuration_is_the_connections():
    config = MeasurementConfig(radii=(3.0,), do_ap_corr=False)
    with connect(config=config) as con, connect() as plain:
        assert config_of(con) == config
        assert config_of(plain) == MeasurementConfig()
        con.execute('CREATE TABLE p AS SELECT 1 AS id, 1.0 AS ra, 2.0 AS "dec"')
        columns = con.sql("FROM forced_photometry('a', p)").columns
        assert "ap03Flux" in columns
        assert "ap12Flux" not in columns
        assert "psfFlux_apCorr" not in columns


def test_another_configuration_on_an_open_file_is_refused(tmp_path):
    path = tmp_path / "open.duckdb"
    with connect(path), pytest.raises(DatabaseError, match="open in this process with another configuration"):
        connect(path, config=MeasurementConfig(do_ap_corr=False))
    with connect(path, config=MeasurementConfig(do_ap_corr=False)) as con:
        assert not config_of(con).do_ap_corr


def test_noise_replacement_is_refused_as_chunks_do_not_know_of_one_another(tmp_path):
    path = tmp_path / "noise.duckdb"
    with pytest.raises(ConfigError, match=r"do_replace_with_noise: .*use forcedsql\.measure\(\)") as refused:
        connect(path, config=MeasurementConfig(do_replace_with_noise=True))
    assert "\n" not in str(refused.value)
    assert not path.exists()


def test_a_plain_connection_has_no_configuration():
    with duckdb.connect() as con, pytest.raises(DatabaseError, match=r"open it with forcedsql.connect"):
        config_of(con)


def test_an_open_result_does_not_get_in_the_way(con, exposure_file):
    con.execute("FROM range(10)").fetchone()
    assert config_of(con) == MeasurementConfig()
    assert ingest(con, exposure_file("a.fits"))[0].status == "added"


def test_threads_measure_at_the_same_time(con, exposure_file):
    ingest(con, exposure_file("a.fits"))
    expected = con.execute(MEASURE).fetchall()
    results: list = []

    def work(cursor):
        results.extend(cursor.execute(MEASURE).fetchall() for _ in range(5))

    threads = [threading.Thread(target=work, args=(con.cursor(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 30


def test_a_query_on_one_thread_can_look_ids_up(exposure_file):
    with connect(threads=1) as con:
        ingest(con, exposure_file("a.fits"))
        assert con.execute("SELECT current_setting('threads')").fetchall() == [(1,)]
        assert len(con.execute(MEASURE).fetchall()) == 1


@pytest.mark.parametrize("close", ["", "con.close()"])
def test_leaving_without_closing_prints_nothing(tmp_path, close):
    code = f"""
import forcedsql
con = forcedsql.connect({str(tmp_path / "x.duckdb")!r})
cursor = con.cursor()
con.sql("SELECT ab_mag(1)").fetchall()
{close}
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_dropped_connection_frees_the_file(tmp_path):
    path = tmp_path / "dropped.duckdb"
    con = connect(path)
    del con
    done = run_python(f"import duckdb; duckdb.connect({str(path)!r}).close(); print('opened')")
    assert done.stdout == "opened\n"


class TestRefusals:
    def refused(self, path, match: str, **options) -> None:
        with pytest.raises(DatabaseError, match=match) as caught:
            connect(path, **options)
        assert "\n" not in str(caught.value)

    def test_a_locked_file_names_the_process(self, tmp_path):
        path = tmp_path / "locked.duckdb"
        with connect(path):
            done = run_python(f"""
import forcedsql, os
try:
    forcedsql.connect({str(path)!r})
except forcedsql.ForcedSQLError as error:
    print(error)
""")
        assert "is open in python" in done.stdout
        assert "close it there, or open it read-only everywhere" in done.stdout
        assert done.stdout.count("\n") == 1

    def test_a_file_that_is_no_database(self, tmp_path):
        path = tmp_path / "text.duckdb"
        path.write_text("not a database " * 1000)
        self.refused(path, "is not a DuckDB database; give another name")

    def test_an_empty_file(self, tmp_path):
        path = tmp_path / "empty.duckdb"
        path.touch()
        self.refused(path, "is not a DuckDB database")

    def test_a_folder(self, tmp_path):
        self.refused(tmp_path, "is a folder; give the name of a database file")

    def test_a_folder_that_is_missing(self, tmp_path):
        self.refused(tmp_path / "no" / "x.duckdb", "there is no folder .*no; make it first")

    def test_read_only_of_nothing(self, tmp_path):
        self.refused(tmp_path / "none.duckdb", "does not exist.*open it once without", read_only=True)
        assert not (tmp_path / "none.duckdb").exists()

    def test_read_only_in_memory(self):
        self.refused(":memory:", "cannot be opened read-only", read_only=True)

    def test_read_only_of_a_plain_database(self, tmp_path):
        path = tmp_path / "plain.duckdb"
        duckdb.connect(str(path)).close()
        self.refused(path, "has no forcedsql tables.*open it once without", read_only=True)

    def test_the_other_mode_while_it_is_open(self, tmp_path):
        path = tmp_path / "open.duckdb"
        with connect(path):
            self.refused(path, "is open in this process, read-only or not", read_only=True)

    def test_a_foreign_table_of_our_name(self, tmp_path):
        path = tmp_path / "foreign.duckdb"
        with duckdb.connect(str(path)) as con:
            con.execute("CREATE TABLE exposure AS SELECT 1 AS seconds")
        self.refused(path, "has a table 'exposure' without the column 'exposure_id'.*rename that table")
        with duckdb.connect(str(path)) as con:
            assert con.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("exposure",)]

    def test_threads_below_one(self):
        self.refused(":memory:", "cannot prepare :memory:.*thread", threads=0)


def test_an_existing_plain_database_gets_the_tables(tmp_path):
    path = tmp_path / "catalogue.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE object AS SELECT 1 AS objectId")
    with connect(path) as con:
        tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert {"object", "exposure", "exposure_coverage", "measurement_run", "forced_source"} <= tables


def test_odd_file_names(tmp_path):
    path = Path(tmp_path / 'it\'s "odd".duckdb')
    with connect(path) as con:
        assert con.execute("SELECT count(*) FROM exposure").fetchall() == [(0,)]
    assert path.is_file()
