"""compare_fluxes and compare_summary against NumPy."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import median_abs_deviation


@pytest.fixture
def tables(con):
    rng = np.random.default_rng(2)
    ids = np.arange(1000)
    reference = 10 ** rng.uniform(2, 5, 1000)
    measured = reference * rng.normal(1.0, 0.02, 1000)
    con.register("m", pa.table({"id": ids, "psfFlux": measured, "psfFluxErr": np.full(1000, 30.0)}))
    con.register(
        "r", pa.table({"objectId": ids[::-1], "psfFlux": reference[::-1], "psfFluxErr": np.full(1000, 40.0)})
    )
    return con, measured, reference


def test_rows_are_matched_by_id(tables):
    con, measured, reference = tables
    got = con.sql("FROM compare_fluxes(m, r, psfFlux) ORDER BY id").to_arrow_table()
    assert got.column_names == [
        "id", "measured", "measured_err", "reference", "reference_err", "ratio", "pull", "magnitude",
    ]  # fmt: skip
    np.testing.assert_array_equal(got["measured"].to_numpy(), measured)
    np.testing.assert_allclose(got["ratio"].to_numpy(), measured / reference, rtol=1e-15)
    np.testing.assert_allclose(got["pull"].to_numpy(), (measured - reference) / 50.0, rtol=1e-12)
    np.testing.assert_allclose(got["magnitude"].to_numpy(), 31.4 - 2.5 * np.log10(reference), rtol=1e-15)


def test_the_summary_is_medians_and_robust_scatters(tables):
    con, measured, reference = tables
    got = con.sql("FROM compare_summary(m, r, psfFlux, bin := 2.5)").to_arrow_table()
    magnitude = 31.4 - 2.5 * np.log10(reference)
    edges = np.unique(np.floor(magnitude / 2.5) * 2.5)
    assert got["magnitude"].to_pylist() == edges.tolist()
    for row in got.to_pylist():
        inside = np.floor(magnitude / 2.5) * 2.5 == row["magnitude"]
        ratio, pull = (measured / reference)[inside], ((measured - reference) / 50.0)[inside]
        assert row["n"] == inside.sum()
        assert row["median_ratio"] == pytest.approx(np.median(ratio), rel=1e-12)
        assert row["scatter"] == pytest.approx(1.4826 * median_abs_deviation(ratio), rel=1e-9)
        assert row["median_pull"] == pytest.approx(np.median(pull), rel=1e-9)
        assert row["pull_scatter"] == pytest.approx(1.4826 * median_abs_deviation(pull), rel=1e-9)


def test_names_may_be_parameters(tables):
    con, *_ = tables
    names = {"measured": "m", "reference": "r", "flux": "psfFlux", "bin": 1.0}
    rows = con.sql("FROM compare_summary($measured, $reference, $flux, bin := $bin)", params=names).fetchall()
    assert sum(row[1] for row in rows) == 1000


def test_an_object_table_names_its_flux_by_band(con):
    con.execute("CREATE TABLE m AS SELECT 1 AS id, 11.0 AS psfFlux, 3.0 AS psfFluxErr")
    con.execute("CREATE TABLE o AS SELECT 1 AS objectId, 10::FLOAT AS r_psfFlux, 4::FLOAT AS r_psfFluxErr")
    rows = con.execute(
        "SELECT ratio, pull FROM compare_fluxes(m, o, psfFlux, reference_flux := r_psfFlux)"
    ).fetchall()
    assert rows == [(1.1, pytest.approx(0.2))]


def test_ids_may_be_named(con):
    con.execute("CREATE TABLE m AS SELECT 1 AS id, 5 AS star, 11.0 AS f")
    con.execute('CREATE TABLE o AS SELECT 5 AS "other id", 10.0 AS f')
    rows = con.execute(
        "SELECT id, ratio FROM compare_fluxes(m, o, f, measured_id := star, reference_id := 'other id')"
    ).fetchall()
    assert rows == [(5, 1.1)]


def test_a_table_without_errors_has_no_pull(con):
    con.execute("CREATE TABLE m AS SELECT 1 AS id, 11.0 AS f")
    rows = con.execute("SELECT ratio, measured_err, pull FROM compare_fluxes(m, m, f)").fetchall()
    assert rows == [(1.0, None, None)]
    assert con.execute("SELECT n, median_pull FROM compare_summary(m, m, f)").fetchall() == [(1, None)]


def test_faults_do_not_reach_the_summary(con):
    con.execute(
        "CREATE TABLE m AS FROM (VALUES (1, 10.0::DOUBLE), (2, 'nan'), (3, 5), (4, 7), (NULL, 1), (6, 1))"
        " v(id, f)"
    )
    con.execute(
        "CREATE TABLE o AS FROM (VALUES (1, 10.0::DOUBLE), (2, 10), (3, 0), (4, -3), (NULL, 1)) v(id, f)"
    )
    rows = con.execute("SELECT id, ratio, magnitude FROM compare_fluxes(m, o, f) ORDER BY id").fetchall()
    assert [row[0] for row in rows] == [1, 2, 3, 4]
    assert rows[2][1:] == (None, None)
    assert rows[3][2] is None
    assert con.execute("SELECT sum(n) FROM compare_summary(m, o, f)").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("call", "text"),
    [("m, r, nope", "nope"), ("m, nowhere, psfFlux", "nowhere"), ("m, noid, psfFlux", "no column objectId")],
)
def test_what_is_missing_is_named(tables, call, text):
    con, *_ = tables
    con.execute("CREATE TABLE noid AS SELECT 1.0 AS psfFlux")
    with pytest.raises(duckdb.Error, match=text):
        con.execute(f"FROM compare_fluxes({call})").fetchall()
