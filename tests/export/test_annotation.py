"""Where units come from: comments, what is measured, and never where something was computed."""

from dataclasses import replace

import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, ingest
from forcedsql.export.selection import selected
from forcedsql.tables import field_metadata
from tests.database.conftest import exposure_file, make_exposure, opened  # noqa: F401 - fixtures


def _said(con, source):
    with selected(con, source, {}) as rows:
        return {field.name: field_metadata(field) for field in rows.schema}


def _units(con, source):
    return {name: said.get("unit") for name, said in _said(con, source).items()}


def test_a_tables_comments_are_taken_apart(con):
    said = _said(con, "star")
    assert said["ra"]["unit"] == "deg"
    assert said["psfFlux"]["description"] == "flux of the star"
    assert said["band"] == {"description": "name of the band"}


def test_what_a_comment_does_not_say_of_a_measured_column_the_schema_does(con):
    assert _said(con, "star")["psfFlux"]["ucd"] == "phot.flux;instr.det.psf"


@pytest.mark.parametrize(
    ("query", "unit"),
    [
        ("SELECT psfFlux AS f FROM star", "nJy"),
        ("SELECT psfFlux::FLOAT AS f FROM star", "nJy"),
        ("SELECT s.psfFlux AS f FROM star s JOIN star USING (id)", "nJy"),
        ("SELECT PSFFLUX AS f FROM STAR", "nJy"),
        ("SELECT f FROM (SELECT psfFlux AS f FROM star)", "nJy"),
        ("WITH s AS (SELECT psfFlux AS g FROM star) SELECT g AS f FROM s", "nJy"),
        ("SELECT psfFlux AS f FROM star UNION ALL SELECT psfFlux FROM star", "nJy"),
        ("SELECT psfFlux / 1000 AS f FROM star", None),
        ("SELECT -psfFlux AS f FROM star", None),
        ("SELECT psfFlux / 1000 AS psfFlux, psfFlux AS f FROM star", "nJy"),
        ("SELECT f FROM (SELECT psfFlux / 1000 AS f FROM star)", None),
        ("WITH s AS (SELECT psfFlux / 1000 AS f FROM star) FROM s", None),
        ("SELECT psfFlux AS f FROM (SELECT psfFlux / 1000 AS psfFlux FROM star)", None),
        ("SELECT psfFlux AS f FROM star UNION ALL SELECT psfFlux * 2 AS f FROM star", None),
        ("SELECT ra AS f FROM (SELECT * REPLACE (ra * 15 AS ra) FROM star)", None),
    ],
)
def test_a_column_keeps_its_unit_when_renamed_or_cast_and_loses_it_when_computed(con, query, unit):
    assert _units(con, query)["f"] == unit


def test_units_of_two_tables_that_contradict_each_other_drop_out(con):
    con.execute("CREATE TABLE other AS SELECT id, psfFlux * 1e-3 AS psfFlux FROM star")
    con.execute("COMMENT ON COLUMN other.psfFlux IS 'flux [uJy]'")
    query = "SELECT star.ra, other.psfFlux FROM star JOIN other USING (id)"
    assert _units(con, query) == {"ra": "deg", "psfFlux": None}


def test_a_view_may_have_comments_of_its_own(con):
    con.execute("CREATE VIEW v AS SELECT id AS n, psfFlux * 2 AS double FROM star")
    con.execute("COMMENT ON COLUMN v.double IS 'twice the flux [nJy]'")
    assert _said(con, "v") == {"n": {}, "double": {"description": "twice the flux", "unit": "nJy"}}


@pytest.mark.parametrize(
    ("name", "definition", "unit"),
    [
        ("v", "AS SELECT id, psfFlux AS f FROM star", "nJy"),
        ("v", "AS SELECT id, psfFlux * 2 AS f FROM star", None),
        ("v", "AS WITH s AS (SELECT psfFlux AS f FROM star) FROM s", "nJy"),
        # what such a head names is not looked into
        ("v", "(f) AS SELECT psfFlux FROM star", None),
        ('"v AS w"', "AS SELECT psfFlux AS f FROM star", None),
    ],
)
def test_views_are_looked_through(con, name, definition, unit):
    con.execute(f"CREATE VIEW {name} {definition}")
    assert _units(con, f"SELECT f FROM {name}")["f"] == unit  # noqa: S608 - ours
    assert _units(con, f"SELECT f / 2 AS f FROM {name}")["f"] is None  # noqa: S608 - ours


def test_plain_names_mean_nothing_without_a_measured_flux_beside_them(con):
    assert _units(con, "SELECT 1.0 AS x, 2.0 AS height") == {"x": None, "height": None}
    con.execute("CREATE TABLE plain AS SELECT 1.0 AS x, 2.0 AS mjd")
    assert _units(con, "plain") == {"x": None, "mjd": None}


@pytest.fixture
def survey(exposure_file):  # noqa: F811 - the fixture
    """A connection with an exposure in nJy, and one in counts."""

    def connected(*files: str, **options):
        con = connect(**options)
        ingest(con, [exposure_file(f"{unit}.fits", replace(make_exposure(), unit=unit)) for unit in files])
        con.execute('CREATE TABLE p AS SELECT 1 AS id, 53.1 AS ra, -28.1 AS "dec"')
        return con

    return connected


def test_measured_columns_have_the_units_of_what_is_registered(survey):
    with survey("nJy") as con:
        units = _units(con, "FROM forced_photometry('nJy', p)")
        assert (units["psfFlux"], units["x"], units["ra"]) == ("nJy", "pix", "deg")
        lsst = _units(con, "FROM forced_measurement('nJy', p)")
        assert (lsst["base_PsfFlux_flux"], lsst["coord_ra"]) == ("nJy", "rad")
        curve = _units(con, "FROM forced_lightcurve(53.1, -28.1)")
        assert (curve["ap12Flux"], curve["mjd"]) == ("nJy", "d")


def test_fluxes_of_exposures_in_different_units_have_none(survey):
    with survey("nJy", "adu") as con:
        units = _units(con, "FROM forced_lightcurve(53.1, -28.1)")
        assert (units["psfFlux"], units["x"]) == (None, "pix")


def test_uncalibrated_fluxes_are_in_the_images_unit(survey):
    with survey("adu", config=MeasurementConfig(calibrate="never")) as con:
        assert _units(con, "FROM forced_lightcurve(53.1, -28.1)")["psfFlux"] == "adu"
