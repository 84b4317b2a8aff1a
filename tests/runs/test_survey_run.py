"""run: results, what they agree with, and that doing it again does only what is needed."""

import os
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.database import ingest, load_catalog
from forcedsql.errors import ConfigError, DatabaseError, OutputError
from forcedsql.runs import run
from forcedsql.runs.result_files import result_path
from forcedsql.runs.survey_run import errors_by_their_names
from forcedsql.simulate.bad_files import FAULTS
from tests.runs.conftest import EXPOSURES, OUTSIDE, content_hash, folder_rows, table_rows

FEW = MeasurementConfig(radii=(12.0,))
"""What most tests measure, as it is quick; tables get the default."""


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def measure_all(con, out, **options):
    return run(con, "object", **{"out": out, "executor": "thread", "workers": 2, "config": FEW} | options)


def ledger(con, status="done"):
    rows = con.execute(
        "SELECT exposure_id, count(*) FROM measurement_task WHERE status = ? GROUP BY ALL", [status]
    ).fetchall()
    return dict(rows)


def test_a_table_gets_the_rows_that_measure_gives(survey, con):
    report = run(con, "object", executor="thread", workers=2)
    assert report.is_complete
    assert report.measured == EXPOSURES
    rows = table_rows(con)
    assert len(rows) == report.rows
    mine = rows.filter(pc.equal(rows["exposure_id"], survey.ids[3]))
    exposure = forcedsql.open_exposure(survey.paths[3])
    expected = forcedsql.measure(exposure, mine.select(["id", "ra", "dec"]), columns="source")
    for name in expected.column_names:
        np.testing.assert_array_equal(mine[name].to_numpy(), expected[name].to_numpy(), err_msg=name)


def test_every_position_is_accounted_for(survey, con, out):
    report = measure_all(con, out)
    rows = folder_rows(out)
    assert report.requested == survey.positions
    assert (report.uncovered, report.unplaced) == (OUTSIDE, 2)
    pairs = set(zip(rows["exposure_id"].to_pylist(), rows["id"].to_pylist(), strict=True))
    assert len(rows) == report.rows == len(pairs)
    assert len(set(rows["id"].to_pylist())) == survey.positions - OUTSIDE


def test_positions_requested_twice_come_back_twice(con):
    con.execute("CREATE TABLE twice AS FROM object UNION ALL FROM object")
    run(con, "object", into="of_object", executor="thread", config=FEW)
    run(con, "twice", into="of_twice", executor="thread", config=FEW)
    twice = table_rows(con, "of_twice")
    assert content_hash(twice[::2]) == content_hash(twice[1::2]) == content_hash(table_rows(con, "of_object"))


@pytest.mark.skipif(
    "FORCEDSQL_TEST_WORKERS" not in os.environ, reason="FORCEDSQL_TEST_WORKERS=1,2,4 asks for it"
)
def test_any_number_of_processes_gives_the_same_rows(con, out):
    run(con, "object", executor="thread", workers=1)
    for workers in map(int, os.environ["FORCEDSQL_TEST_WORKERS"].split(",")):
        run(con, "object", out=out / str(workers), workers=workers)
        assert content_hash(folder_rows(out / str(workers))) == content_hash(table_rows(con))


