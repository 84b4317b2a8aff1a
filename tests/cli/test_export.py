"""``export`` on the command line."""

import io
import json

import astropy.units as u
import pytest
from astropy.table import QTable

from forcedsql.cli.options import TableFileFormat
from forcedsql.tables import FORMATS, field_metadata, read_table
from tests.cli.conftest import VISIT


def test_the_formats_are_those_that_tables_are_written_in():
    assert {format_.value for format_ in TableFileFormat} == {format_.name for format_ in FORMATS}


def test_a_query_that_measures_is_exported_with_units(cli, database, tmp_path):
    query = f"SELECT id, psfFlux AS flux FROM forced_photometry('{VISIT}', source)"  # noqa: S608
    result = cli("export", database, query, tmp_path / "forced.fits")
    assert (result.code, result.out) == (0, ""), result.err
    assert "428 rows written to" in result.err
    assert QTable.read(tmp_path / "forced.fits")["flux"].unit == u.nJy


def test_the_configuration_decides_what_is_measured(cli, database, tmp_path):
    query = f"FROM forced_photometry('{VISIT}', source) LIMIT 3"
    assert cli("export", database, query, tmp_path / "t.arrow", "--set", "radii=5").code == 0
    assert "ap05Flux" in read_table(tmp_path / "t.arrow").column_names


def test_a_table_becomes_csv_with_a_file_that_describes_it(cli, database, tmp_path):
    result = cli("export", database, "source", tmp_path / "out", "--format", "csv", "--unit", "psfFlux=uJy")
    assert result.code == 0, result.err
    columns = json.loads((tmp_path / "out-metadata.json").read_text())["tableSchema"]["columns"]
    assert next(c for c in columns if c["titles"] == "psfFlux")["schema:unitText"] == "uJy"


def test_a_query_may_come_from_stdin(cli, database, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS a"))
    assert cli("export", database, "-", tmp_path / "t.parquet", "--unit", "a=deg").code == 0
    assert field_metadata(read_table(tmp_path / "t.parquet").schema.field("a")) == {"unit": "deg"}


def test_hats_makes_a_folder(cli, database, tmp_path):
    result = cli("export", database, "source", tmp_path / "cat", "--hats", "--partition-rows", "100")
    assert result.code == 0, result.err
    assert (tmp_path / "cat" / "hats.properties").is_file()
    assert len(list((tmp_path / "cat").rglob("Npix=*.parquet"))) > 4
    again = cli("export", database, "source", tmp_path / "cat", "--hats")
    assert again.code == 3
    assert "exists; remove it" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "t.csv"], 1, "'nowhere' is neither a table nor a query"),
        (["source", "t.xls"], 1, "no table format has the suffix '.xls'"),
        (["source", "nowhere/t.csv"], 3, "No such file or directory"),
        (["source", "t.csv", "--unit", "psfFlux"], 2, "not of the form COLUMN=UNIT"),
        (["source", "t", "--hats", "--format", "csv"], 2, "a HATS catalogue is a folder"),
        (["FROM forced_photometry('visit:0:0', source)", "t.csv"], 1, "no exposure 'visit:0:0'"),
    ],
)
def test_what_goes_wrong_is_one_line(cli, database, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    result = cli("export", database, *arguments)
    assert result.code == code
    assert message in result.err
    assert result.err.count("\n") == 1
