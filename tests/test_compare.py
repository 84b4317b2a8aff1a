"""Comparisons: ratios, pulls, bins and exposures against hand-made answers."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.compare import FluxComparison, compare_exposures, compare_fluxes, compare_summary, has_column
from forcedsql.database import connect
from forcedsql.errors import TableError

ABSOLUTE = 1e-12  # a few roundings of numbers of order 1 to 30


@pytest.fixture
def scattered() -> FluxComparison:
    rng = np.random.default_rng(20240707)
    n = 500
    reference = 10 ** (-0.4 * (rng.uniform(18, 25, n) - 31.4))
    error = 20.0 + 0.003 * reference
    measured = reference * 1.01 + rng.normal(size=n) * error
    return FluxComparison.from_arrays(measured, reference, measured_err=error, reference_err=error)


@pytest.fixture
def tables(scattered):
    with connect() as con:
        for name in ("measured", "reference"):
            flux, error = getattr(scattered, name), getattr(scattered, f"{name}_err")
            order = np.random.default_rng(1).permutation(len(flux))
            rows = pa.table(
                {
                    "id": order,
                    "psfFlux": flux[order],
                    "psfFluxErr": error[order],
                    "Exposure_ID": [f"visit:{i % 3}" for i in order],
                }
            )
            con.register("rows", rows)
            con.execute(f"CREATE TABLE {name} AS FROM rows")
        yield con


def test_ratio_pull_and_magnitude_of_known_fluxes():
    got = FluxComparison.from_arrays(
        [110.0, 3631.0], [100.0, 3631.0e9], measured_err=[3.0, 1.0], reference_err=[4.0, 1.0]
    )
    np.testing.assert_allclose(got.ratio, [1.1, 1e-9], rtol=1e-15)
    assert got.pull[0] == pytest.approx(2.0, abs=ABSOLUTE)
    # 3631 Jy is AB magnitude 0 by definition, to the rounding of 31.4 (8.9 + 22.5 - 0.0000258).
    np.testing.assert_allclose(got.magnitude, [26.4, 0.0], atol=1e-4)


def test_a_reference_flux_that_is_not_positive_has_no_magnitude_and_no_bin():
    got = FluxComparison.from_arrays([1.0, 1.0, 1.0], [0.0, -2.0, np.nan])
    assert np.isnan(got.magnitude).all()
    assert np.isnan(got.ratio[[0, 2]]).all()
    assert got.summary().num_rows == 0


def test_a_bins_median_and_scatter_are_those_of_its_ratios():
    ratios = np.array([0.9, 1.0, 1.1, 1.2, 5.0])
    reference = np.full(5, 10 ** (-0.4 * (20.5 - 31.4)))
    got = FluxComparison.from_arrays(ratios * reference, reference).summary().to_pylist()
    assert len(got) == 1
    assert got[0]["magnitude"] == 20.0
    assert got[0]["n"] == 5
    assert got[0]["median_ratio"] == pytest.approx(1.1, abs=ABSOLUTE)
    # distances from 1.1: 0.2 0.1 0 0.1 3.9, whose median is 0.1
    assert got[0]["scatter"] == pytest.approx(1.4826 * 0.1, abs=ABSOLUTE)
    assert np.isnan(got[0]["median_pull"])


def test_the_scatter_of_normal_ratios_is_their_standard_deviation():
    n = 100_000
    ratios = 1.0 + 0.02 * np.random.default_rng(5).normal(size=n)
    got = FluxComparison.from_arrays(ratios * 1e4, np.full(n, 1e4)).summary()
    # the MAD of n normal values scatters by 1.17 / sqrt(n) of itself: 4 sigma
    assert got["scatter"][0].as_py() == pytest.approx(0.02, rel=4 * 1.17 / np.sqrt(n))


def test_sql_and_arrays_give_the_same_rows(tables, scattered):
    got = FluxComparison.from_sql(tables, "measured", "reference")
    order = np.argsort(got.id)
    for name in ("measured", "reference", "ratio", "pull", "magnitude"):
        np.testing.assert_allclose(
            getattr(got, name)[order], getattr(scattered, name), rtol=1e-13, atol=ABSOLUTE
        )


@pytest.mark.parametrize("bin_width", [1.0, 0.5])
def test_sql_and_arrays_give_the_same_summary(tables, scattered, bin_width):
    got = compare_summary(tables, "measured", "reference", bin_width=bin_width)
    expected = scattered.summary(bin_width=bin_width)
    assert got.column_names == expected.column_names
    for name in expected.column_names:
        np.testing.assert_allclose(got[name].to_numpy(), expected[name].to_numpy(), rtol=1e-12, err_msg=name)


def test_the_rows_survive_the_way_through_arrow(scattered):
    back = FluxComparison.from_table(scattered.to_table())
    np.testing.assert_array_equal(back.pull, scattered.pull)
    assert len(back) == len(scattered)


@pytest.mark.parametrize(("measured", "flux"), [("no_such_table", "psfFlux"), ("measured", "noFlux")])
def test_a_wrong_table_or_column_is_one_line_that_names_it(tables, measured, flux):
    with pytest.raises(TableError) as caught:
        compare_fluxes(tables, measured, "reference", flux)
    assert f"cannot compare {flux} of '{measured}' and 'reference'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_bound_not_pasted(tables):
    with pytest.raises(TableError):
        compare_fluxes(tables, "measured'); DROP TABLE measured; --", "reference")
    assert tables.execute("SELECT count(*) FROM measured").fetchone() == (500,)


def test_the_outlier_fraction_is_the_share_of_pulls_beyond_five_scatters():
    pull = np.concatenate([np.random.default_rng(3).normal(size=95), [-6.0, 7.0, 8.0, 9.0, np.nan]])
    got = FluxComparison.from_arrays(1e4 + pull, np.full(100, 1e4), measured_err=1.0, reference_err=0.0)
    assert got.summary()["outlier_fraction"].to_pylist() == [pytest.approx(4 / 99, abs=ABSOLUTE)]


def test_exposures_have_the_statistics_of_their_own_rows(tables, scattered):
    got = compare_exposures(tables, "measured", "reference", brightest=19, faintest=24).to_pylist()
    assert [row["exposure_id"] for row in got] == ["visit:0", "visit:1", "visit:2"]
    for number, row in enumerate(got):
        own = (np.arange(500) % 3 == number) & (scattered.magnitude >= 19) & (scattered.magnitude < 24)
        ratio, pull = scattered.ratio[own], scattered.pull[own]
        scatter = 1.4826 * np.median(np.abs(pull - np.median(pull)))
        assert row["n"] == own.sum()
        assert row["median_ratio"] == pytest.approx(np.median(ratio), rel=1e-12)
        assert row["scatter"] == pytest.approx(1.4826 * np.median(np.abs(ratio - np.median(ratio))), rel=1e-9)
        assert row["median_pull"] == pytest.approx(np.median(pull), rel=1e-9)
        assert row["pull_scatter"] == pytest.approx(scatter, rel=1e-9)
        assert row["outlier_fraction"] == pytest.approx(
            np.mean(np.abs(pull - np.median(pull)) > 5 * scatter), abs=ABSOLUTE
        )


def test_an_exposure_without_a_usable_source_is_still_listed(tables):
    tables.execute("UPDATE measured SET psfFlux = 'nan' WHERE exposure_id = 'visit:1'")
    got = compare_exposures(tables, "measured", "reference", by="EXPOSURE_ID")
    assert got.column_names[0] == "EXPOSURE_ID"
    assert got.to_pylist()[1] == {
        "EXPOSURE_ID": "visit:1", "n": 0, "median_ratio": None, "scatter": None,
        "median_pull": None, "pull_scatter": None, "outlier_fraction": None,
    }  # fmt: skip


def test_rows_can_be_had_exposure_by_exposure(tables, scattered):
    each = FluxComparison.each_from_sql(tables, "measured", "reference")
    assert list(each) == ["visit:0", "visit:1", "visit:2"]
    for number, one in enumerate(each.values()):
        own = np.arange(500) % 3 == number
        np.testing.assert_allclose(np.sort(one.ratio), np.sort(scattered.ratio[own]), rtol=1e-12)
    with pytest.raises(TableError, match="nowhere"):
        FluxComparison.each_from_sql(tables, "nowhere", "reference")


def test_columns_are_found_whatever_their_case(tables):
    assert has_column(tables, "Measured", "exposure_id")
    assert not has_column(tables, "measured", "exposure")
    assert not has_column(tables, "nowhere", "exposure_id")
