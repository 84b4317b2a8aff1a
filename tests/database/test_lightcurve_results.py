"""The macros that take light curves from results of runs, and DP1's names for them."""

import pytest

from forcedsql.database import ingest
from tests.database.conftest import Sky, make_exposure


def rows(con, query, *names):
    return con.execute(f"SELECT {', '.join(names)} FROM {query}").fetchall()  # noqa: S608 - our own


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
