"""Plain FITS images in the registry: opened again as they were ingested, or not at all."""

import json
import os

import duckdb
import numpy as np
import pytest
from astropy.io import fits

from forcedsql.database import connect, ingest, iter_noise
from forcedsql.open_options import OpenOptions
from forcedsql.resources import data_dir
from tests.readers.plain.plain_file import SHAPE, SIGMA, image_hdu, noise, write, write_one

FLAT = np.full(SHAPE, SIGMA**2, np.float32)
ERROR_OF_AP3 = "SELECT forced_phot('a', 150.0, 2.0).ap03FluxErr"


@pytest.fixture
def image(tmp_path):
    """An image with its rms beside it."""
    write_one(tmp_path / "a.fits", noise() + 10, BUNIT="adu", MAGZERO=31.4)
    fits.PrimaryHDU(np.sqrt(FLAT)).writeto(tmp_path / "a.rms.fits")
    return tmp_path / "a.fits"


def value(con, query):
    ((found,),) = con.execute(query).fetchall()
    return found


def test_what_was_taken_is_in_the_result_and_the_registry(con, image):
    (done,) = ingest(con, image)
    assert (done.status, done.exposure_id) == ("added", "a")
    assert done.origins["error"].startswith("rms, from a.rms.fits[0] (found by its name)")
    row = con.execute("SELECT error, mask, psf, zero_point, background FROM exposure_options").fetchall()[0]
    assert row == tuple(done.origins[name] for name in ("error", "mask", "PSF", "zero point", "background"))
    assert value(con, "SELECT flux_unit FROM exposure") == "nJy"
    assert value(con, "SELECT psf_kind FROM exposure") is None


def test_sql_measures_with_the_options_of_the_ingestion(con, image):
    ingest(con, image)
    before = value(con, ERROR_OF_AP3)
    (done,) = ingest(con, image, options=OpenOptions(zeropoint=31.4 - 2.5, psf="gaussian:3"))
    assert done.status == "replaced"
    assert value(con, ERROR_OF_AP3) == pytest.approx(10 * before, rel=1e-9)
    assert np.isfinite(value(con, "SELECT forced_phot('a', 150.0, 2.0).psfFlux"))


def test_a_database_opened_anew_knows_the_options(image, tmp_path):
    path = tmp_path / "registry.duckdb"
    with connect(path) as con:
        ingest(con, image, options=OpenOptions(zeropoint=28.9))
        before = value(con, ERROR_OF_AP3)
    with connect(path) as con:
        assert value(con, ERROR_OF_AP3) == before


def test_doing_it_again_changes_nothing_and_says_again_what_was_taken(con, image):
    (first,), (again,) = ingest(con, image), ingest(con, image)
    assert again.status == "unchanged"
    assert again.origins == first.origins


def test_relative_paths_mean_the_same_from_elsewhere(con, image, tmp_path, monkeypatch):
    fits.PrimaryHDU(2 * np.sqrt(FLAT)).writeto(tmp_path / "other.fits")
    monkeypatch.chdir(tmp_path)
    options = OpenOptions(error="other.fits", error_kind="rms")
    ingest(con, "a.fits", options=options)
    monkeypatch.chdir("/")
    assert value(con, ERROR_OF_AP3) > 0
    options = json.loads(value(con, "SELECT options FROM exposure_options"))
    assert options["error"] == f"{tmp_path}/other.fits[0]"


def test_a_file_that_comes_to_lie_beside_the_image_changes_nothing_until_it_is_ingested(con, image, tmp_path):
    ingest(con, image)
    before = value(con, ERROR_OF_AP3)
    fits.PrimaryHDU(1e-4 / FLAT).writeto(tmp_path / "a.weight.fits")
    with connect() as other:
        ingest(other, image)
        assert "relative weight" in value(other, "SELECT error FROM exposure_options")
    assert value(con, ERROR_OF_AP3) == before
    (done,) = ingest(con, image)
    assert done.status == "replaced"
    assert "relative weight" in done.origins["error"]


