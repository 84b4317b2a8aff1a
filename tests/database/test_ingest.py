"""Exposures into the registry: idempotent, file by file, faults reported."""

import os

import duckdb
import pytest

from forcedsql.database import ingest, iter_ingest
from forcedsql.errors import DatabaseError
from forcedsql.psf.analytic import SingleGaussianPsf

from .conftest import Sky, make_exposure


def registered(con, *columns):
    return con.execute(f"SELECT {', '.join(columns)} FROM exposure ORDER BY exposure_id").fetchall()  # noqa: S608


@pytest.mark.parametrize(
    ("info", "exposure_id", "kind"),
    [
        ({"visit": 2024120600102, "detector": 4}, "visit:2024120600102:4", "visit_image"),
        (
            {"visit": 2024120600102, "detector": 4, "dataset_type": "difference_image"},
            "difference:2024120600102:4",
            "difference_image",
        ),
        ({"tract": 5063, "patch": "34"}, "coadd:5063:34:r", "deep_coadd"),
        ({"visit": 7}, "frame.r", "visit_image"),
        ({}, "frame.r", "image"),
    ],
)
def test_ids_come_from_what_the_exposure_says(con, exposure_file, info, exposure_id, kind):
    (result,) = ingest(con, exposure_file("frame.r.fits", make_exposure(**info)))
    assert (result.status, result.exposure_id, result.error) == ("added", exposure_id, "")
    assert registered(con, "exposure_id", "kind") == [(exposure_id, kind)]


@pytest.mark.parametrize("name", ["x.fits", "x.fits.gz", "x.fits.fz", "x"])
def test_the_file_name_is_the_id_without_its_suffix(con, exposure_file, name):
    assert ingest(con, exposure_file(name))[0].exposure_id == "x"


def test_the_row_says_what_the_exposure_is(con, exposure_file):
    path = exposure_file("a.fits", make_exposure(mjd=60000.5, exposure_time=30.0, physical_filter="r_03"))
    ingest(con, path)
    want = {
        "band": "r",
        "physical_filter": "r_03",
        "mjd": 60000.5,
        "t_exptime": 30.0,
        "width": 120,
        "height": 120,
        "x0": 0,
        "y0": 0,
        "psf_kind": SingleGaussianPsf(3, 3, 1.0).kind,
        "bunit": "nJy",
        "flux_unit": "nJy",
        "access_url": str(path),
        "file_size": path.stat().st_size,
    }
    assert registered(con, *want) == [tuple(want.values())]
    ((ra, dec, region),) = registered(con, "s_ra", "s_dec", "s_region")
    assert (ra, dec) == pytest.approx((53.1, -28.1), abs=1e-9)
    assert region.startswith("POLYGON ICRS ")


def test_doing_it_again_changes_nothing(con, exposure_file, opened):
    path = exposure_file("a.fits")
    ingest(con, path)
    before = registered(con, "*"), con.execute("FROM exposure_coverage ORDER BY ALL").fetchall()
    opened.clear()
    (result,) = ingest(con, path)
    assert (result.status, result.exposure_id) == ("unchanged", "a")
    assert opened == []
    assert (registered(con, "*"), con.execute("FROM exposure_coverage ORDER BY ALL").fetchall()) == before


def test_a_new_time_alone_is_no_change(con, exposure_file, opened):
    path = exposure_file("a.fits")
    ingest(con, path)
    os.utime(path, ns=(5, 5))
    opened.clear()
    assert ingest(con, path)[0].status == "unchanged"
    assert opened == []
    assert registered(con, "file_mtime_ns") == [(5,)]


def test_a_changed_file_replaces_its_row_and_coverage(con, exposure_file):
    path = exposure_file("a.fits")
    ingest(con, path)
    cells = con.execute("SELECT healpix FROM exposure_coverage").fetchall()
    assert exposure_file("a.fits", make_exposure(Sky(200.0, 40.0))) == path
    path.write_bytes(b"other pixels")
    assert ingest(con, path)[0].status == "replaced"
    assert registered(con, "round(s_ra, 6)") == [(200.0,)]
    assert not set(cells) & set(con.execute("SELECT healpix FROM exposure_coverage").fetchall())


