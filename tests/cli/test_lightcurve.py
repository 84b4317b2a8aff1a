"""``forcedsql lightcurve`` on a small survey of visits."""

import json

import pyarrow.parquet as pq
import pytest

from forcedsql.database import connect, ingest
from forcedsql.runs import run
from forcedsql.simulate import SurveyDesign, simulate_epochs
from tests.readers.plain.plain_file import WCS, noise, write_one

VISITS = 6


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """Folder with visits of five objects in survey.duckdb, and their results in it and in files."""
    folder = tmp_path_factory.mktemp("visits")
    design = SurveyDesign(exposures=VISITS, objects=5, size=120, fields=1, years=1.0)
    files = simulate_epochs(folder, design)
    with connect(folder / "survey.duckdb") as con:
        ingest(con, files.exposures)
        for destination in ({}, {"out": folder / "results"}):
            run(con, files.objects, executor="thread", workers=1, **destination)
    return folder


@pytest.fixture(scope="module")
def star(visits):
    table = pq.read_table(visits / "object.parquet")
    return tuple(table[name][0].as_py() for name in ("objectId", "coord_ra", "coord_dec"))


def test_a_position_is_measured_on_every_exposure_and_drawn(cli, visits, star, tmp_path):
    plot = tmp_path / "curve.png"
    result = cli("lightcurve", visits / "survey.duckdb", *star[1:], "--format", "json", "--plot", plot)
    assert result.code == 0
    rows = json.loads(result.out)
    assert [row["mjd"] for row in rows] == sorted(row["mjd"] for row in rows)
    assert len(rows) == VISITS
    assert set(rows[0]) >= {
        "exposure_id",
        "kind",
        "band",
        "psfFlux",
        "flux_unit",
        "detected",
        "mag",
        "limit_flux",
    }
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert result.err == f"light curve plotted in {plot}\n"


@pytest.mark.parametrize("results", ["forced_source", "results"])
def test_an_objects_light_curve_comes_from_results_in_a_table_or_a_folder(cli, visits, star, results):
    place = visits / results if results == "results" else results
    options = ("--id", star[0], "--results", place, "--format", "json")
    stored = json.loads(cli("lightcurve", visits / "survey.duckdb", *options).out)
    now = json.loads(cli("lightcurve", visits / "survey.duckdb", *star[1:], "--format", "json").out)
    assert stored == now


@pytest.mark.parametrize(("bins", "most"), [("night", 2), ("week", 2)])
def test_means_over_nights_and_weeks(cli, visits, star, bins, most):
    options = ("--id", star[0], "--bin", bins, "--boundary", 0.7, "--format", "json")
    rows = json.loads(cli("lightcurve", visits / "survey.duckdb", *options).out)
    assert sum(row["n"] + row["n_flagged"] for row in rows) == VISITS
    assert max(row["n"] for row in rows) == most


def test_every_column_is_shown_on_request(cli, visits, star, tmp_path):
    out = tmp_path / "curve.parquet"
    result = cli("lightcurve", visits / "survey.duckdb", *star[1:], "--all", "-o", out)
    assert result.code == 0
    assert {"psfFlux_chi2", "ap12Flux", "pixelFlags_cr", "snr"} <= set(pq.read_schema(out).names)


def test_thresholds_are_options(cli, visits, star):
    options = ("--id", star[0], "--snt", "1e9", "--snu", 2, "--format", "json")
    rows = json.loads(cli("lightcurve", visits / "survey.duckdb", *options).out)
    good = [row for row in rows if not row["flagged"]]
    assert good
    assert all(row["limit_flux"] == 2.0 * row["psfFluxErr"] for row in good)


def test_a_place_off_every_exposure_has_no_rows_and_says_so(cli, visits):
    result = cli("lightcurve", visits / "survey.duckdb", 200.0, -5.5, "--format", "json")
    assert (result.code, json.loads(result.out)) == (0, [])
    assert result.err == "ra 200.000000, dec -5.500000: on no exposure\n"


@pytest.mark.parametrize("arguments", [(), (53.1,), (53.1, -28.1, "--id", 5)])
def test_a_position_or_an_id_is_needed(cli, visits, arguments):
    result = cli("lightcurve", visits / "survey.duckdb", *arguments)
    assert result.code == 2
    assert result.err == "forcedsql: give either RA and DEC, or --id\n"


def test_a_misspelt_option_is_no_declination(cli, visits):
    assert cli("lightcurve", visits / "survey.duckdb", 53.1, -28.1, "--plt").code == 2


def test_results_that_are_not_there_are_one_line(cli, visits, tmp_path):
    unknown = cli("lightcurve", visits / "survey.duckdb", "--id", 5, "--results", "nothing")
    assert unknown.code == 1
    assert "nothing does not exist" in unknown.err
    empty = cli("lightcurve", visits / "survey.duckdb", "--id", 5, "--results", tmp_path)
    assert empty.code == 3
    assert len((unknown.err + empty.err).splitlines()) == 2


@pytest.fixture
def nights(cli, tmp_path):
    """Database of two nights in the same place, one of them with its sky still in the image."""
    for name, level in (("bright", 100.0), ("dark", 0.0)):
        write_one(tmp_path / f"{name}.fits", noise() + level, MJD__OBS=60000.0)
    database = tmp_path / "nights.duckdb"
    cli("init", database)
    files = (tmp_path / "bright.fits", tmp_path / "dark.fits")
    assert cli("ingest", database, *files, "--psf", "gaussian:2.5", "--zeropoint", "31.4").code == 0
    return database


@pytest.mark.parametrize("bins", [(), ("--bin", "night")])
def test_a_sky_that_is_left_in_an_image_is_warned_about(cli, nights, bins):
    result = cli("lightcurve", nights, WCS["CRVAL1"], WCS["CRVAL2"], *bins)
    assert result.code == 0
    assert result.err == (
        "forcedsql: warning: the sky is still in the image of 1 exposure (bright) and in these fluxes; "
        "--set subtract_background=local, or mesh, takes it off\n"
    )


def test_a_sky_that_is_taken_off_needs_no_warning(cli, nights):
    result = cli("lightcurve", nights, WCS["CRVAL1"], WCS["CRVAL2"], "--set", "subtract_background=local")
    assert (result.code, result.err) == (0, "")
