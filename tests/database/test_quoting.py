"""Names and texts cannot break out of their quotes."""

import duckdb
import pytest

from forcedsql.database.quoting import quote_identifier, quote_literal
from forcedsql.errors import DatabaseError

ODD = ['a"b', "a'b", "x; DROP TABLE y", "α β", "select", 'quote"" twice', "-- not a comment", "\n"]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_name_stays_the_name_of_one_column(text):
    with duckdb.connect() as con:
        assert con.sql(f"SELECT 1 AS {quote_identifier(text)}").columns == [text]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_text_stays_one_text(text):
    with duckdb.connect() as con:
        assert con.execute(f"SELECT {quote_literal(text)}").fetchall() == [(text,)]


def test_a_nul_stays_in_a_text_and_duckdb_before_2_refuses_it():
    text, name = "a\0b", "c\0d"
    with duckdb.connect() as con:
        query = f"SELECT {quote_literal(text)} AS {quote_identifier(name)}"
        if duckdb.__version__ < "2":
            with pytest.raises(duckdb.ParserException):
                con.sql(query)
        else:
            assert con.sql(query).columns == [name]
            assert con.sql(query).fetchall() == [(text,)]


@pytest.mark.parametrize("quote", [quote_identifier, quote_literal])
def test_half_a_surrogate_pair_is_refused_with_the_text_it_is_in(quote):
    with pytest.raises(DatabaseError, match=r"'name \\ud800' is no text in Unicode: surrogates not allowed"):
        quote("name \ud800")
    with pytest.raises(DatabaseError) as error:
        quote("\udcff" * 10_000)
    assert len(str(error.value)) < 700
