"""The table macros that measure: equal to the direct call, row for row, from any table."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, ingest, load_catalog
from forcedsql.database.quoting import quote_literal
from forcedsql.measure import measure
from forcedsql.schema import lsst_schema, source_schema

from .conftest import Sky, make_exposure

FAMILIES = ("singlegauss_tan", "kernelpsf_even")


@pytest.fixture
def survey(con, exposure_file) -> duckdb.DuckDBPyConnection:
    ingest(con, exposure_file("a.fits"))
    rng = np.random.default_rng(6)
    con.register(
        "arrow_object",
        pa.table(
            {
                "objectId": np.arange(100),
                "coord_ra": 53.1 + rng.uniform(-0.004, 0.004, 100),
                "coord_dec": -28.1 + rng.uniform(-0.004, 0.004, 100),
            }
        ),
    )
    con.execute("CREATE TABLE object AS FROM arrow_object")
    con.unregister("arrow_object")
    return con


def assert_same_table(got: pa.Table, want: pa.Table):
    assert got.column_names == want.column_names
    for name in want.column_names:
        assert got.schema.field(name).type == want.schema.field(name).type, name
        np.testing.assert_array_equal(got[name].to_numpy(), want[name].to_numpy(), err_msg=name)


@pytest.mark.parametrize("macro", ["forced_photometry", "forced_measurement"])
def test_the_macro_equals_measure(survey, macro):
    columns = "source" if macro == "forced_photometry" else "lsst"
    want = measure(make_exposure(), survey.sql("FROM object").to_arrow_table(), columns=columns)
    assert_same_table(survey.sql(f"FROM {macro}('a', object)").to_arrow_table(), want)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_lsst_columns_equal_measure_on_a_reference_exposure(con, reference, name):
    from forcedsql import open_exposure, read_table

    folder = reference / name
    ingest(con, folder / "exposure.fits", exposure_id="ref")
    load_catalog(con, "positions", folder / "positions.parquet")
    want = measure(open_exposure(folder / "exposure.fits"), read_table(folder / "positions.parquet"))
    assert_same_table(con.sql("FROM forced_measurement('ref', positions)").to_arrow_table(), want)


def test_the_lsst_driver_has_100_columns(survey):
    columns = survey.sql("FROM forced_measurement('a', object)").columns
    assert columns == lsst_schema(MeasurementConfig(), "nJy").names
    assert len(columns) == 100


def test_columns_follow_the_configuration(exposure_file):
    config = MeasurementConfig(radii=(4.5, 12.0), do_ap_corr=False, masks_center=("STREAK",))
    with connect(config=config) as con:
        con.execute('CREATE TABLE p AS SELECT 1::BIGINT AS id, 53.1 AS ra, -28.1 AS "dec"')
        assert con.sql("FROM forced_photometry('a', p)").columns == source_schema(config, "nJy").names
        assert con.sql("FROM forced_measurement('a', p)").columns == lsst_schema(config, "nJy").names


class TestPositions:
    """Names of tables and columns in every form."""

    @pytest.fixture
    def found(self, con):
        def find(columns: str, arguments: str = "", *, table: str = "p") -> list:
            con.execute(f"CREATE OR REPLACE TABLE p AS SELECT {columns}")
            return con.execute(f'SELECT id, ra, "dec" FROM positions_of({table}{arguments})').fetchall()  # noqa: S608

        return find

    @pytest.mark.parametrize("name", ["objectId", "sourceId", "diaObjectId", "id", "OBJECTID"])
    def test_ids_by_their_usual_names(self, found, name):
        assert found(f'7 AS {name}, 1 AS ra, 2 AS "dec"') == [(7, 1.0, 2.0)]

    def test_ids_by_preference_whatever_their_order(self, found):
        columns = '1 AS id, 2 AS diaObjectId, 3 AS sourceId, 4 AS objectId, 1 AS ra, 2 AS "dec"'
        assert found(columns)[0][0] == 4

    def test_ra_rather_than_coord_ra(self, found):
        columns = '1 AS id, 9 AS coord_ra, 8 AS coord_dec, 1 AS ra, 2 AS "dec"'
        assert found(columns) == [(1, 1.0, 2.0)]
        assert found("1 AS id, 9 AS coord_ra, 8 AS coord_dec") == [(1, 9.0, 8.0)]

    def test_a_null_in_the_preferred_column_stays_null(self, found):
        columns = 'NULL::BIGINT AS objectId, 5 AS id, NULL::DOUBLE AS ra, 9 AS coord_ra, 2 AS "dec"'
        assert found(columns) == [(None, None, 2.0)]

    def test_columns_of_nothing_but_null_are_columns(self, con):
        query = "WITH c AS (SELECT 1 AS id, NULL AS ra, NULL AS coord_dec) FROM positions_of(c)"
        assert con.execute(query).fetchall()[0][:3] == (1, None, None)
        with pytest.raises(duckdb.InvalidInputException, match="no column dec or coord_dec"):
            con.execute("WITH c AS (SELECT 1 AS id, NULL AS ra) FROM positions_of(c)").fetchall()

    @pytest.mark.parametrize("quote", ["", "'"])
    def test_columns_named_as_arguments_bare_or_as_text(self, found, quote):
        arguments = f', id := {quote}my_id{quote}, ra := {quote}alpha{quote}, "dec" := {quote}delta{quote}'
        columns = '1 AS id, 2 AS ra, 3 AS "dec", 10 AS my_id, 20 AS alpha, 30 AS delta'
        assert found(columns, arguments) == [(10, 20.0, 30.0)]

    def test_odd_column_names(self, found):
        columns = '1 AS id, 20 AS "right ""ascension"" α; --", 3 AS "dec"'
        assert found(columns, ", ra := 'right \"ascension\" α; --'") == [(1, 20.0, 3.0)]

    def test_a_column_named_wrongly_is_named_in_the_error(self, found):
        with pytest.raises(duckdb.BinderException, match="nope"):
            found('1 AS id, 2 AS ra, 3 AS "dec"', ", ra := nope")

    def test_without_coordinates_the_error_says_how_to_name_them(self, found):
        with pytest.raises(duckdb.InvalidInputException, match="no column ra or coord_ra; name it: ra := "):
            found('1 AS id, 3 AS "dec"')

    def test_without_ids_they_are_null(self, found):
        assert found('2 AS ra, 3 AS "dec"') == [(None, 2.0, 3.0)]

    def test_ids_of_any_type_pass_through(self, found):
        assert found("'one' AS id, 2 AS ra, 3 AS \"dec\"")[0][0] == "one"
        assert found('18446744073709551615::UBIGINT AS id, 2 AS ra, 3 AS "dec"')[0][0] == 2**64 - 1

    @pytest.mark.parametrize(
        ("made", "named"),
        [
            ('"my table"', '"my table"'),
            ('"my table"', "'my table'"),
            ('"it\'s; DROP TABLE exposure"', "'it''s; DROP TABLE exposure'"),
            ("s.inside", "s.inside"),
            ('"a.b"', "'\"a.b\"'"),
            ('"we""ird"', '"we""ird"'),
            ('"we""ird"', '\'"we""ird"\''),
            ('s."we""ird"', '\'s."we""ird"\''),
            ('"""x"" UNION FROM exposure --"', '"""x"" UNION FROM exposure --"'),
            ("named", "named"),
            ("candidates", "candidates"),
            ("__named", "__named"),
            ("p", "p"),
        ],
    )
    def test_odd_table_names(self, con, made, named):
        con.execute("CREATE SCHEMA s")
        con.execute(f'CREATE TABLE {made} AS SELECT 1 AS id, 2 AS ra, 3 AS "dec"')
        assert con.execute(f"SELECT id FROM positions_of({named})").fetchall() == [(1,)]  # noqa: S608
        con.execute("FROM exposure")

    @pytest.mark.parametrize("name", ["range(3)) SELECT 1 AS ra --", '"e"."f"(3)', 'exposure) --"'])
    def test_a_table_name_cannot_be_a_query(self, con, name):
        with pytest.raises(duckdb.Error):
            con.execute("FROM positions_of(" + quote_literal(name) + ")").fetchall()

    def test_views_and_ctes(self, con):
        con.execute('CREATE VIEW v AS SELECT 1 AS id, 2 AS ra, 3 AS "dec"')
        assert con.execute("SELECT id FROM positions_of(v)").fetchall() == [(1,)]
        assert con.execute("WITH c AS (FROM v) SELECT id FROM positions_of(c)").fetchall() == [(1,)]


