"""``forcedsql sql``: statements in, one table out, errors in one line."""

import json
import signal
import threading

import duckdb
import pytest

from forcedsql.cli.query import run_statements
from forcedsql.database import connect
from forcedsql.tables import read_table
from tests.cli.conftest import VISIT

ENDLESS = "SELECT sum(sqrt(a.range + b.range)) FROM range(10000000) a, range(10000000) b"


def test_a_query_prints_its_table(cli):
    result = cli("sql", ":memory:", "SELECT 1 AS one, 'x' AS two")
    assert (result.code, result.out) == (0, "one  two\n  1  x\n")


def test_the_measuring_functions_are_loaded(cli, database):
    query = f"FROM forced_photometry('{VISIT}', source)"
    result = cli("sql", database, query, "--format", "json")
    assert result.code == 0, result.err
    assert len(json.loads(result.out)) == 428


def test_options_decide_the_columns(cli, database):
    query = f"DESCRIBE FROM forced_photometry('{VISIT}', source)"
    result = cli("sql", database, query, "--set", "radii=5", "--format", "csv")
    assert "ap05Flux" in result.out
    assert "ap12Flux" not in result.out


def test_of_several_statements_the_last_table_is_printed(cli):
    result = cli("sql", ":memory:", "CREATE TABLE t AS SELECT 7 AS a; SELECT 1 AS x; FROM t; DROP TABLE t")
    assert result.out == "a\n7\n"


def test_a_statement_without_a_table_says_what_it_did(cli):
    result = cli("sql", ":memory:", "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2)")
    assert result.out == ""
    # DuckDB 1.5 gives no count to relations.
    assert result.err == ("done, 2 rows\n" if duckdb.__version__ >= "2" else "done\n")


def test_a_query_goes_into_a_file(cli, tmp_path):
    result = cli("sql", ":memory:", "SELECT 1 AS a", "-o", tmp_path / "a.parquet")
    assert (result.code, result.out) == (0, "")
    assert read_table(tmp_path / "a.parquet").to_pydict() == {"a": [1]}


def test_what_sql_makes_stays_in_the_database(cli, database):
    assert cli("sql", database, "CREATE TABLE kept AS SELECT 5 AS a").code == 0
    assert cli("sql", database, "FROM kept").out == "a\n5\n"


def test_a_database_can_be_left_unchanged(cli, database):
    result = cli("sql", database, "CREATE TABLE t AS SELECT 1", "--read-only")
    assert result.code == 1
    assert "read-only" in result.err


def test_a_foreign_database_can_be_kept_from_files(cli, database):
    query = f"COPY (FROM forced_photometry('{VISIT}', source)) TO 'stolen.csv'"
    result = cli("sql", database, query, "--safe")
    assert result.code == 1
    assert "disabled by configuration" in result.err
    assert cli("sql", database, "SELECT 1 AS a", "--safe", "--root", database.parent).out == "a\n1\n"


def test_a_root_without_safe_is_a_usage_error(cli, database):
    assert cli("sql", database, "SELECT 1", "--root", database.parent).code == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("FROM nosuch", "nosuch"),
        ("SELECT nosuch FROM exposure", "nosuch"),
        ("FROM forced_photometry('visit:0:0', source)", "no exposure 'visit:0:0' is registered"),
    ],
)
def test_a_wrong_query_is_code_1_and_one_line(cli, database, query, message):
    result = cli("sql", database, query)
    assert result.code == 1
    assert message in result.err
    assert result.err.startswith("forcedsql: ")
    assert result.err.count("\n") == 1
    assert "UDF" not in result.err


def test_rows_can_be_limited_without_fetching_the_rest():
    with connect() as con:
        (outcome,) = run_statements(con, "SELECT * FROM range(1000000000000)", most_rows=5)
    assert outcome.rows.num_rows == 5


def test_ctrl_c_ends_the_query_and_not_the_connection():
    with connect() as con:
        timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(run_statements(con, ENDLESS))
        timer.join()
        assert con.execute("SELECT 1").fetchone() == (1,)


def test_an_interrupted_command_is_code_130(cli):
    timer = threading.Timer(1.0, signal.raise_signal, [signal.SIGINT])
    timer.start()
    assert cli("sql", ":memory:", ENDLESS).code == 130
    timer.join()
