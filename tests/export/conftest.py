"""A database with rows that are typical of a survey, and one that knows no exposure."""

from collections.abc import Iterator

import duckdb
import pytest

from forcedsql.database import connect

ROWS = 3000

CATALOGUE = f"""
CREATE TABLE star AS SELECT
    i AS id, 50.0 + 3.0 * random() AS ra, -30.0 + 2.0 * random() AS "dec",
    100.0 * random() AS psfFlux, random()::FLOAT AS psfFluxErr, i % 7 = 0 AS psfFlux_flag,
    CASE WHEN i % 5 > 0 THEN 'band ' || i % 3 END AS band
FROM range({ROWS}) t(i);
COMMENT ON COLUMN star.ra IS 'ICRS right ascension [deg]';
COMMENT ON COLUMN star.dec IS 'ICRS declination [deg]';
COMMENT ON COLUMN star.psfFlux IS 'flux of the star [nJy]';
COMMENT ON COLUMN star.band IS 'name of the band';
"""  # noqa: S608 - a number of ours


@pytest.fixture(scope="package")
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(CATALOGUE)
        yield connection


@pytest.fixture
def con(_database) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database; what a test changes is undone after it."""
    with _database.cursor() as cursor:
        cursor.begin()
        yield cursor
        cursor.rollback()
