"""The tables: declared once, commented with units."""

import re

import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database.registry import forced_source_table, registry_tables, with_unit
from forcedsql.schema import source_columns


def test_every_declared_table_and_column_is_in_the_database_with_its_comment(con):
    rows = con.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'main'"
    )
    found = {(table, column): comment for table, column, comment in rows.fetchall()}
    for table in registry_tables():
        for column in table.columns:
            assert column.comment
            assert found[table.name, column.name] == column.comment
    tables = dict(con.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
    assert all(tables[table.name] == table.comment for table in registry_tables())


def test_forced_source_has_the_measured_columns_of_a_configuration():
    config = MeasurementConfig(radii=(2.0,))
    names = [column.name for column in forced_source_table(config).columns]
    assert names == ["run_id", "exposure_id", "id", "ra", "dec", *(c.source for c in source_columns(config))]


@pytest.mark.parametrize(
    ("table", "column", "unit"),
    [("exposure", "s_ra", "deg"), ("exposure", "mjd", "d"), ("forced_source", "psfFlux", "nJy")],
)
def test_units_are_in_the_comments(con, table, column, unit):
    ((comment,),) = con.execute(
        "SELECT comment FROM duckdb_columns() WHERE table_name = ? AND column_name = ?", [table, column]
    ).fetchall()
    assert re.search(r"\[(.+)\]$", comment)[1] == unit


def test_results_of_a_macro_fit_the_table_of_results(con):
    con.execute('CREATE TABLE p AS SELECT 1 AS id, 2.0 AS ra, 3.0 AS "dec"')
    con.execute("INSERT INTO forced_source SELECT 'run', 'a', * FROM forced_photometry(NULL, p)")
    assert con.execute("SELECT id, psfFlux FROM forced_source").fetchall() == [(1, None)]


def test_a_comment_without_unit_has_no_brackets():
    assert with_unit("what it is", "") == "what it is"