def test_a_failing_file_is_reported_and_stops_nothing(con, exposure_file, tmp_path):
    text = tmp_path / "text.fits"
    text.write_text("not a FITS file")
    results = ingest(
        con, [exposure_file("a.fits"), text, tmp_path / "missing.fits", tmp_path, exposure_file("b.fits")]
    )
    assert [r.status for r in results] == ["added", "failed", "failed", "failed", "added"]
    for result, word in zip(results[1:4], ("text.fits", "missing.fits", str(tmp_path)), strict=True):
        assert word in result.error
        assert "\n" not in result.error
    assert registered(con, "exposure_id") == [("a",), ("b",)]


class TestConflicts:
    @pytest.fixture
    def two(self, con, exposure_file):
        first, second = exposure_file("first.fits"), exposure_file("second.fits")
        ingest(con, first, exposure_id="x")
        return con, first, second

    def test_the_newer_file_replaces(self, two):
        con, _, second = two
        assert ingest(con, second, exposure_id="x")[0].status == "replaced"
        assert registered(con, "access_url") == [(str(second),)]

    def test_keep_keeps(self, two):
        con, first, second = two
        assert ingest(con, second, exposure_id="x", on_conflict="keep")[0].status == "kept"
        assert registered(con, "access_url") == [(str(first),)]

    def test_error_fails_that_file(self, two):
        con, first, second = two
        (result,) = ingest(con, second, exposure_id="x", on_conflict="error")
        assert result.status == "failed"
        assert f"the id 'x' belongs to {first}" in result.error

    def test_two_files_of_one_call_never_take_each_others_id(self, two):
        con, first, second = two
        results = ingest(con, [first, second], exposure_id=["y", "y"])
        assert [r.status for r in results] == ["added", "failed"]

    def test_an_unknown_choice_is_refused(self, two):
        con, first, _ = two
        with pytest.raises(DatabaseError, match="on_conflict: 'maybe' is not one of"):
            ingest(con, first, on_conflict="maybe")


def test_one_file_may_have_two_ids(con, exposure_file):
    path = exposure_file("a.fits")
    results = ingest(con, [path, path], exposure_id=["x", "y"])
    assert [r.status for r in results] == ["added", "added"]


def test_as_many_ids_as_files(con, exposure_file):
    with pytest.raises(DatabaseError, match="1 exposure ids for 2 files"):
        ingest(con, [exposure_file("a.fits"), exposure_file("b.fits")], exposure_id="x")


def test_results_come_one_by_one(con, exposure_file):
    results = iter_ingest(con, [exposure_file("a.fits"), exposure_file("b.fits")])
    assert next(results).exposure_id == "a"
    assert registered(con, "exposure_id") == [("a",)]
    results.close()


def test_an_odd_id_is_only_an_id(con, exposure_file):
    odd = "x'; DROP TABLE exposure; --"
    ingest(con, exposure_file("a.fits"), exposure_id=odd)
    assert registered(con, "exposure_id") == [(odd,)]
    assert con.execute("SELECT (forced_phot(?, 53.1, -28.1)).psfFlux_flag", [odd]).fetchall() == [(False,)]


def test_it_stays_done_when_the_caller_rolls_back(con, exposure_file):
    con.begin()
    ingest(con, exposure_file("a.fits"))
    con.rollback()
    assert registered(con, "exposure_id") == [("a",)]


def test_an_exposure_without_projection_is_registered_without_a_place(con, exposure_file):
    exposure = make_exposure()
    object.__setattr__(exposure, "wcs", None)
    assert ingest(con, exposure_file("a.fits", exposure))[0].status == "added"
    assert registered(con, "s_ra", "s_region", "footprint") == [(None, None, None)]
    assert con.execute("SELECT count(*) FROM exposure_coverage").fetchall() == [(0,)]


def test_an_unknown_psf_is_named(con, exposure_file):
    exposure = make_exposure()
    object.__setattr__(exposure, "psf", None)
    object.__setattr__(exposure, "unsupported", {"psf": "StrangePsf"})
    ingest(con, exposure_file("a.fits", exposure))
    assert registered(con, "psf_kind") == [("StrangePsf",)]


def test_a_plain_connection_is_refused(exposure_file):
    with (
        duckdb.connect() as con,
        pytest.raises(DatabaseError, match=r"no registry; open it with forcedsql.connect"),
    ):
        ingest(con, exposure_file("a.fits"))


def test_a_reference_exposure(con, reference):
    (result,) = ingest(con, reference / "singlegauss_tan" / "exposure.fits")
    assert result.status == "added"
    assert registered(con, "width", "height", "psf_kind", "flux_unit") == [
        (600, 600, "SingleGaussianPsf", "nJy")
    ]
