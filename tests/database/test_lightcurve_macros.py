"""The macros of light curves, on rows whose answers are known."""

import numpy as np
import pytest

from forcedsql.database import ingest
from tests.database.conftest import Sky, make_exposure

BOOLEANS = (
    "psfFlux_flag", "pixelFlags_bad", "pixelFlags_cr", "pixelFlags_edge", "pixelFlags_interpolated",
    "pixelFlags_nodata", "pixelFlags_offimage", "pixelFlags_saturated", "pixelFlags_suspect",
)  # fmt: skip

POINT = ("mjd", "psfFlux", "psfFluxErr")


@pytest.fixture
def curve(con):
    """Make a table `curve` of points, the same band and kind unless told."""

    def make(*points, flags=(), **columns):
        values = {"band": "'r'", "kind": "'visit_image'", "flux_unit": "'nJy'"} | columns
        columns_of_points = [f"unnest(${name})::DOUBLE AS {name}" for name in POINT]
        others = [f"{value} AS {name}" for name, value in values.items()]
        booleans = [f"{name in flags} AS {name}" for name in BOOLEANS]
        query = ", ".join([*columns_of_points, *others, *booleans])
        con.execute(
            f"CREATE OR REPLACE TABLE curve AS SELECT {query}",
            dict(zip(POINT, map(list, zip(*points, strict=True)), strict=True)),
        )

    return make


def rows(con, query, *names):
    return con.execute(f"SELECT {', '.join(names)} FROM {query}").fetchall()  # noqa: S608 - our own


def test_a_flux_above_snt_errors_is_a_detection_and_below_a_limit_of_snu_errors(con, curve):
    curve((1.0, 301.0, 100.0), (2.0, 300.0, 100.0), (3.0, -50.0, 100.0))
    first, second, third = rows(
        con, "light_curve_limits(curve)", "detected", "mag", "mag_err", "limit_flux", "limit_mag"
    )
    detected, mag, mag_err, *limit = first
    assert detected
    assert mag == pytest.approx(31.4 - 2.5 * np.log10(301.0), rel=1e-14)
    assert mag_err == pytest.approx(2.5 / np.log(10.0) * 100.0 / 301.0, rel=1e-14)
    assert limit == [None, None]
    for row in (second, third):
        assert row[:3] == (False, None, None)
        assert row[3] == 500.0
        assert row[4] == pytest.approx(31.4 - 2.5 * np.log10(500.0), rel=1e-14)


def test_the_thresholds_can_be_chosen(con, curve):
    curve((1.0, 400.0, 100.0))
    query = "light_curve_limits('curve', snt := 5, snu := 3)"
    assert rows(con, query, "detected", "limit_flux") == [(False, 300.0)]


@pytest.mark.parametrize("flag", [name for name in BOOLEANS if name != "pixelFlags_suspect"])
def test_a_flagged_row_is_neither_a_detection_nor_a_limit(con, curve, flag):
    curve((1.0, 4000.0, 100.0), (2.0, 0.0, 100.0), flags=(flag,))
    names = ("flagged", "snr", "detected", "mag", "limit_flux", "limit_mag")
    assert rows(con, "light_curve_limits(curve)", *names) == [(True, None, None, None, None, None)] * 2


@pytest.mark.parametrize(
    ("flux", "error"),
    [(np.nan, 1.0), (1.0, np.nan), (1.0, 0.0), (np.inf, 1.0), (1.0, np.inf), (None, 1.0), (1.0, None)],
)
def test_a_flux_or_an_error_that_is_no_number_is_flagged(con, curve, flux, error):
    curve((1.0, flux, error), (2.0, 5.0, 1.0))
    assert rows(con, "light_curve_limits(curve)", "flagged", "detected") == [(True, None), (False, True)]


def test_a_flag_that_says_nothing_of_the_flux_does_not_count(con, curve):
    curve((1.0, 4000.0, 100.0), flags=("pixelFlags_suspect",))
    assert rows(con, "light_curve_limits(curve)", "flagged") == [(False,)]


def test_a_nights_mean_is_weighted_by_inverse_variance(con, curve):
    rng = np.random.default_rng(3)
    mjd = 60000.5 + np.sort(rng.uniform(0.0, 3.0, 40))
    flux, error = rng.normal(500.0, 80.0, 40), rng.uniform(20.0, 120.0, 40)
    curve(*zip(mjd.tolist(), flux.tolist(), error.tolist(), strict=True))
    got = rows(
        con, "nightly_light_curve(curve)", "night", "mjd", "psfFlux", "psfFluxErr", "n", "n_flagged", "chi2"
    )
    assert [row[0] for row in got] == [60000, 60001, 60002]
    for night, middle, mean, mean_error, n, n_flagged, chi2 in got:
        here = np.floor(mjd - 0.5) == night
        weight = error[here] ** -2
        expected = np.average(flux[here], weights=weight)
        assert (n, n_flagged) == (here.sum(), 0)
        assert mean == pytest.approx(expected, rel=1e-13)
        assert mean_error == pytest.approx(weight.sum() ** -0.5, rel=1e-13)
        assert chi2 == pytest.approx(np.sum(weight * (flux[here] - expected) ** 2), rel=1e-11)
        assert middle == pytest.approx(mjd[here].mean(), rel=1e-13)


