"""Light curves of a simulated survey against its truth, with the statistics that normal noise has.

Forty-eight exposures by default; with FORCEDSQL_FULL_SURVEY=1 the whole one, 200 exposures of 20,000
objects with its bad files, which takes minutes.
"""

import os

import numpy as np
import pytest
from scipy.stats import norm

from forcedsql.config import MeasurementConfig
from forcedsql.database import Thresholds, connect, ingest, light_curve_of
from forcedsql.runs import run
from forcedsql.simulate import SurveyDesign, simulate_epochs

FULL = os.environ.get("FORCEDSQL_FULL_SURVEY") == "1"
DESIGN = SurveyDesign() if FULL else SurveyDesign(exposures=48, objects=140, size=280, fields=1)
CONFIG = MeasurementConfig(radii=(12.0,))


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    """The survey measured, as table `point`: a row per measurement of the PSF flux, and its truth."""
    folder = tmp_path_factory.mktemp("survey")
    files = simulate_epochs(folder, DESIGN, bad_files=FULL)
    with connect(folder / "survey.duckdb", config=CONFIG) as con:
        ingested = ingest(con, files.exposures)
        failed = {file.path for file in ingested if file.error}
        assert failed == {path for path, fault in files.bad.items() if fault != "no PSF"}
        run(con, files.objects, into="measured", executor="thread", workers=1)
        con.execute("CREATE TABLE truth AS FROM read_parquet(?)", [str(files.fluxes)])
        con.execute(
            "CREATE TABLE point AS SELECT f.*, t.flux, t.band, o.kind, "
            "(f.psfFlux - t.flux) / f.psfFluxErr AS pull "
            "FROM flagged_light_curve(measured) f JOIN exposure e USING (exposure_id) "
            "JOIN truth t ON (t.objectId, t.visit, t.detector) = (f.id, e.visit, e.detector) "
            "JOIN read_parquet($objects) o ON o.objectId = f.id",
            {"objects": str(files.truth)},
        )
        yield con


def columns(con, query, *expressions):
    table = con.sql(f"SELECT {', '.join(expressions)} FROM {query}").to_arrow_table()  # noqa: S608 - our own
    return [np.asarray(column, dtype=np.float64) for column in table.columns]


def report(text):
    print(f"\n{text}")


def test_every_object_has_a_row_on_every_exposure_that_holds_it(con):
    ((missing, total),) = con.execute(
        "SELECT count(*) FILTER (p.id IS NULL), count(*) FROM truth t "
        "JOIN exposure e ON (e.visit, e.detector) = (t.visit, t.detector) "
        "LEFT JOIN point p ON (p.id, p.exposure_id) = (t.objectId, e.exposure_id)"
    ).fetchall()
    ((flagged,),) = con.execute("SELECT count(*) FROM point WHERE flagged AND NOT invalidPsfFlag").fetchall()
    report(f"{total:,} points, {flagged / total:.1%} flagged although there is a PSF")
    assert missing == 0
    # Borders, and six cosmic rays per exposure.
    assert 0 < flagged < 0.25 * total


def test_constant_stars_are_constant(con):
    chi2, dof = columns(
        con,
        "(SELECT sum(weight * pow(psfFlux - mean, 2)) AS chi2, count(*) - 1 AS dof FROM ("
        "SELECT *, sum(weight * psfFlux) OVER star / sum(weight) OVER star AS mean FROM ("
        "SELECT *, pow(psfFluxErr, -2) AS weight FROM point WHERE kind = 'constant' AND NOT flagged) "
        "WINDOW star AS (PARTITION BY id, band)) GROUP BY id, band HAVING count(*) > 1)",
        "chi2",
        "dof",
    )
    reduced, total = chi2.sum() / dof.sum(), dof.sum()
    report(f"chi2/dof of {len(chi2):,} constant light curves: {reduced:.5f} with {total:,.0f} dof")
    # Two standard deviations of chi2/dof, which is sqrt(2 / total) of normal noise.
    assert abs(reduced - 1.0) < 4.0 / np.sqrt(2.0 * total)


@pytest.mark.parametrize("kind", ["supernova", "high_proper_motion", "variable"])
def test_what_changes_is_measured_without_bias(con, kind):
    (pull,) = columns(con, f"point WHERE kind = '{kind}' AND NOT flagged", "pull")
    report(f"{kind}: mean pull {pull.mean():+.4f} +- {len(pull) ** -0.5:.4f}, width {pull.std():.4f}")
    assert abs(pull.mean()) < 4.0 / np.sqrt(len(pull))
    assert abs(pull.var() - 1.0) < 4.0 * np.sqrt(2.0 / len(pull))


def test_the_supernova_is_not_there_before_and_seen_after(con):
    ((star,),) = con.execute("SELECT DISTINCT id FROM point WHERE kind = 'supernova'").fetchall()
    curve = light_curve_of(con, star, results="measured", thresholds=Thresholds(snt=5.0))
    detected = np.array([value is True for value in curve["detected"].to_pylist()])
    lit = {
        row[0]
        for row in con.execute(
            "SELECT exposure_id FROM point WHERE kind = 'supernova' AND flux > 0.0"
        ).fetchall()
    }
    after = np.array([exposure_id in lit for exposure_id in curve["exposure_id"].to_pylist()])
    # At five sigma there is no false alarm in a million.
    assert not (detected & ~after).any()
    assert np.count_nonzero(~after) > 5
    assert np.count_nonzero(detected) > 5


@pytest.mark.parametrize("snu", [3.0, 5.0])
def test_upper_limits_contain_the_truth_at_the_rate_they_should(con, snu):
    truth, error, limited, missed = columns(
        con,
        f"light_curve_limits(point, snu := {snu}) WHERE NOT flagged",
        "flux",
        "psfFluxErr",
        "limit_flux IS NOT NULL",
        "coalesce(flux > limit_flux, false)",
    )
    strength = truth / error
    # A flux of S sigma has a limit where S plus normal noise is below 3 ...
    below = norm.cdf(3.0 - strength)
    expect_binomial("limits", limited, below)
    # ... which misses the truth where that is above it.
    expect_binomial(f"limits of {snu:g} sigma below the truth", missed, np.where(strength > snu, below, 0.0))


def expect_binomial(what, happened, chance):
    """Compare a number of events with what independent chances give, at four standard deviations."""
    expected, spread = chance.sum(), np.sqrt(np.sum(chance * (1.0 - chance)))
    report(f"{what}: {happened.sum():,.0f} of {len(happened):,}, expected {expected:,.1f} +- {spread:.1f}")
    assert abs(happened.sum() - expected) < 4.0 * spread
