"""The macros of light curves, on rows whose answers are known."""

import numpy as np
import pytest

from forcedsql.database import connect

BOOLEANS = (
    "psfFlux_flag", "pixelFlags_bad", "pixelFlags_cr", "pixelFlags_edge", "pixelFlags_interpolated",
    "pixelFlags_nodata", "pixelFlags_offimage", "pixelFlags_saturated", "pixelFlags_suspect",
)  # fmt: skip

POINT = ("mjd", "psfFlux", "psfFluxErr")


@pytest.fixture(scope="module")
def con():
    """One connection for all: each test makes its tables anew."""
    with connect() as connection:
        yield connection


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
    con.execute("CREATE OR REPLACE TABLE nights AS FROM nightly_light_curve(curve)")
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
