"""``forcedsql demo``: from files to plot, with the SQL that it says it runs."""

import errno
import re
import shutil

import numpy as np
import pytest

from forcedsql.cli.demo import find_files
from forcedsql.cli.query import run_statements
from forcedsql.database import connect
from forcedsql.tables import field_metadata, read_table, write_table

COADD_TABLE, VISIT_TABLE = "forced_coadd_5063_14_i", "forced_visit_2024120600102_4"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "forcedsql-demo"


@pytest.fixture
def shown(cli, out):
    result = cli("demo", "--out", out)
    assert result.code == 0, result.err
    return result


def test_the_demo_measures_compares_and_plots(shown, out):
    assert (out / "flux_ratio.png").read_bytes().startswith(b"\x89PNG")
    assert shown.out.count("median_ratio") == 2
    assert shown.out.count("psfFlux ") >= 2
    for table, catalogue in ((COADD_TABLE, 618), (VISIT_TABLE, 428)):
        assert read_table(out / f"{table}.parquet").num_rows == catalogue


def test_the_measurements_are_saved_with_units(shown, out):
    schema = read_table(out / f"{VISIT_TABLE}.parquet").schema
    assert field_metadata(schema.field("psfFlux"))["unit"] == "nJy"


def test_the_sql_that_is_shown_gives_the_same_again(shown, out):
    statements = [s for s in shown.err.split("\n\n") if s.lstrip().startswith(("CREATE", "FROM", "SELECT"))]
    assert len(statements) == 6
    with connect(out / "survey.duckdb") as con:
        for statement in statements:
            list(run_statements(con, statement))
        again = con.table(VISIT_TABLE).to_arrow_table()
    saved = read_table(out / f"{VISIT_TABLE}.parquet")
    np.testing.assert_array_equal(again["psfFlux"].to_numpy(), saved["psfFlux"].to_numpy())


def test_it_ends_with_what_to_try_next(shown, out):
    assert f"forcedsql shell {out / 'survey.duckdb'}" in shown.err.split("Next:")[1]


@pytest.fixture
def without_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr("forcedsql.simulate.survey.data_dir", lambda: tmp_path / "none")


def test_without_a_checkout_a_place_that_cannot_hold_the_survey_is_code_3(cli, tmp_path, without_a_checkout):
    (tmp_path / "file").touch()
    result = cli("demo", "--out", tmp_path / "file")
    assert result.code == 3
    _, error = result.err.splitlines()
    assert error == f"forcedsql: cannot make the folder {tmp_path}/file/survey: Not a directory"


def test_a_survey_that_does_not_fit_on_the_disk_is_code_3(cli, tmp_path, without_a_checkout, monkeypatch):
    def full(path, _):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    result = cli("demo", "--out", tmp_path / "out")
    assert result.code == 3
    narration, error = result.err.splitlines()
    assert narration == f"simulating the sample survey in {tmp_path}/out/survey"
    assert re.fullmatch(r"forcedsql: cannot write \S+/deep_coadd\S+: No space left on device", error)
    assert not list((tmp_path / "out" / "survey").iterdir())


def test_files_that_a_killed_process_left_are_passed_over(survey, visit_image, tmp_path):
    shutil.copy(visit_image, tmp_path / "mine.fits")
    (tmp_path / ".0123abcd.partial.fits").write_bytes(b"SIMPLE")
    shutil.copy(survey / "source.parquet", tmp_path)
    exposures, catalogues = find_files(tmp_path)
    assert exposures == [tmp_path / "mine.fits"]
    assert catalogues == {"source": tmp_path / "source.parquet"}


def test_a_folder_of_ones_own_files_is_used(cli, survey, visit_image, tmp_path):
    shutil.copy(visit_image, tmp_path / "mine.fits")
    shutil.copy(survey / "source.parquet", tmp_path / "Source.parquet")
    result = cli("demo", tmp_path, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert read_table(tmp_path / "out" / f"{VISIT_TABLE}.parquet").num_rows == 428


def test_a_catalogue_in_fits_is_not_taken_for_an_exposure(cli, survey, visit_image, tmp_path):
    shutil.copy(visit_image, tmp_path / "mine.fits")
    write_table(read_table(survey / "source.parquet"), tmp_path / "source.fits")
    result = cli("demo", tmp_path, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "failed" not in result.err


@pytest.mark.parametrize(
    ("files", "code", "message"),
    [
        ([], 3, "there is no exposure"),
        (["visit"], 1, "no table called object.* or source.*"),
        (["bad", "source"], 3, "no exposure could be read"),
    ],
)
def test_a_folder_without_what_is_needed_is_one_reason(
    cli, survey, visit_image, tmp_path, files, code, message
):
    if "visit" in files:
        shutil.copy(visit_image, tmp_path / "mine.fits")
    if "bad" in files:
        (tmp_path / "bad.fits").write_text("nothing")
    if "source" in files:
        shutil.copy(survey / "source.parquet", tmp_path)
    result = cli("demo", tmp_path, "--out", tmp_path / "out")
    assert result.code == code
    assert message in result.err.splitlines()[-1]


def test_a_catalogue_without_fluxes_to_compare_with_is_one_reason(cli, survey, visit_image, tmp_path):
    shutil.copy(visit_image, tmp_path / "mine.fits")
    positions = read_table(survey / "source.parquet").select(["sourceId", "ra", "dec"])
    write_table(positions, tmp_path / "source.parquet")
    result = cli("demo", tmp_path, "--out", tmp_path / "out")
    assert result.code == 1
    reason = "no table has psfFlux or i_psfFlux to compare visit:2024120600102:4 with"
    assert result.err.splitlines()[-1] == f"forcedsql: {reason}"


def test_a_folder_that_is_not_there_is_code_3(cli, tmp_path):
    assert cli("demo", tmp_path / "nowhere", "--out", tmp_path / "out").code == 3
