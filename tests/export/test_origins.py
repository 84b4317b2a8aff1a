"""Where columns of queries come from."""

import pytest

from forcedsql.database import connect
from forcedsql.export.origins import origins_of


@pytest.mark.parametrize(
    ("query", "column", "origin"),
    [
        ("SELECT a AS a FROM t", "a", ("a", "a")),
        ("SELECT a AS b FROM t", "b", ("a", "a")),
        ("SELECT a + 1 AS b FROM t", "b", (None, None)),
        ("SELECT b AS c FROM (SELECT a AS b FROM t)", "c", ("b", "a")),
        # names that are exchanged on the way: which is which is not followed
        ("SELECT a FROM (SELECT a AS b, b AS a FROM t)", "a", ("a", None)),
    ],
)
def test_a_column_is_followed_to_its_table_unless_it_is_computed_or_exchanged(query, column, origin):
    with connect() as con:
        assert origins_of(con, query).of(column) == origin