def test_a_second_run_does_nothing(con, out):
    measure_all(con, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    again = measure_all(con, out)
    assert (again.run_id, again.measured, again.unchanged) == ("", 0, EXPOSURES)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == times
    assert con.execute("SELECT count(*) FROM measurement_run").fetchall() == [(1,)]


@pytest.mark.parametrize("to", ["out", "into"])
def test_moved_positions_are_measured_again_where_they_are(survey, con, out, to):
    options = {"out": out} if to == "out" else {"into": "mine"}
    run(con, "object", executor="thread", config=FEW, **options)
    con.execute(
        "UPDATE object SET coord_dec = coord_dec + 1e-6 WHERE objectId = ("
        "SELECT min(objectId) FROM object, exposures_at(coord_ra, coord_dec) e WHERE e.exposure_id = ?)",
        [survey.ids[-1]],
    )
    again = run(con, "object", executor="thread", config=FEW, **options)
    assert 0 < again.measured < EXPOSURES
    assert again.measured + again.unchanged == EXPOSURES
    fresh = run(con, "object", into="fresh", executor="thread", config=FEW)
    rows = folder_rows(out) if to == "out" else table_rows(con, "mine")
    assert fresh.rows == len(rows)
    assert content_hash(rows) == content_hash(table_rows(con, "fresh"))


def test_another_configuration_measures_everything_again(con, out):
    measure_all(con, out)
    again = measure_all(con, out, config=MeasurementConfig(radii=(3.0,)))
    assert (again.measured, again.unchanged) == (EXPOSURES, 0)
    assert "ap03Flux" in folder_rows(out).column_names
    assert "ap12Flux" not in folder_rows(out).column_names


def test_results_of_another_configuration_that_stay_are_named(survey, con, out):
    measure_all(con, out)
    other = MeasurementConfig(radii=(3.0,))
    one = measure_all(con, out, config=other, exposures=f"exposure_id = '{survey.ids[0]}'")
    assert one.measured == 1
    assert set(one.outdated) == set(survey.ids[1:])


def test_a_result_that_is_gone_is_measured_again(survey, con, out):
    measure_all(con, out)
    result_path(out, survey.ids[2]).unlink()
    again = measure_all(con, out)
    assert (again.measured, again.unchanged) == (1, EXPOSURES - 1)


def test_rows_deleted_from_a_table_are_measured_again(survey, con):
    run(con, "object", executor="thread")
    before = content_hash(table_rows(con))
    con.execute("DELETE FROM forced_source WHERE exposure_id = ? AND id % 2 = 0", [survey.ids[2]])
    again = run(con, "object", executor="thread")
    assert (again.measured, again.unchanged) == (1, EXPOSURES - 1)
    assert content_hash(table_rows(con)) == before


def test_a_damaged_result_file_is_replaced(survey, con, out):
    measure_all(con, out)
    before = content_hash(folder_rows(out))
    path = result_path(out, survey.ids[2])
    path.write_bytes(path.read_bytes()[:-100])
    assert measure_all(con, out).measured == 1
    assert content_hash(folder_rows(out)) == before


def test_a_result_that_the_ledger_missed_is_taken_up(survey, con, out):
    report = measure_all(con, out)
    con.execute("DELETE FROM measurement_task WHERE exposure_id = ?", [survey.ids[2]])
    again = measure_all(con, out)
    assert (again.measured, again.unchanged) == (0, EXPOSURES)
    assert ledger(con) == dict.fromkeys(survey.ids, 1)
    assert con.execute("SELECT DISTINCT run_id FROM measurement_task").fetchall() == [(report.run_id,)]


@pytest.fixture
def own_files(survey, tmp_path, con):
    """The survey's files, copied so that they may be damaged, and registered from there."""
    folder = tmp_path / "files"
    folder.mkdir()
    paths = [Path(shutil.copy2(path, folder)) for path in survey.paths]
    assert all(file.status == "replaced" for file in ingest(con, paths))
    return paths


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_goes_bad_is_named_and_stops_no_other(survey, con, out, own_files, fault):
    FAULTS[fault](forcedsql.open_exposure(survey.paths[1]), own_files[1])
    report = measure_all(con, out)
    assert list(report.failed) == [survey.ids[1]]
    assert "has changed since it was ingested; ingest it again" in report.failed[survey.ids[1]]
    assert report.measured == EXPOSURES - 1
    assert ledger(con, "failed") == {survey.ids[1]: 1}


def test_damage_that_only_reading_shows_is_named(survey, con, out, own_files):
    # What the registry remembers is made that of the damaged file: no check of sizes helps.
    FAULTS["truncated"](forcedsql.open_exposure(survey.paths[1]), own_files[1])
    status = own_files[1].stat()
    con.execute(
        "UPDATE exposure SET file_size = ?, file_mtime_ns = ? WHERE exposure_id = ?",
        [status.st_size, status.st_mtime_ns, survey.ids[1]],
    )
    report = measure_all(con, out)
    assert list(report.failed) == [survey.ids[1]]
    assert own_files[1].name in report.failed[survey.ids[1]]


def test_a_failed_exposure_is_left_alone_until_asked_for(survey, con, out, own_files):
    kept = own_files[1].rename(own_files[1].with_suffix(".away"))
    assert "No such file" in measure_all(con, out).failed[survey.ids[1]]
    kept.rename(own_files[1])
    left = measure_all(con, out)
    assert (left.measured, list(left.failed_before), left.is_complete) == (0, [survey.ids[1]], False)
    retried = measure_all(con, out, retry_failed=True)
    assert (retried.measured, retried.is_complete) == (1, True)
    assert measure_all(con, out).is_complete


def test_a_new_file_of_an_exposure_is_measured_and_only_that(survey, con, out, own_files):
    measure_all(con, out)
    FAULTS["no PSF"](forcedsql.open_exposure(survey.paths[1]), own_files[1])
    assert list(measure_all(con, out).failed) == [survey.ids[1]]
    ingest(con, own_files)
    again = measure_all(con, out)
    assert (again.measured, again.unchanged) == (1, EXPOSURES - 1)
    assert again.without_psf == (survey.ids[1],)
    rows = folder_rows(out)
    flagged = rows.filter(pc.equal(rows["exposure_id"], survey.ids[1]))
    assert pc.all(flagged["psfFlux_flag"]).as_py()
    assert not pc.all(pc.is_nan(flagged["ap12Flux"])).as_py()


def test_the_file_of_a_result_may_be_gone(con, out, own_files):
    measure_all(con, out)
    own_files[0].unlink()
    assert measure_all(con, out).is_complete


def test_exposures_are_chosen_by_condition_or_query(survey, con, out):
    by_condition = measure_all(con, out / "1", exposures="band = 'g'")
    by_query = measure_all(con, out / "2", exposures="SELECT exposure_id FROM exposure WHERE band = 'g';")
    assert 0 < by_condition.measured < EXPOSURES
    assert content_hash(folder_rows(out / "1")) == content_hash(folder_rows(out / "2"))
    the_rest = measure_all(con, out / "1")
    assert (the_rest.measured, the_rest.unchanged) == (EXPOSURES - by_query.measured, by_query.measured)


@pytest.mark.parametrize(
    "exposures", ["band = 'u'", "no_such_column = 1", "SELECT band FROM exposure", "1) --"]
)
def test_exposures_that_cannot_be_chosen_are_one_line(con, out, exposures):
    with pytest.raises(ConfigError, match=r"^exposures: [^\n]*$"):
        measure_all(con, out, exposures=exposures)


def test_results_of_another_catalogue_are_replaced_only_on_request(con, out):
    measure_all(con, out)
    query = "FROM object WHERE objectId % 2 = 0"
    with pytest.raises(ConfigError, match=r"holds results for positions from 'object'.*--replace"):
        run(con, query, out=out, executor="thread", config=FEW)
    replaced = run(con, query, out=out, executor="thread", config=FEW, replace=True)
    assert replaced.measured == EXPOSURES
    assert {i % 2 for i in folder_rows(out)["id"].to_pylist()} == {0}


def test_rows_of_unknown_origin_are_replaced_only_on_request(survey, con):
    con.execute(
        "INSERT INTO forced_source (run_id, exposure_id, id) VALUES ('by hand', ?, 5)", [survey.ids[0]]
    )
    with pytest.raises(ConfigError, match="holds results for positions from 'somewhere else'"):
        run(con, "object", executor="thread")
    assert run(con, "object", executor="thread", replace=True).measured == EXPOSURES
    assert con.execute("SELECT count(*) FROM forced_source WHERE run_id = 'by hand'").fetchall() == [(0,)]


def test_a_safe_connection_starts_no_run(database, out):
    with forcedsql.connect(database, safe=True) as con, pytest.raises(ConfigError, match="safe connection"):
        run(con, "object", out=out)


def test_a_read_only_database_takes_no_run(database, out):
    with forcedsql.connect(database, read_only=True) as con, pytest.raises(OutputError, match="read-only"):
        run(con, "object", out=out, executor="thread")
    assert not list(out.rglob("*.parquet"))


def test_exposures_that_lose_all_positions_are_named(survey, con, out):
    measure_all(con, out)
    con.execute("DELETE FROM object WHERE objectId >= 7")
    report = measure_all(con, out)
    assert (report.measured, report.empty) == (0, EXPOSURES)
    assert set(report.outdated) == set(survey.ids)


def test_a_table_of_another_configuration_is_refused(con):
    with pytest.raises(ConfigError, match="'forced_source' has other columns") as caught:
        run(con, "object", executor="thread", config=FEW)
    assert "(forced_source is always of the default configuration); name another table (--into NAME" in str(
        caught.value
    )
    assert run(con, "object", into="few", executor="thread", config=FEW).is_complete
    assert "ap17Flux" not in table_rows(con, "few").column_names


@pytest.mark.parametrize("name", ["exposure", "Measurement_Task"])
def test_tables_of_the_registry_take_no_results(con, name):
    with pytest.raises(ConfigError, match="table of the registry"):
        run(con, "object", into=name)


def test_a_table_of_someone_else_is_left_alone(con):
    con.execute("COMMENT ON TABLE object IS 'mine'")
    with pytest.raises(ConfigError, match="'object' has other columns"):
        run(con, "object", into="object", executor="thread")
    assert con.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'object'").fetchall() == [
        ("mine",)
    ]


