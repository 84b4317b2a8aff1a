"""``init``, ``ingest`` and ``catalog``: filling a database from the command line."""

import duckdb
import pytest

from tests.cli.conftest import VISIT


@pytest.fixture
def empty_database(cli, tmp_path):
    path = tmp_path / "new.duckdb"
    assert cli("init", path).code == 0
    return path


def _rows(path, query):
    with duckdb.connect(str(path)) as con:
        return con.execute(query).fetchall()


def test_init_makes_the_registry_and_says_what_comes_next(cli, tmp_path):
    result = cli("init", tmp_path / "a.duckdb")
    assert result.out == ""
    assert "next: forcedsql ingest" in result.err
    assert _rows(tmp_path / "a.duckdb", "SELECT count(*) FROM exposure") == [(0,)]


def test_init_twice_loses_nothing(cli, database):
    result = cli("init", database)
    assert result.code == 0
    assert "is up to date" in result.err
    assert _rows(database, "SELECT count(*) FROM measured") == _rows(database, "SELECT count(*) FROM source")


def test_ingest_prints_the_ids_and_does_it_once(cli, empty_database, visit_image):
    first, again = (cli("ingest", empty_database, visit_image) for _ in range(2))
    assert first.out == f"{VISIT}\tadded\t{visit_image}\n"
    assert again.out == f"{VISIT}\tunchanged\t{visit_image}\n"
    assert _rows(empty_database, "SELECT exposure_id FROM exposure") == [(VISIT,)]


def test_a_file_that_fails_is_named_and_does_not_stop_the_others(cli, empty_database, visit_image, survey):
    result = cli("ingest", empty_database, survey / "object.parquet", visit_image)
    assert result.code == 3
    assert "object.parquet" in result.err
    assert "1 of 2 files could not be registered" in result.err
    assert result.out.startswith(VISIT)


def test_catalog_loads_a_table_with_its_units(cli, empty_database, survey):
    result = cli("catalog", empty_database, "source", survey / "source.parquet")
    assert (result.code, result.out) == (0, "")
    (rows,) = _rows(empty_database, "SELECT count(*) FROM source")[0]
    assert f"{rows} rows in table source" in result.err
    comment = _rows(
        empty_database,
        "SELECT comment FROM duckdb_columns() WHERE column_name = 'psfFlux' AND table_name = 'source'",
    )
    assert comment[0][0].endswith("[nJy]")


def test_a_catalogue_that_is_no_table_is_one_line(cli, empty_database, tmp_path):
    (tmp_path / "bad.parquet").write_text("no parquet")
    result = cli("catalog", empty_database, "bad", tmp_path / "bad.parquet")
    assert result.code == 1
    assert "bad.parquet as parquet" in result.err


@pytest.mark.parametrize("command", [["ingest", "x.fits"], ["catalog", "t", "x.csv"], ["sql", "SELECT 1"]])
def test_a_database_that_is_not_there_is_not_made_by_mistake(cli, tmp_path, command):
    path = tmp_path / "typo.duckdb"
    result = cli(command[0], path, *command[1:])
    assert result.code == 3
    assert f"make it with: forcedsql init {path}" in result.err
    assert not path.exists()


def test_a_file_that_is_no_database_is_code_3(cli, visit_image):
    result = cli("sql", visit_image, "SELECT 1")
    assert result.code == 3
    assert result.err.count("\n") == 1
