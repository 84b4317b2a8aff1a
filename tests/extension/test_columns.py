"""Values of every type travel to a worker and back unchanged, whatever vectors DuckDB makes of them."""

import pytest

from tests.extension.conftest import echo_descriptor, open_echo

ROWS = "FROM range(5000) r(i)"
SOMETIMES = "CASE WHEN i % 7 > 0 THEN {} END"


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("double", "i / 3"),
        ("double", "CASE i % 3 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN '-inf'::DOUBLE ELSE -0.0 END"),
        ("float", "(i / 3)::FLOAT"),
        ("bigint", "i * 1_000_000_000_000 - 5"),
        ("integer", "(-i)::INTEGER"),
        ("boolean", "i % 3 = 0"),
        ("varchar", "'v' || i"),
        ("varchar", "CASE WHEN i % 2 = 0 THEN 'a' ELSE 'a string that is longer, with ünïcode' END"),
        ("varchar", "''"),
        ("list", "[i, i + 1, NULL]"),
        ("list", "range(i % 5)::DOUBLE[]"),
        ("list", "list_transform(range(i % 5), lambda x: 5.0)"),
        ("list", "list_transform(range(i % 5), lambda x: x + i)::DOUBLE[]"),
        ("list", "list_slice([1.0, 2.0, 3.0, i], 2, 3)"),
        ("list", "list_filter([1.0, i, 3.0], lambda x: x > 2)"),
        ("list", "[1.0, 2.0]"),
        ("list", "[]::DOUBLE[]"),
        ("list", "(SELECT list(j::DOUBLE ORDER BY j DESC) FROM range(3) s(j))"),
        ("list", "list_concat([i::DOUBLE], [2.0])"),
        ("list", "list_reverse([i::DOUBLE, 2.0])"),
        ("lists", "[['a', 'b' || i], [], NULL, [NULL]]"),
        ("struct", "{'a b': i::DOUBLE, 't': 't' || i, 'l': [i::INTEGER], 'b': i % 2 = 0}"),
        ("struct", "{'a b': NULL::DOUBLE, 't': NULL::VARCHAR, 'l': NULL::INTEGER[], 'b': NULL::BOOLEAN}"),
        ("structs", "[{'x': i::DOUBLE, 's': {'y': i}}, NULL]"),
    ],
)
@pytest.mark.parametrize("form", ["{}", SOMETIMES])
def test_values_come_back_as_they_went(echo_cons, name, expression, form):
    value = form.format(f"({expression})")
    for con in echo_cons:
        for rows in (ROWS, f"{ROWS} WHERE i % 10 = 3", f"{ROWS} ORDER BY hash(i) LIMIT 300"):
            query = f"SELECT v, echo_{name}(v) AS w FROM (SELECT {value} AS v {rows})"
            table = con.sql(query).to_arrow_table()
            assert repr(table["w"].to_pylist()) == repr(table["v"].cast(table["w"].type).to_pylist())


def test_values_come_back_from_constants_and_within_lambdas(echo_cons):
    for con in echo_cons:
        assert con.sql("SELECT echo_list([1.0, NULL])").fetchall() == [([1.0, None],)]
        assert con.sql("SELECT echo_varchar(NULL), echo_list(NULL)").fetchall() == [(None, None)]
        rows = con.sql(f"SELECT sum(echo_double(1.0)), sum(echo_list([1, i])[2]) {ROWS}").fetchall()
        assert rows == [(5000.0, 5000 * 4999 / 2)]


def test_an_inner_null_of_a_struct_stays_one(echo_cons):
    for con in echo_cons:
        query = "SELECT echo_struct(CASE WHEN i > 0 THEN {'a b': 1.0, 't': 'x', 'l': [1], 'b': true} END).t"
        assert con.sql(f"{query} FROM range(2) r(i)").fetchall() == [(None,), ("x",)]


@pytest.fixture(scope="module")
def echo_cons(extension, tmp_path_factory):
    """Connections with one worker, and with two that share the rows."""
    folder = tmp_path_factory.mktemp("echo")
    cons = [open_echo(extension, echo_descriptor(folder, workers)) for workers in (1, 2)]
    yield cons
    for con in cons:
        con.close()