def test_every_row_gives_one_row_whatever_it_holds(survey):
    survey.execute(
        """CREATE TABLE odd AS FROM (VALUES
            (1, 53.1::DOUBLE, -28.1::DOUBLE), (1, 53.1, -28.1), (NULL, 53.1, -28.1), (2, NULL, -28.1),
            (3, 'nan', 'nan'), (4, 'inf', 0), (5, 0, 90), (6, 360, -90), (7, 1e300, 1),
            (NULL, NULL, NULL)) v(id, ra, "dec")"""
    )
    rows = survey.execute(
        "SELECT id, psfFlux_flag, isnan(psfFlux) FROM forced_photometry('a', odd)"
    ).fetchall()
    assert [row[0] for row in rows] == [1, 1, None, 2, 3, 4, 5, 6, 7, None]
    assert [row[1:] for row in rows[:3]] == [(False, False)] * 3
    assert [row[1:] for row in rows[3:]] == [(True, True)] * 7


def test_no_rows_give_no_rows(survey):
    got = survey.sql("WITH s AS (FROM object LIMIT 0) FROM forced_photometry('a', s)").to_arrow_table()
    assert got.num_rows == 0
    assert got.num_columns == len(source_schema(MeasurementConfig(), "nJy"))


def test_rows_keep_the_order_of_the_table(survey):
    survey.execute(
        "CREATE TABLE many AS SELECT (range * 7919) % 20000 AS id, 53.1 + (range % 97) * 1e-7 AS ra, "
        '-28.1 + range * 1e-9 AS "dec" FROM range(20000)'
    )
    got = survey.sql("SELECT id, ra FROM forced_photometry('a', many) WHERE psfFlux > 0").to_arrow_table()
    want = survey.sql("SELECT id, ra FROM many").to_arrow_table()
    assert got.equals(want)


