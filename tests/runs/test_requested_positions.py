"""Positions from tables, queries, files and memory."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.database import connect, load_catalog
from forcedsql.errors import TableError
from forcedsql.runs.requested_positions import ColumnChoice, is_query, load_positions
from forcedsql.tables import write_table

TABLE = pa.table({"id": [3, 1, 2, 9], "ra": [10.0, 20.0, np.nan, 30.0], "dec": [-5.0, 5.0, 0.0, 91.0]})


@pytest.fixture
def con():
    with connect() as connection:
        load_catalog(connection, "two words", TABLE)
        yield connection


def loaded(con):
    return con.execute('SELECT id, ra, "dec" FROM run_positions ORDER BY id').fetchall()


def test_a_table_a_query_a_file_and_memory_give_the_same(con, tmp_path):
    write_table(TABLE, tmp_path / "object.ecsv")
    found = []
    for source in (
        "two words",
        'FROM "two words"',
        tmp_path / "object.ecsv",
        str(tmp_path / "object.ecsv"),
        TABLE,
    ):
        requested = load_positions(con, source, ColumnChoice())
        assert (requested.count, requested.unplaced) == (4, 2)
        found.append(str(loaded(con)))
    assert len(set(found)) == 1


def test_the_origin_of_positions_is_known(con, tmp_path):
    query = "SELECT *\n  FROM 'two words'".replace("'", '"')
    assert load_positions(con, query, ColumnChoice()).catalog == 'SELECT * FROM "two words"'
    assert load_positions(con, "two words", ColumnChoice()).catalog == "two words"
    write_table(TABLE, tmp_path / "a.csv")
    assert load_positions(con, tmp_path / "a.csv", ColumnChoice()).catalog == str(
        (tmp_path / "a.csv").resolve()
    )


def test_columns_may_be_named_and_in_radians(con):
    table = pa.table({"n": [1], "a": [np.pi], "b": [0.5]})
    choice = ColumnChoice(id_column="n", ra_column="a", dec_column="b", unit="rad")
    load_positions(con, table, choice)
    ((number, ra, dec),) = loaded(con)
    assert (number, ra, dec) == (1, 180.0, pytest.approx(np.rad2deg(0.5)))


def test_rows_without_an_id_column_are_numbered(con):
    load_positions(con, 'SELECT ra, "dec" FROM "two words"', ColumnChoice())
    assert [row[0] for row in loaded(con)] == [0, 1, 2, 3]


def test_the_digest_follows_the_values_and_not_the_order(con):
    def digest(query):
        load_positions(con, query, ColumnChoice())
        return con.execute("SELECT sum(digest) FROM run_positions").fetchall()

    plain = digest('FROM "two words"')
    assert digest('FROM "two words" ORDER BY ra DESC') == plain
    assert digest('SELECT * REPLACE (id + 1 AS id) FROM "two words"') != plain
    assert digest('SELECT * REPLACE (ra + 1e-13 AS ra) FROM "two words"') != plain


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nothing", "there is no such table, view or file"),
        ("nothing.parquet", "cannot read nothing.parquet"),
        ("SELECT 1 AS id", "no column ra or coord_ra"),
        ("SELECT x FROM nothing", "positions of SELECT x FROM nothing: Catalog Error"),
        (pa.table({"id": ["a"], "ra": [1.0], "dec": [2.0]}), "ids are string, and a run needs whole numbers"),
        (pa.table({"id": [1.5], "ra": [1.0], "dec": [2.0]}), "ids are double"),
    ],
)
def test_positions_that_are_not_usable_are_one_line(con, source, reason):
    with pytest.raises(TableError, match=reason) as caught:
        load_positions(con, source, ColumnChoice())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "expected"), [("FROM a", True), ("with x AS (FROM a) FROM x", True)]
    + [(name, False) for name in ("object", "from_a", "select.parquet", "fromage/object.csv")])  # fmt: skip
def test_queries_are_told_from_names(text, expected):
    assert is_query(text) is expected


def test_a_statement_that_gives_no_rows_is_refused():
    class Connection:
        def sql(self, _):
            """Return what DuckDB 1.5 does for a statement that only writes."""

    with pytest.raises(TableError, match="the statement returns no rows"):
        load_positions(Connection(), "WITH a AS (SELECT 1) DELETE FROM t", ColumnChoice())
