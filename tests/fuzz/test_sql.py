"""SQL with names, types and circumstances that nobody means: a row per position, or an error of one line."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.database.messages import one_line
from forcedsql.database.quoting import quote_identifier, quote_literal
from forcedsql.errors import ForcedSQLError
from forcedsql.export import export_table
from forcedsql.writer import write_exposure
from tests.database.conftest import Sky, make_exposure

CONFIG = MeasurementConfig(radii=(3.0,), do_ap_corr=False)
POSITION = 'SELECT 1 AS id, 53.1 AS ra, -28.1 AS "dec", 5.0 AS psfFlux, 1.0 AS psfFluxErr'
NAMES = {
    "double quote": 'a"b',
    "only quotes": '""',
    "single quote": "a'b",
    "both quotes": """'"'""",
    "semicolon": "x; DROP TABLE exposure; --",
    "comment": "a /* b",
    "keyword": "select",
    "own table": "Exposure_Coverage",
    "own macro": "forced_photometry",
    "own function": "query_table",
    "dots": "a.b.c",
    "line end": "a\nb",
    "unicode": "\u03b1\u03b2 \U0001f52d \u202e",
    "backslash": "a\\'b",
    "percent": "%s{0}$1?",
    "empty": "",
    "space": " ",
    "nul": "a\0b",
    "ten kB": "n" * 10_000,
    "parenthesis": "range(10)",
    "file": "/etc/passwd",
}
NAMES_OF_PYTHON = NAMES | {"lone surrogate": "a\udc80"}
MACROS = {
    "forced_photometry": "forced_photometry('a', {})",
    "forced_photometry_joint": "forced_photometry_joint('a', {0}, neighbours := {0})",
    "compare_fluxes": "compare_fluxes({}, good, 'psfFlux')",
    "reference": "compare_fluxes(good, {}, 'psfFlux')",
}
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "UBIGINT", "UHUGEINT", "FLOAT")
TYPES += (
    "DOUBLE",
    "DECIMAL(4,1)",
    "DECIMAL(38,10)",
    "VARCHAR",
    "BLOB",
    "BOOLEAN",
    "DATE",
    "TIME",
    "TIMESTAMP",
)
TYPES += ("TIMESTAMPTZ", "INTERVAL", "UUID", "BIT", "JSON", "INTEGER[]", "DOUBLE[2]", "STRUCT(a INTEGER)")
TYPES += ("MAP(INTEGER, INTEGER)", "ENUM('53', '54')", "UNION(n INTEGER, s VARCHAR)", '"NULL"')
COORDINATES = ("53", "'53'", "NULL", "'inf'::DOUBLE")


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sql")
    write_exposure(make_exposure(size=60), folder / "a.fits")
    with forcedsql.connect(config=CONFIG) as made:
        forcedsql.ingest(made, [folder / "a.fits"], exposure_id=["a"])
        made.execute(f"CREATE TABLE good AS {POSITION}")
        yield made
        # Whatever was asked for, the database answers still.
        assert made.execute("SELECT count(*) FROM forced_photometry('a', good)").fetchone() == (1,)


def rows_or_line(con, query, parameters=()):
    """The rows of a query, or the line that says why there are none; nothing but DuckDB's errors comes."""
    try:
        return con.execute(query, parameters).fetchall()
    except (duckdb.FatalException, duckdb.InternalException) as fault:
        raise AssertionError(f"the database is damaged by {query[:200]!r}") from fault
    except duckdb.Error as fault:
        return one_printable_line(fault)


def one_printable_line(fault):
    """What a person is told of a fault."""
    line = one_line(fault) if isinstance(fault, duckdb.Error) else str(fault)
    if not line or "\n" in line:
        raise AssertionError(f"not one line: {line!r}") from fault
    return line


def make_table(con, name):
    """Tell whether DuckDB makes a table of this name."""
    try:
        con.execute(f"CREATE OR REPLACE TABLE {quote_identifier(name)} AS {POSITION}")
    except duckdb.Error:
        return False
    return True


class TestNamesOfTables:
    @pytest.mark.parametrize("macro", MACROS)
    @pytest.mark.parametrize("kind", NAMES)
    def test_an_odd_name_is_that_of_one_table_or_an_error(self, con, kind, macro):
        name = NAMES[kind]
        made = make_table(con, name)
        for text in (name, quote_identifier(name)):
            try:
                query = f"FROM {MACROS[macro].format(quote_literal(text))}"
                found = rows_or_line(con, query)
            except UnicodeEncodeError:
                assert kind == "lone surrogate"
                continue
            if made and text is not name:
                assert len(found) == 1, found
                assert not isinstance(found, str), found
            else:
                assert isinstance(found, str) or len(found) <= 1
        if made:
            con.execute(f"DROP TABLE {quote_identifier(name)}")

    @given(name=_TEXT)
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_name_that_duckdb_takes_is_measured_in_quotes(self, con, name):
        if make_table(con, name):
            text = quote_literal(quote_identifier(name))
            found = rows_or_line(con, f"SELECT id, psfFlux FROM forced_photometry('a', {text})")  # noqa: S608
            con.execute(f"DROP TABLE {quote_identifier(name)}")
            assert len(found) == 1
            assert found[0][0] == 1

    @pytest.mark.parametrize("kind", NAMES_OF_PYTHON)
    def test_a_catalogue_of_an_odd_name_is_loaded_and_exported_or_refused(self, con, kind, tmp_path):
        name = NAMES_OF_PYTHON[kind]
        try:
            forcedsql.load_catalog(con, name, pa.table({"id": [1], "ra": [53.1], "dec": [-28.1]}))
            assert export_table(con, quote_identifier(name), tmp_path / "out.csv") == 1
        except ForcedSQLError as fault:
            one_printable_line(fault)
        else:
            con.execute(f"DROP TABLE {quote_identifier(name)}")