def test_a_folder_and_a_table_together_are_refused(con, out):
    with pytest.raises(ConfigError, match="not both"):
        run(con, "object", out=out, into="forced_source")


def test_a_database_without_exposures_says_what_to_do(tmp_path):
    with forcedsql.connect(tmp_path / "new.duckdb") as con:
        load_catalog(con, "object", pa.table({"id": [1], "ra": [1.0], "dec": [2.0]}))
        with pytest.raises(DatabaseError, match="forcedsql ingest"):
            run(con, "object")


def test_columns_of_a_result_table_have_their_units(con):
    run(con, "object", into="mine", executor="thread")
    ((comment,),) = con.execute(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'mine' AND column_name = 'psfFlux'"
    ).fetchall()
    assert comment.endswith("[nJy]")


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(con, out):
    class Impatient:
        done = 0

        def planned(self, exposures, rows):
            assert exposures == EXPOSURES

        def finished(self, exposure_id, rows, error):
            self.done += 1
            if self.done == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_all(con, out, watcher=Impatient())
    assert con.execute("SELECT status, exposures FROM measurement_run").fetchall() == [("interrupted", 3)]
    again = measure_all(con, out)
    assert again.measured + again.unchanged == EXPOSURES
    assert again.unchanged >= 3
    run(con, "object", into="whole", executor="thread", config=FEW)
    assert content_hash(folder_rows(out)) == content_hash(table_rows(con, "whole"))