def test_lateral_measures_every_source_on_every_exposure(survey, exposure_file):
    ingest(survey, exposure_file("b.fits", make_exposure(Sky(53.103), seed=2)))
    rows = survey.execute(
        "SELECT e.exposure_id, count(*), count_if(NOT m.pixelFlags_offimage) "
        "FROM exposure e, LATERAL (FROM forced_photometry(e.exposure_id, object)) m GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [row[:2] for row in rows] == [("a", 100), ("b", 100)]
    assert all(0 < row[2] < 100 for row in rows)


def test_results_can_be_kept_as_a_table(survey):
    survey.execute("CREATE TABLE result AS FROM forced_photometry('a', object)")
    assert survey.execute("SELECT count(*) FROM result").fetchall() == [(100,)]


def test_a_prepared_statement_takes_the_exposure(survey):
    query = "SELECT count(*) FROM forced_photometry($exposure, object)"
    assert survey.execute(query, {"exposure": "a"}).fetchall() == [(100,)]


@pytest.mark.parametrize(
    "query",
    [
        "FROM forced_photometry('a', p)",
        "FROM forced_measurement('a', p)",
        "FROM forced_lightcurve(53.1, -28.1)",
    ],
)
def test_a_plain_shell_is_told_what_to_do(tmp_path, query):
    path = tmp_path / "plain.duckdb"
    with connect(path) as con:
        con.execute('CREATE TABLE p AS SELECT 1 AS id, 53.1 AS ra, -28.1 AS "dec"')
    with duckdb.connect(str(path), read_only=True) as plain:
        with pytest.raises(duckdb.CatalogException) as caught:
            plain.execute(query).fetchall()
        first = str(caught.value).splitlines()[0]
        assert "open this database with forcedsql.connect() or 'forcedsql shell'" in first
        assert plain.execute("SELECT ab_mag(1), in_cone(1, 1, 1, 1, 1)").fetchall() == [(31.4, True)]
        assert plain.execute("FROM exposures_at(53.1, -28.1)").fetchall() == []
