"""Safe connections: what SQL of a database that somebody else made can reach."""

import os

import duckdb
import pytest

import forcedsql
from forcedsql.database.safety import Roots
from forcedsql.errors import ConfigError, DatabaseError
from forcedsql.writer import write_exposure
from tests.database.conftest import make_exposure

MEASURE = "SELECT (forced_phot('{}', 53.1, -28.1)).psfFlux"


@pytest.fixture
def survey(tmp_path):
    """A database with one exposure beside it, one elsewhere, and one by a link from inside to there."""
    inside, elsewhere = tmp_path / "survey", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    write_exposure(make_exposure(), inside / "here.fits")
    write_exposure(make_exposure(), elsewhere / "there.fits")
    (inside / "link.fits").symlink_to(elsewhere / "there.fits")
    database = inside / "survey.duckdb"
    with forcedsql.connect(database) as con:
        forcedsql.ingest(con, [inside / "here.fits", elsewhere / "there.fits"], exposure_id=["here", "there"])
        con.execute(
            "INSERT INTO exposure SELECT * REPLACE ('link' AS exposure_id, ? AS access_url) "
            "FROM exposure WHERE exposure_id = 'there'",
            [str(inside / "link.fits")],
        )
    return database


def test_an_exposure_beside_the_database_is_measured(survey):
    with forcedsql.connect(survey, safe=True) as con:
        assert con.execute(MEASURE.format("here")).fetchone()[0] == pytest.approx(5000.0, rel=0.05)


@pytest.mark.parametrize("name", ["there", "link"])
def test_an_exposure_outside_the_roots_is_refused_links_resolved(survey, name):
    with (
        forcedsql.connect(survey, safe=True) as con,
        pytest.raises(duckdb.Error, match=r"there\.fits, outside the folders .* may read .*survey"),
    ):
        con.execute(MEASURE.format(name)).fetchone()


def test_stated_roots_replace_the_databases_folder(survey):
    with forcedsql.connect(survey, safe=True, roots=[survey.parent.parent / "elsewhere"]) as con:
        assert con.execute(MEASURE.format("there")).fetchone()[0] is not None
        with pytest.raises(duckdb.Error, match=r"here\.fits, outside"):
            con.execute(MEASURE.format("here")).fetchone()


def test_a_side_file_outside_the_roots_is_refused(survey, tmp_path):
    from astropy.io import fits

    exposure = make_exposure()
    header = exposure.wcs.wcs.to_header()
    fits.writeto(survey.parent / "plain.fits", exposure.image, header)
    fits.writeto(tmp_path / "elsewhere" / "error.fits", exposure.variance, header)
    options = forcedsql.OpenOptions(
        error=str(tmp_path / "elsewhere" / "error.fits"), error_kind="variance", zeropoint=31.4
    )
    with forcedsql.connect(survey) as con:
        (done,) = forcedsql.ingest(
            con, [survey.parent / "plain.fits"], exposure_id=["plain"], options=options
        )
        assert done.status == "added", done.error
        # What is refused is not even looked into.
        error = tmp_path / "elsewhere" / "error.fits"
        status = error.stat()
        error.write_bytes(b"x" * status.st_size)
        os.utime(error, ns=(status.st_atime_ns, status.st_mtime_ns))
    with (
        forcedsql.connect(survey, safe=True) as con,
        pytest.raises(duckdb.Error, match=r"error\.fits, outside"),
    ):
        con.execute("SELECT (forced_phot('plain', 53.1, -28.1)).ap12Flux").fetchone()


@pytest.mark.parametrize(
    "query",
    [
        "FROM read_text('/etc/hostname')",
        "FROM read_csv('https://example.org/a.csv')",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "ATTACH '{folder}/other.duckdb'",
        "SET enable_external_access = true",
        "SET threads = 1",
        "SET allowed_directories = ['/']",
        "INSTALL httpfs",
        "FROM of_python",
    ],
)
def test_sql_reaches_no_files_no_network_and_no_settings(survey, query):
    of_python = [1]  # what a replacement scan would find
    assert of_python
    with forcedsql.connect(survey, safe=True) as con:
        with pytest.raises(duckdb.Error):
            con.execute(query.format(folder=survey.parent))
        assert con.execute("SELECT 1").fetchone() == (1,)
    assert not (survey.parent / "written.csv").exists()


def test_safe_and_unsafe_connections_of_a_process_do_not_mix(survey):
    with (
        forcedsql.connect(survey, safe=True),
        pytest.raises(DatabaseError, match="another configuration"),
    ):
        forcedsql.connect(survey)


def test_roots_without_safe_and_workers_with_it_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="set safe=True"):
        forcedsql.connect(roots=[tmp_path])
    with pytest.raises(ConfigError, match="leave workers out"):
        forcedsql.connect(safe=True, workers=1)
    with pytest.raises(DatabaseError, match="is not a folder"):
        Roots.of([tmp_path / "nothing"])
