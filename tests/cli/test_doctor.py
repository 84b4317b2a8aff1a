"""``forcedsql doctor``: passes here, and fails where something is wrong."""

from pathlib import Path

import pytest

from forcedsql.cli import doctor
from forcedsql.database.noise import ExposureNoise
from forcedsql.errors import ForcedSQLError
from forcedsql.tables import read_table, write_table


def test_a_whole_installation_passes(cli):
    result = cli("doctor")
    assert result.code == 0, result.out
    assert result.out.count("OK  ") == 6
    assert "FAIL" not in result.out
    assert "duckdb" in result.out


def test_without_the_extension_or_a_shell_it_passes_and_says_so(cli, monkeypatch):
    monkeypatch.setattr("forcedsql.extension.stock_shell.find_shell", lambda: None)
    monkeypatch.setattr("forcedsql.cli.doctor._CHECKS", {"DuckDB shell": doctor._measure_in_shell})
    assert "OK    DuckDB shell: not here: " in cli("doctor").out
    monkeypatch.setattr("forcedsql.extension.files.NAME", "none")
    result = cli("doctor")
    assert result.code == 0
    assert "not here: the DuckDB extension was not compiled when forcedsql was installed" in result.out


def test_a_missing_folder_fails_and_the_other_checks_still_run(cli, monkeypatch):
    def missing() -> None:
        raise ForcedSQLError("the folder 'data' is missing")

    monkeypatch.setattr("forcedsql.resources.data_dir", missing)
    result = cli("doctor")
    assert result.code == 1
    assert "FAIL  bundled data: the folder 'data' is missing" in result.out
    assert "OK    SQL files" in result.out


@pytest.mark.parametrize("factor", [1.01, 0.99])
def test_wrong_fluxes_fail(cli, monkeypatch, survey, visit_image, tmp_path, factor):
    table = read_table(survey / "source.parquet")
    index = table.column_names.index("psfFlux")
    scaled = table["psfFlux"].to_numpy() * factor
    write_table(table.set_column(index, "psfFlux", [scaled]), tmp_path / "source.parquet")
    monkeypatch.setattr(
        "forcedsql.cli.doctor.bundled_survey", lambda: (visit_image, tmp_path / "source.parquet")
    )
    result = cli("doctor")
    assert result.code == 1
    assert "FAIL  measurement: median_ratio" in result.out
    assert "FAIL  measurement by SQL: median_ratio" in result.out


def test_the_noise_of_every_exposure_is_judged(cli, database, monkeypatch):
    found = [ExposureNoise("a", 1.01), ExposureNoise("b", 1.5), ExposureNoise("c", error="cannot read c")]
    monkeypatch.setattr("forcedsql.database.iter_noise", lambda _: iter(found))
    monkeypatch.setattr("forcedsql.cli.doctor._CHECKS", {})
    result = cli("doctor", database)
    assert result.code == 1
    assert "OK    a: the noise of the sky is 1.010 times the stated one" in result.out
    assert "WARN  b: the noise of the sky is 1.500 times" in result.out
    assert "FAIL  c: cannot read c" in result.out
    assert "the variance of 1 of 3 exposures does not agree" in result.err


def test_files_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("forcedsql.resources.data_dir", lambda: tmp_path)
    monkeypatch.setattr("forcedsql.resources.sql_dir", lambda: tmp_path)
    with pytest.raises(ForcedSQLError, match="there is no visit image in"):
        doctor.bundled_survey()
    with pytest.raises(ForcedSQLError, match=r"there is no \.sql file in"):
        doctor._sql_files()
    (tmp_path / "survey").mkdir()
    (tmp_path / "survey" / "visit_image.fits").touch()
    with pytest.raises(ForcedSQLError, match=r"source\.parquet is missing"):
        doctor._data_files()
    assert doctor._version("nosuch-package") == "missing"


def test_a_shell_that_answers_otherwise_fails(visit_image, tmp_path, monkeypatch):
    monkeypatch.setattr("forcedsql.extension.files.install_extension", lambda _, path: path)
    with pytest.raises(ForcedSQLError, match=r"^/bin/echo: -unsigned .*, and not "):
        doctor._pixel_in_shell(Path("/bin/echo"), tmp_path, visit_image)