def test_flagged_rows_are_counted_and_left_out_of_means(con, curve):
    curve((1.6, 100.0, 10.0), (1.7, np.nan, 10.0), (1.8, 300.0, 10.0), (5.6, np.nan, 10.0))
    names = ("night", "psfFlux", "psfFlux_flag", "n", "n_flagged", "mjd")
    first, second = rows(con, "nightly_light_curve(curve)", *names)
    assert first == (1, 200.0, False, 2, 1, pytest.approx(1.7))
    assert second == (5, None, True, 0, 1, 5.6)


def test_means_are_a_light_curve_again(con, curve):
    curve((1.6, 250.0, 100.0), (1.7, 250.0, 100.0), (5.6, np.nan, 10.0))
    con.execute("CREATE TABLE nights AS FROM nightly_light_curve(curve)")
    # Two fluxes of 2.5 sigma make a mean of 3.5 sigma.
    got = rows(con, "light_curve_limits(nights)", "flagged", "snr", "detected")
    assert got == [(False, pytest.approx(2.5 * np.sqrt(2.0)), True), (True, None, None)]


def test_bands_kinds_and_units_are_never_mixed(con, curve):
    columns = {
        "band": "unnest(['g', 'r', 'r', 'r'])",
        "kind": "unnest(['visit_image', 'visit_image', 'difference_image', 'visit_image'])",
        "flux_unit": "unnest(['nJy', 'nJy', 'nJy', 'adu'])",
    }
    curve(*[(1.6, 100.0 * i, 10.0) for i in range(4)], **columns)
    got = rows(con, "nightly_light_curve(curve)", "kind", "band", "flux_unit", "psfFlux", "n")
    assert sorted(got) == [
        ("difference_image", "r", "nJy", 200.0, 1),
        ("visit_image", "g", "nJy", 0.0, 1),
        ("visit_image", "r", "adu", 300.0, 1),
        ("visit_image", "r", "nJy", 100.0, 1),
    ]


def test_rows_without_a_time_are_in_no_bin(con, curve):
    curve((None, 1.0, 1.0), (1.6, 2.0, 1.0))
    assert rows(con, "nightly_light_curve(curve)", "psfFlux") == [(2.0,)]


def test_a_night_ends_at_noon_where_the_telescope_is(con, curve):
    # On Mauna Kea (155.5 deg west) a night is from 4 to 16 h UTC: Rubin's boundary would halve it.
    curve((60000.2, 1.0, 1.0), (60000.6, 1.0, 1.0))
    assert len(rows(con, "nightly_light_curve(curve)", "night")) == 2
    query = "nightly_light_curve(curve, boundary := local_noon(-155.5))"
    assert rows(con, query, "night", "night_date::VARCHAR", "n") == [(59999, "2023-02-24", 2)]


@pytest.mark.parametrize(
    ("longitude", "noon"),
    [(0.0, 0.5), (-70.75, 0.5 + 70.75 / 360.0), (180.0, 0.0), (-180.0, 0.0), (149.0, 31.0 / 360.0)],
)
def test_noon_is_earlier_in_the_east(con, longitude, noon):
    got = con.execute("SELECT local_noon(?)", [longitude]).fetchall()[0][0]
    assert got == pytest.approx(noon, abs=1e-12)


def test_a_week_begins_on_the_night_of_a_monday(con, curve):
    # 2026-03-02 was a Monday: MJD 61101.
    curve((61101.4, 1.0, 1.0), (61101.6, 2.0, 1.0), (61108.4, 4.0, 1.0), (61108.6, 5.0, 1.0))
    got = rows(con, "weekly_light_curve(curve)", "night", "strftime(night_date, '%A')", "psfFlux")
    assert got == [(61094, "Monday", 1.0), (61101, "Monday", 3.0), (61108, "Monday", 5.0)]


def test_bins_of_any_number_of_nights_begin_at_an_origin(con, curve):
    curve((1.6, 1.0, 1.0), (3.6, 3.0, 1.0), (4.6, 8.0, 1.0))
    query = "binned_light_curve(curve, days := 3, origin := 1)"
    assert rows(con, query, "night", "psfFlux") == [(1, 2.0), (4, 8.0)]


