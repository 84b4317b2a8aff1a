"""Light curves in Python: from the results of runs, from their files, and measured on the spot."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from forcedsql.database import (
    Binning,
    Thresholds,
    attach_results,
    connect,
    ingest,
    light_curve_at,
    light_curve_of,
)
from forcedsql.errors import ConfigError, DatabaseError, TableError
from forcedsql.runs import run
from forcedsql.simulate import SurveyDesign, simulate_epochs


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Nine visits of twenty objects, measured into a table and into files."""
    folder = tmp_path_factory.mktemp("curves")
    design = SurveyDesign(exposures=9, objects=20, size=120, fields=1, years=1.0)
    files = simulate_epochs(folder, design)
    with connect(folder / "survey.duckdb") as con:
        assert not any(file.error for file in ingest(con, files.exposures))
    for destination in ({"into": "forced_source"}, {"out": folder / "results"}):
        run(folder / "survey.duckdb", files.objects, executor="thread", workers=1, **destination)
    return files


@pytest.fixture(scope="module")
def folder(survey):
    return survey.objects.parent


@pytest.fixture
def con(folder):
    with connect(folder / "survey.duckdb", read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def star(survey):
    """Id, ra and dec of the supernova, which is in the middle of every image."""
    table = pq.read_table(survey.objects)
    return tuple(table[name][0].as_py() for name in ("objectId", "coord_ra", "coord_dec"))


def assert_same(one, other, columns):
    assert_frame_equal(
        *(table.select(sorted(columns)).to_pandas() for table in (one, other)), check_exact=True
    )


def test_results_in_a_table_and_in_files_and_a_measurement_now_are_the_same(con, folder, star):
    stored = light_curve_of(con, star[0])
    assert stored.num_rows == 9
    assert stored["mjd"].to_pylist() == sorted(stored["mjd"].to_pylist())
    attach_results(con, folder / "results", temporary=True)
    assert_same(
        light_curve_of(con, star[0], results="results"), stored, set(stored.column_names) - {"run_id"}
    )
    now = light_curve_at(con, *star[1:])
    assert set(stored.column_names) - set(now.column_names) == {"run_id", "id", "ra", "dec"}
    assert_same(now, stored, set(now.column_names))


def test_the_view_of_files_is_kept_in_the_database_and_sees_new_ones(survey, tmp_path):
    design = SurveyDesign(exposures=2, objects=3, size=100, fields=1)
    files = simulate_epochs(tmp_path, design)
    database, results = tmp_path / "survey.duckdb", tmp_path / "it's here"
    with connect(database) as con:
        ingest(con, files.exposures[:1])
        run(con, files.objects, executor="thread", workers=1, out=results)
        attach_results(con, results, "mine")
        ingest(con, files.exposures)
        run(con, files.objects, executor="thread", workers=1, out=results)
    star = pq.read_table(files.objects)["objectId"][0].as_py()
    with connect(database, read_only=True) as con:
        assert light_curve_of(con, star, results="mine").num_rows == 2


def test_nightly_means_are_those_of_the_points(con, star):
    points = light_curve_of(con, star[0])
    nights = light_curve_of(con, star[0], binning=Binning())
    night = np.floor(points["mjd"].to_numpy() - 0.5)
    bands = np.array(points["band"].to_pylist())
    for row in nights.to_pylist():
        here = (night == row["night"]) & (bands == row["band"]) & ~points["flagged"].to_numpy()
        assert row["psfFlux_flag"] == (not here.any())
        if not here.any():
            continue
        weight = points["psfFluxErr"].to_numpy()[here] ** -2
        assert row["psfFlux"] == pytest.approx(
            np.average(points["psfFlux"].to_numpy()[here], weights=weight), rel=1e-12
        )
    assert sum(nights["n"].to_pylist()) + sum(nights["n_flagged"].to_pylist()) == 9
    weeks = light_curve_of(con, star[0], binning=Binning.weekly())
    assert sum(weeks["n"].to_pylist()) == sum(nights["n"].to_pylist())
    assert {(night + 2) % 7 for night in weeks["night"].to_pylist()} == {0}


def test_thresholds_are_those_that_are_given(con, star):
    points = light_curve_of(con, star[0], thresholds=Thresholds(snt=1e9, snu=2.0))
    good = points.filter(points["limit_flux"].is_valid())
    assert good.num_rows > 0
    np.testing.assert_allclose(good["limit_flux"], 2.0 * good["psfFluxErr"].to_numpy(), rtol=1e-15)


def test_an_unknown_object_and_a_place_off_every_image_have_no_points(con, star):
    assert light_curve_of(con, 5).num_rows == 0
    assert light_curve_at(con, star[1] + 90.0, star[2]).num_rows == 0


def test_unknown_results_are_one_line(con):
    with pytest.raises(TableError, match="nothing_here does not exist") as caught:
        light_curve_of(con, 1, results="nothing_here")
    assert "\n" not in str(caught.value)


def test_a_view_needs_files_a_plain_path_and_a_free_name(con, tmp_path, folder):
    with pytest.raises(DatabaseError, match="no results in"):
        attach_results(con, tmp_path)
    with pytest.raises(DatabaseError, match="wildcards"):
        attach_results(con, tmp_path / "a[1]")
    with pytest.raises(DatabaseError, match="own tables"):
        attach_results(con, folder / "results", "Forced_Source")
    with pytest.raises(DatabaseError, match="read-only"):
        attach_results(con, folder / "results")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Binning(days=0),
        lambda: Binning(boundary=1.0),
        lambda: Thresholds(snt=0.0),
        lambda: Thresholds(snu=-1),
    ],
)
def test_bins_and_thresholds_must_make_sense(wrong):
    with pytest.raises(ConfigError):
        wrong()
