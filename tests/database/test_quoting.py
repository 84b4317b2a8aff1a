"""Names and texts cannot break out of their quotes."""

import duckdb
import pytest

from forcedsql.database.quoting import quote_identifier, quote_literal

ODD = ['a"b', "a'b", "x; DROP TABLE y", "α β", "select", 'quote"" twice', "-- not a comment"]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_name_stays_the_name_of_one_column(text):
    with duckdb.connect() as con:
        assert con.sql(f"SELECT 1 AS {quote_identifier(text)}").columns == [text]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_text_stays_one_text(text):
    with duckdb.connect() as con:
        assert con.execute(f"SELECT {quote_literal(text)}").fetchall() == [(text,)]