@pytest.fixture
def results(con, exposure_file):
    """Two visits of one detector and one difference image, and their rows of two objects."""
    said = [
        {"visit": 11, "mjd": 60002.0},
        {"visit": 12, "mjd": 60001.0, "band": "g"},
        {"visit": 12, "mjd": 60001.0, "band": "g", "dataset_type": "difference_image"},
    ]
    files = [
        exposure_file(f"{i}.fits", make_exposure(Sky(), seed=i, detector=4, **info))
        for i, info in enumerate(said)
    ]
    assert [file.error for file in ingest(con, files)] == ["", "", ""]
    con.execute(
        "CREATE TABLE positions AS FROM (VALUES (7, 53.1, -28.1), (8, 53.1007, -28.1)) p(id, ra, dec)"
    )
    ids = [row[0] for row in con.execute("SELECT exposure_id FROM exposure").fetchall()]
    for exposure_id in ids:
        con.execute(
            "INSERT INTO forced_source BY NAME SELECT 'a' AS run_id, $id AS exposure_id, * "
            "FROM forced_photometry($id, positions)",
            {"id": exposure_id},
        )
    return con


def test_the_light_curve_of_an_object_comes_from_results_in_order_of_time(results):
    got = rows(
        results, "light_curve(7)", "exposure_id", "kind", "mjd", "band", "visit", "detector", "flux_unit"
    )
    assert got == [
        ("difference:12:4", "difference_image", 60001.0, "g", 12, 4, "nJy"),
        ("visit:12:4", "visit_image", 60001.0, "g", 12, 4, "nJy"),
        ("visit:11:4", "visit_image", 60002.0, "r", 11, 4, "nJy"),
    ]
    stored = rows(results, "forced_source WHERE id = 7 AND exposure_id = 'visit:11:4'", "psfFlux")
    assert rows(results, "light_curve(7)", "psfFlux")[2:] == stored
    assert rows(results, "light_curve(9)", "id") == []


def test_results_may_be_in_another_table_or_view(results):
    results.execute("CREATE VIEW mine AS FROM forced_source WHERE exposure_id LIKE 'visit:%'")
    assert rows(results, "light_curve(7, results := mine)", "visit") == [(12,), (11,)]


def test_measured_on_the_spot_it_is_the_same(results):
    columns = ("exposure_id", "kind", "mjd", "psfFlux", "psfFluxErr", "pixelFlags_edge")
    spot = rows(results, "forced_lightcurve(53.1, -28.1)", *columns)
    assert spot == rows(results, "light_curve(7)", *columns)


def test_dp1_names_put_visit_and_difference_side_by_side(results):
    names = ("objectId", "visit", "band", "psfFlux IS NULL", "psfDiffFlux IS NULL", "detector", "tract")
    assert sorted(rows(results, "forced_source_dp1()", *names)) == [
        (7, 11, "r", False, True, 4, None),
        (7, 12, "g", False, False, 4, None),
        (8, 11, "r", False, True, 4, None),
        (8, 12, "g", False, False, 4, None),
    ]
    (row,) = rows(results, "forced_source_dp1() WHERE objectId = 7 AND visit = 12", "psfFlux", "psfDiffFlux")
    visit, difference = (
        results.execute(
            "SELECT psfFlux::FLOAT FROM forced_source WHERE id = 7 AND exposure_id = ?", [name]
        ).fetchall()
        for name in ("visit:12:4", "difference:12:4")
    )
    assert row == (visit[0][0], difference[0][0])
    assert row[0] != row[1]


def test_dp1_names_are_those_of_its_schema(results):
    # The 28 columns of ForcedSource and its kin in lsst/sdm_schemas, dp1.yaml.
    described = results.execute("DESCRIBE FROM forced_source_dp1('forced_source')").fetchall()
    assert [name for name, *_ in described] == [
        "objectId", "parentObjectId", "coord_ra", "coord_dec", "visit", "detector", "band",
        "psfFlux", "psfFluxErr", "psfFlux_flag", "psfDiffFlux", "psfDiffFluxErr", "psfDiffFlux_flag",
        "diff_PixelFlags_nodataCenter", "pixelFlags_bad", "pixelFlags_cr", "pixelFlags_crCenter",
        "pixelFlags_edge", "pixelFlags_interpolated", "pixelFlags_interpolatedCenter", "pixelFlags_nodata",
        "pixelFlags_saturated", "pixelFlags_saturatedCenter", "pixelFlags_suspect",
        "pixelFlags_suspectCenter", "invalidPsfFlag", "tract", "patch",
    ]  # fmt: skip
