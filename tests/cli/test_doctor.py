"""``forcedsql doctor``: passes here, and fails where something is wrong."""

from functools import partial
from pathlib import Path

import pytest

from forcedsql.cli import doctor
from forcedsql.database.noise import ExposureNoise
from forcedsql.errors import ForcedSQLError, OutputError
from forcedsql.resources import data_dir
from forcedsql.tables import read_table, write_table


def test_a_whole_installation_passes(cli):
    result = cli("doctor")
    assert result.code == 0, result.out
    assert result.out.count("OK  ") == 6
    assert f"OK    sample survey: {data_dir() / 'survey'}" in result.out
    assert "FAIL" not in result.out
    assert "duckdb" in result.out


def test_without_the_extension_or_a_shell_it_passes_and_says_so(cli, monkeypatch, tmp_path):
    monkeypatch.setattr("forcedsql.extension.stock_shell.find_shell", lambda: None)
    check = partial(doctor._measure_in_shell, tmp_path)
    monkeypatch.setattr("forcedsql.cli.doctor._checks", lambda _: {"DuckDB shell": check})
    assert "OK    DuckDB shell: not here: " in cli("doctor").out
    monkeypatch.setattr("forcedsql.extension.files.NAME", "none")
    result = cli("doctor")
    assert result.code == 0
    assert "not here: the DuckDB extension was not compiled when forcedsql was installed" in result.out


def test_without_a_checkout_the_survey_is_simulated_for_the_checks(tmp_path, monkeypatch):
    monkeypatch.setattr("forcedsql.simulate.survey.data_dir", lambda: tmp_path / "none")
    checks = doctor._checks(tmp_path)
    assert checks["sample survey"]() == "simulated for these tests"
    assert checks["measurement"]() == "428 sources measured, fluxes as in the catalogue"


def test_a_survey_that_cannot_be_made_fails_and_the_other_checks_still_run(cli, monkeypatch):
    def full(_: Path) -> None:
        raise OutputError("cannot write object.parquet: No space left on device")

    monkeypatch.setattr("forcedsql.simulate.sample_survey", full)
    result = cli("doctor")
    assert result.code == 1
    assert "FAIL  sample survey: cannot write object.parquet: No space" in result.out
    assert "FAIL  measurement by SQL: cannot write object.parquet: No space" in result.out
    assert "OK    SQL files" in result.out


@pytest.mark.parametrize("factor", [1.01, 0.99])
def test_wrong_fluxes_fail(cli, monkeypatch, survey, visit_image, tmp_path, factor):
    table = read_table(survey / "source.parquet")
    index = table.column_names.index("psfFlux")
    scaled = table["psfFlux"].to_numpy() * factor
    write_table(table.set_column(index, "psfFlux", [scaled]), tmp_path / "source.parquet")
    monkeypatch.setattr(
        "forcedsql.cli.doctor.visit_and_sources", lambda _: (visit_image, tmp_path / "source.parquet")
    )
    result = cli("doctor")
    assert result.code == 1
    assert "FAIL  measurement: median_ratio" in result.out
    assert "FAIL  measurement by SQL: median_ratio" in result.out


def test_the_noise_of_every_exposure_is_judged(cli, database, monkeypatch):
    found = [ExposureNoise("a", 1.01), ExposureNoise("b", 1.5), ExposureNoise("c", error="cannot read c")]
    monkeypatch.setattr("forcedsql.database.iter_noise", lambda _: iter(found))
    monkeypatch.setattr("forcedsql.cli.doctor._checks", lambda _: {})
    result = cli("doctor", database)
    assert result.code == 1
    assert "OK    a: the noise of the sky is 1.010 times the stated one" in result.out
    assert "WARN  b: the noise of the sky is 1.500 times" in result.out
    assert "FAIL  c: cannot read c" in result.out
    assert "the variance of 1 of 3 exposures does not agree" in result.err


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("forcedsql.resources.sql_dir", lambda: tmp_path)
    with pytest.raises(ForcedSQLError, match=r"there is no \.sql file in"):
        doctor._sql_files()
    assert doctor._version("nosuch-package") == "missing"


def test_a_shell_that_answers_otherwise_fails(visit_image, tmp_path, monkeypatch):
    monkeypatch.setattr("forcedsql.extension.files.install_extension", lambda _, path: path)
    with pytest.raises(ForcedSQLError, match=r"^/bin/echo: -unsigned .*, and not "):
        doctor._pixel_in_shell(Path("/bin/echo"), tmp_path, visit_image)