def test_a_joint_fit_and_noise_replacement_see_all_positions_of_an_exposure(survey, con, out):
    config = MeasurementConfig(radii=(3.0,), deblend="joint", do_replace_with_noise=True)
    report = measure_all(con, out, config=config, exposures=f"exposure_id = '{survey.ids[0]}'")
    rows = folder_rows(out)
    expected = forcedsql.measure(
        forcedsql.open_exposure(survey.paths[0]),
        rows.select(["id", "ra", "dec"]),
        config=config,
        columns="source",
    )
    assert report.rows == len(rows)
    np.testing.assert_array_equal(rows["psfFlux_joint"].to_numpy(), expected["psfFlux_joint"].to_numpy())
    np.testing.assert_array_equal(rows["psfFlux"].to_numpy(), expected["psfFlux"].to_numpy())


def test_the_ledger_has_times_by_phase_and_versions(con, out):
    report = measure_all(con, out)
    ((reading, psf, measuring, writing),) = con.execute(
        "SELECT min(reading), min(psf), min(measuring), min(writing) FROM measurement_task"
    ).fetchall()
    assert min(reading, psf, measuring, writing) > 0.0
    assert {"planning", "reading", "psf", "measuring", "writing", "storing"} == set(report.seconds)
    ((version, status, rows),) = con.execute(
        "SELECT version, status, positions FROM measurement_run WHERE run_id = ?", [report.run_id]
    ).fetchall()
    assert (version, status, rows) == (forcedsql.__version__, "done", report.rows)


def test_a_run_that_was_killed_is_no_longer_said_to_run(con, out):
    con.execute(
        "INSERT INTO measurement_run (run_id, started, status, version, config, config_digest) "
        "VALUES ('old', 0, 'running', '', '{}', '')"
    )
    measure_all(con, out)
    assert con.execute("SELECT status FROM measurement_run WHERE run_id = 'old'").fetchall() == [
        ("interrupted",)
    ]


def test_what_the_database_says_becomes_an_error_of_ours():
    with pytest.raises(DatabaseError, match=r"^the database failed: Catalog Error: no table$"):
        fail_with(duckdb.CatalogException("Catalog Error: no table\nLINE 1"))
    with pytest.raises(KeyboardInterrupt):
        fail_with(RuntimeError("Query interrupted"))
    with pytest.raises(RuntimeError, match="else"):
        fail_with(RuntimeError("something else"))


def fail_with(problem: Exception) -> None:
    with errors_by_their_names():
        raise problem


def test_the_package_names_what_it_has():
    with pytest.raises(AttributeError, match=r"'forcedsql\.runs' has no attribute 'nosuch'"):
        _ = forcedsql.runs.nosuch