class TestExposureIds:
    @pytest.mark.parametrize("kind", NAMES_OF_PYTHON)
    def test_an_odd_id_is_registered_and_measured_or_refused(self, con, kind, tmp_path):
        name = NAMES_OF_PYTHON[kind]
        write_exposure(make_exposure(size=60), tmp_path / "odd.fits")
        try:
            (done,) = forcedsql.ingest(con, [tmp_path / "odd.fits"], exposure_id=[name])
        except ForcedSQLError as fault:
            one_printable_line(fault)
            return
        if done.status != "added":
            assert done.error
            return
        bound = rows_or_line(con, "SELECT (forced_phot(?, 53.1, -28.1)).psfFlux", [name])
        assert bound[0][0] == pytest.approx(5000.0, rel=0.05)
        literal = f"SELECT psfFlux FROM forced_photometry({quote_literal(name)}, good)"  # noqa: S608
        assert rows_or_line(con, literal) == bound
        con.execute("DELETE FROM exposure_coverage WHERE exposure_id = ?", [name])
        con.execute("DELETE FROM exposure WHERE exposure_id = ?", [name])

    @given(name=_TEXT)
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_an_id_that_is_not_registered_is_an_error_of_one_line(self, con, name):
        found = rows_or_line(con, "SELECT forced_phot(?, 53.1, -28.1)", [f"{name}!"])
        assert isinstance(found, str)


class TestTypesOfColumns:
    @pytest.mark.parametrize("type_", TYPES)
    def test_each_type_gives_a_row_per_position_or_an_error(self, con, type_):
        cells = [f"try_cast({value} AS {type_})" for value in COORDINATES]
        for columns in (
            *(f'1 AS id, {cell} AS ra, 2.0 AS "dec"' for cell in cells),
            f'{cells[0]} AS id, 53.1 AS ra, -28.1 AS "dec"',
        ):
            query = f"CREATE OR REPLACE TABLE typed AS SELECT {columns} FROM range(3)"  # noqa: S608
            if isinstance(rows_or_line(con, query), str):
                continue
            for macro in ("forced_photometry", "forced_photometry_joint"):
                found = rows_or_line(con, f"SELECT id, psfFlux_flag FROM {macro}('a', typed)")  # noqa: S608
                assert isinstance(found, str) or len(found) == 3

    @given(
        ra=st.lists(
            st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=5), st.booleans(), st.dates()),
            max_size=5,
        )
    )
    @settings(max_examples=100, deadline=None)
    def test_any_arrow_column_gives_a_row_per_position_or_an_error(self, ra):
        try:
            column = pa.array(ra)
        except (pa.ArrowException, OverflowError):
            return
        table = pa.table({"id": column, "ra": column, "dec": column})
        for positions in (table, table.set_column(0, "id", pa.array(range(len(ra)), pa.int32()))):
            try:
                measured = forcedsql.measure(make_exposure(size=40), positions, config=CONFIG)
            except ForcedSQLError as fault:
                one_printable_line(fault)
            else:
                assert measured.num_rows == len(ra)


class TestThreads:
    QUERY = "SELECT psfFlux, psfFluxErr FROM forced_photometry({}, p) ORDER BY id"
    STABLE = ("e0", "e1")

    @pytest.fixture
    def survey(self, tmp_path):
        """A database of two exposures, and the files of eight more."""
        ra = [53.1 + 0.01 * n for n in range(10)]
        for n in range(10):
            write_exposure(make_exposure(Sky(ra[n]), size=60, seed=n), tmp_path / f"e{n}.fits")
        positions = pa.table({"id": range(10), "ra": ra, "dec": [-28.1] * 10})
        with forcedsql.connect(tmp_path / "survey.duckdb", config=CONFIG, cache_bytes=100_000) as made:
            forcedsql.ingest(
                made, [tmp_path / f"{e}.fits" for e in self.STABLE], exposure_id=list(self.STABLE)
            )
            forcedsql.load_catalog(made, "p", positions)
            yield made

    def ask(self, con, number):
        return rows_or_line(con, self.QUERY.format(quote_literal(f"e{number}")))

    def test_eight_threads_measure_while_exposures_come_and_files_go(self, survey, tmp_path):
        want = [self.ask(survey, n) for n in range(2)]
        stop, answers = threading.Event(), []

        def keep_asking(first):
            cursor = survey.cursor()
            for number in itertools.cycle(range(first, first + 10)):
                answers.append((number % 10, self.ask(cursor, number % 10)))
                if stop.is_set():
                    return

        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(keep_asking, n) for n in range(8)]
            for n in range(2, 10):
                forcedsql.ingest(survey, [tmp_path / f"e{n}.fits"], exposure_id=[f"e{n}"])
                if n % 2:
                    (tmp_path / f"e{n}.fits").unlink()
            stop.wait(0.3)
            stop.set()
            for task in asking:
                task.result(timeout=60.0)
        # Files that are gone, and exposures that are not there yet: a line each.
        assert any(isinstance(found, str) for _, found in answers)
        for number, found in answers:
            assert isinstance(found, str) or len(found) == 10
            if number < 2:
                np.testing.assert_array_equal(np.array(found), np.array(want[number]))