def test_an_error_image_that_has_changed_is_refused_by_name(con, image, tmp_path):
    ingest(con, image)
    error = tmp_path / "a.rms.fits"
    os.utime(error, ns=(1, 1))
    with pytest.raises(duckdb.InvalidInputException, match=r"a.rms.fits, which exposure 'a' is made of, has"):
        con.execute(ERROR_OF_AP3).fetchall()
    (done,) = ingest(con, image)
    assert done.status == "replaced"
    assert value(con, ERROR_OF_AP3) > 0
    error.unlink()
    with pytest.raises(duckdb.InvalidInputException, match="has changed or gone"):
        con.execute(ERROR_OF_AP3).fetchall()


def test_several_images_of_a_file_have_ids_of_their_own(con, tmp_path):
    path = write_one(tmp_path / "m.fits", BUNIT="adu", EXPNUM=5, CCDNUM=1)
    fits.append(path, noise(2), fits.Header({"CCDNUM": 2, "EXPNUM": 5}))
    numbers = {"visit": "EXPNUM", "detector": "CCDNUM"}
    for hdu in ("0", "1"):
        ingest(con, path, options=OpenOptions(science=hdu, **numbers))
    ids = con.execute("SELECT exposure_id FROM exposure ORDER BY ALL").fetchall()
    assert ids == [("visit:5:1",), ("visit:5:2",)]
    for hdu in ("0", "1"):
        (done,) = ingest(con, path, options=OpenOptions(science=hdu, **numbers))
        assert done.status == "unchanged"


def test_an_image_that_the_user_chose_from_a_file_is_an_exposure_of_its_own(con, tmp_path):
    path = write_one(tmp_path / "mosaic.fits", BUNIT="adu")
    fits.append(path, noise(2), fits.Header({"EXTNAME": "CCD2"}))
    for options in (None, OpenOptions(science="CCD2"), OpenOptions(science="CCD2")):
        ingest(con, path, options=options)
    ids = con.execute("SELECT exposure_id FROM exposure ORDER BY ALL").fetchall()
    assert ids == [("mosaic",), ("mosaic[CCD2]",)]


def test_the_image_that_a_survey_takes_goes_by_the_name_of_its_file(con, tmp_path):
    path = write(
        tmp_path / "jw.fits", image_hdu(name="SCI", BUNIT="adu"), image_hdu(np.sqrt(FLAT), name="ERR")
    )
    (done,) = ingest(con, path, options=OpenOptions.from_profile("jwst"))
    assert (done.status, done.exposure_id, done.error) == ("added", "jw", "")


def test_what_cannot_be_opened_so_is_a_failure_of_that_file(con, image, tmp_path):
    good = write_one(tmp_path / "b.fits", BUNIT="adu", GAIN=2.0)
    first, second = ingest(con, [image, good], options=OpenOptions(gain="GAIN", error_kind="none"))
    assert first.status == "failed"
    assert "neither a number nor a card" in first.error
    assert second.status == "added"


def test_options_for_files_that_describe_themselves_are_refused(con):
    visit_image = next((data_dir() / "survey").glob("visit_image*.fits"))
    (done,) = ingest(con, visit_image, options=OpenOptions(zeropoint=25.0))
    assert done.status == "failed"
    assert "options are for plain FITS images" in done.error


def test_the_noise_of_exposures_is_compared_with_their_skies(con, image, tmp_path):
    fits.PrimaryHDU(np.sqrt(FLAT)).writeto(tmp_path / "w.fits")
    ingest(con, image)
    wrong = OpenOptions(error=str(tmp_path / "w.fits"), error_kind="variance")
    ingest(con, write_one(tmp_path / "b.fits"), options=wrong)
    ingest(con, write_one(tmp_path / "c.fits"))
    (tmp_path / "c.fits").unlink()
    right, variance_for_rms, gone = iter_noise(con)
    assert right.ratio == pytest.approx(1.0, abs=0.05)
    # The variance is taken to be 5, and is 25.
    assert variance_for_rms.ratio == pytest.approx(np.sqrt(5), rel=0.05)
    assert "there is no such file" in gone.error
