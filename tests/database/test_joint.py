"""forced_photometry_joint: one call for all positions of an image, equal to the direct one."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, ingest, joint_function
from forcedsql.measure import measure
from forcedsql.measure.driver import measure_positions
from forcedsql.schema import source_schema

from .conftest import Sky, make_exposure

JOINT = MeasurementConfig(deblend="joint")


def random_table(count: int, *, spread: float = 0.004, seed: int = 6) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "objectId": np.arange(count),
            "coord_ra": 53.1 + rng.uniform(-spread, spread, count),
            "coord_dec": -28.1 + rng.uniform(-spread, spread, count),
        }
    )


@pytest.fixture
def survey(con, exposure_file) -> duckdb.DuckDBPyConnection:
    ingest(con, exposure_file("a.fits"))
    ingest(con, exposure_file("b.fits", make_exposure(Sky(53.101), seed=2)))
    put(con, "object", random_table(60))
    return con


def put(con, name: str, table: pa.Table) -> None:
    con.register("arriving", table)
    con.execute(f"CREATE TABLE {name} AS FROM arriving")
    con.unregister("arriving")


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """Number of positions in each call of the measuring core."""
    counts: list[int] = []

    def counted(exposure, ra, dec, config, **options):
        counts.append(len(ra))
        return measure_positions(exposure, ra, dec, config, **options)

    monkeypatch.setattr(joint_function, "measure_positions", counted)
    return counts


def assert_same_table(got: pa.Table, want: pa.Table):
    assert got.column_names == want.column_names
    for name in want.column_names:
        assert got.schema.field(name).type == want.schema.field(name).type, name
        np.testing.assert_array_equal(got[name].to_numpy(), want[name].to_numpy(), err_msg=name)


def test_the_macro_equals_measure_in_the_order_of_the_table(survey, calls):
    want = measure(
        make_exposure(), survey.sql("FROM object").to_arrow_table(), config=JOINT, columns="source"
    )
    assert want["psfFlux_joint_blendSize"].to_numpy().max() > 10
    assert_same_table(survey.sql("FROM forced_photometry_joint('a', object)").to_arrow_table(), want)
    assert calls == [60]


def test_more_positions_than_a_chunk_holds_are_one_fit(con, exposure_file, calls):
    ingest(con, exposure_file("large.fits", make_exposure(size=900)))
    put(con, "many", random_table(3000, spread=0.025))
    query = "SELECT * FROM forced_photometry_joint('large', many) WHERE psfFlux_joint_blendSize > 1"
    got = con.sql(query).to_arrow_table()
    assert calls == [3000]
    assert got["psfFlux_joint_blendSize"].to_numpy().max() > 2048


def test_neighbours_are_fitted_and_give_no_rows(survey):
    survey.execute("CREATE TABLE few AS FROM object LIMIT 4")
    everything = survey.sql("FROM object").to_arrow_table()
    want = measure(make_exposure(), everything[:4], config=JOINT, columns="source", neighbours=everything)
    got = survey.sql("FROM forced_photometry_joint('a', few, neighbours := object)").to_arrow_table()
    assert_same_table(got, want)
    alone = survey.sql("FROM forced_photometry_joint('a', few)").to_arrow_table()
    assert alone["psfFlux_joint_blendSize"].to_numpy().max() <= 4 < want["psfFlux_joint_blendSize"][0].as_py()


def test_ctes_quoted_names_and_columns_named_as_arguments(survey):
    survey.execute(
        'CREATE TABLE "my table" AS SELECT objectId AS k, coord_ra AS a, coord_dec AS d FROM object'
    )

    def fluxes(source, arguments=""):
        query = f"FROM forced_photometry_joint('a', {source}{arguments})"
        return survey.sql(query).to_arrow_table()["psfFlux_joint"].to_numpy()

    want = fluxes("object")
    named = ', id := k, ra := a, "dec" := d, neighbours := object'
    np.testing.assert_array_equal(fluxes("'my table'", named), want)
    survey.execute("CREATE VIEW seen AS FROM object")
    np.testing.assert_array_equal(fluxes("seen"), want)
    cte = survey.sql("WITH s AS (FROM object) FROM forced_photometry_joint('a', s)").to_arrow_table()
    np.testing.assert_array_equal(cte["psfFlux_joint"].to_numpy(), want)


def test_several_exposures_in_one_query(survey):
    rows = survey.sql(
        "SELECT e.exposure_id, m.id, m.psfFlux_joint FROM exposure e,"
        " LATERAL (FROM forced_photometry_joint(e.exposure_id, object)) m ORDER BY ALL"
    ).fetchall()
    for name in ("a", "b"):
        query = f"SELECT id, psfFlux_joint FROM forced_photometry_joint('{name}', object) ORDER BY ALL"  # noqa: S608
        np.testing.assert_array_equal(
            [row[1:] for row in rows if row[0] == name], survey.sql(query).fetchall()
        )


def test_missing_positions_keep_their_rows(survey):
    survey.execute(
        "CREATE TABLE hostile AS SELECT * FROM (VALUES (1, 53.1::DOUBLE, -28.1::DOUBLE), (2, NULL, 1),"
        " (NULL, 53.1, -28.1001), (4, 'NaN', 0), (5, 233, 0)) t(id, ra, \"dec\")"
    )
    rows = survey.sql(
        "SELECT id, isfinite(psfFlux_joint), psfFlux_joint_flag FROM forced_photometry_joint('a', hostile)"
    ).fetchall()
    assert rows == [
        (1, True, False),
        (2, False, True),
        (None, True, False),
        (4, False, True),
        (5, False, True),
    ]


def test_no_positions_give_no_rows_and_all_columns(survey):
    empty = survey.sql(
        "WITH s AS (FROM object WHERE false) FROM forced_photometry_joint('a', s)"
    ).to_arrow_table()
    assert empty.num_rows == 0
    assert empty.column_names == source_schema(JOINT, "nJy").names


def test_a_null_exposure_gives_nulls(survey):
    rows = survey.sql("SELECT id, psfFlux_joint FROM forced_photometry_joint(NULL, object)").fetchall()
    assert rows == [(i, None) for i in range(60)]


def test_an_unknown_exposure_is_named(survey):
    with pytest.raises(duckdb.Error, match="no exposure 'nope' is registered"):
        survey.sql("FROM forced_photometry_joint('nope', object)").fetchall()


def test_the_connection_decides_the_other_options_and_chunked_functions_have_no_joint_columns(exposure_file):
    config = MeasurementConfig(deblend="joint", deblend_background=True, radii=(4.5,))
    with connect(config=config) as con:
        ingest(con, exposure_file("a.fits"))
        put(con, "object", random_table(5))
        names = con.sql("FROM forced_photometry_joint('a', object)").columns
        assert "psfFlux_joint_background" in names
        assert "ap04_5Flux" in names
        assert "ap12Flux" not in names
        assert not [n for n in con.sql("FROM forced_photometry('a', object)").columns if "joint" in n]


def test_without_an_exposure_or_positions_nothing_is_measured(survey):
    """The function behind the macro gets NULLs where a join finds no exposure or no position."""
    call = "SELECT forced_phot_joint({}, {}, {}, [], [])"
    ((measured,),) = survey.execute(call.format("NULL", "[53.1, 53.2]", "[-28.1, -28.2]")).fetchall()
    assert measured == [None, None]
    ((measured,),) = survey.execute(call.format("'a'", "NULL", "NULL")).fetchall()
    assert measured == []
