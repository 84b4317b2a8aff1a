"""The functions that look at pixels: against direct calls, with hostile rows, in few calls."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import by_exposure, connect, ingest, measuring
from forcedsql.database.chunks import groups_by_id
from forcedsql.measure.driver import measure_positions
from forcedsql.schema import lsst_names, source_columns, struct_type

from .conftest import Sky, make_exposure

HOSTILE = pa.table(
    {
        "ra": [53.1, None, np.nan, np.inf, -np.inf, 233.1, 53.1, 0.0, 360.0, 1e300, 53.1],
        "dec": [-28.1, -28.1, 1.0, 2.0, 3.0, 28.1, 90.0, -90.0, -28.1, -28.1, 123.0],
    }
)


@pytest.fixture
def survey(con, exposure_file) -> duckdb.DuckDBPyConnection:
    """A connection that knows exposure 'a' and, half a field beside it, 'b'."""
    ingest(con, exposure_file("a.fits", make_exposure()))
    ingest(con, exposure_file("b.fits", make_exposure(Sky(53.103), seed=2)))
    return con


@pytest.fixture
def evaluated(monkeypatch) -> list[int]:
    """Number of rows that DuckDB hands over in each call of a function."""
    counts: list[int] = []

    def counted(ids):
        counts.append(len(ids))
        return groups_by_id(ids)

    monkeypatch.setattr(by_exposure, "groups_by_id", counted)
    return counts


def random_positions(n: int, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 53.1 + rng.uniform(-0.003, 0.003, n), -28.1 + rng.uniform(-0.003, 0.003, n)


def structs(con, query: str, points: pa.Table | None = None) -> dict[str, np.ndarray]:
    if points is not None:
        con.register("points", points)
    array = con.sql(f"SELECT {query}").to_arrow_table()["m"].combine_chunks()
    flat = pa.Table.from_struct_array(array)
    return {name: flat[name].to_numpy() for name in flat.column_names}


def assert_same(got, want):
    for name, values in want.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


def test_the_struct_is_that_of_the_schema(survey):
    m = survey.sql("SELECT forced_phot('a', 53.1, -28.1) AS m").to_arrow_table().schema.field("m")
    want = struct_type(MeasurementConfig())
    assert [(f.name, f.type) for f in m.type] == [(f.name, f.type) for f in want]


def test_it_equals_the_direct_call(survey):
    ra, dec = random_positions(5000)
    points = pa.table({"ra": ra, "dec": dec})
    got = structs(survey, "forced_phot('a', ra, \"dec\") AS m FROM points", points)
    assert_same(got, measure_positions(make_exposure(), ra, dec, MeasurementConfig()))


def test_any_mix_of_exposures_goes_to_the_right_rows(survey, calls):
    ra, dec = random_positions(300)
    which = np.array(["a", "b", None])[np.random.default_rng(9).integers(0, 3, 300)]
    points = pa.table({"e": which.tolist(), "ra": ra, "dec": dec})
    survey.register("points", points)
    array = (
        survey.sql('SELECT forced_phot(e, ra, "dec") AS m FROM points').to_arrow_table()["m"].combine_chunks()
    )
    assert len(calls) == 2
    none = which == None  # noqa: E711 - element by element
    np.testing.assert_array_equal(array.is_null().to_numpy(zero_copy_only=False), none)
    flux = array.field("psfFlux").to_numpy(zero_copy_only=False)
    for name, exposure in (("a", make_exposure()), ("b", make_exposure(Sky(53.103), seed=2))):
        rows = which == name
        direct = measure_positions(exposure, ra[rows], dec[rows], MeasurementConfig())
        # Rows of one call are batched together: sums may be ordered otherwise, to rounding.
        np.testing.assert_allclose(flux[rows], direct["psfFlux"], rtol=1e-12)


def test_hostile_positions_are_flagged_and_keep_their_rows(survey):
    points = HOSTILE
    got = structs(survey, "forced_phot('a', ra, \"dec\") AS m FROM points", points)
    assert len(got["psfFlux"]) == HOSTILE.num_rows
    assert not got["psfFlux_flag"][0]
    assert np.isfinite(got["psfFlux"][0])
    assert got["psfFlux_flag"][1:].all()
    assert np.isnan(got["psfFlux"][1:]).all()


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "DECIMAL(12, 6)"])
def test_coordinates_of_any_number_type(survey, kind):
    ((flux, flag),) = survey.execute(
        f"SELECT m.psfFlux, m.psfFlux_flag FROM (SELECT forced_phot('a', 53.1::{kind}, -28.1::{kind}) AS m)"  # noqa: S608
    ).fetchall()
    assert not flag
    # A FLOAT coordinate is rounded by up to 2e-6 deg, a twentieth of a pixel here.
    assert flux == pytest.approx(5000.0, rel=0.05)


def test_integers_are_coordinates(survey):
    assert survey.execute("SELECT (forced_phot('a', 53, -28)).pixelFlags_offimage").fetchall() == [(True,)]


def test_an_unknown_exposure_is_one_line_that_says_what_to_do(survey):
    with pytest.raises(duckdb.InvalidInputException) as caught:
        survey.execute("SELECT forced_phot('nope', 1, 2)").fetchall()
    first = str(caught.value).splitlines()[0]
    assert "no exposure 'nope' is registered in the database in memory" in first
    assert "forcedsql.ingest adds one" in first


def test_a_path_is_not_an_exposure(survey, exposure_file):
    path = exposure_file("c.fits")
    with pytest.raises(duckdb.InvalidInputException, match="no exposure"):
        survey.execute("SELECT forced_phot(?, 1, 2)", [str(path)]).fetchall()


def test_a_file_that_is_gone_says_so(con, exposure_file):
    path = exposure_file("a.fits")
    ingest(con, path)
    path.unlink()
    with pytest.raises(duckdb.InvalidInputException, match=r"'a' cannot be read.*put it back or ingest it"):
        con.execute("SELECT forced_phot('a', 53.1, -28.1)").fetchall()


def test_a_file_that_changed_says_so(con, exposure_file):
    path = exposure_file("a.fits")
    ingest(con, path)
    path.write_bytes(b"PIXELS of a.fits")
    with pytest.raises(duckdb.InvalidInputException, match="has changed since it was ingested"):
        con.execute("SELECT forced_phot('a', 53.1, -28.1)").fetchall()


def test_a_copied_file_with_another_time_is_still_the_same(con, exposure_file):
    import os

    path = exposure_file("a.fits")
    ingest(con, path)
    os.utime(path, ns=(1, 1))
    assert len(con.execute("SELECT forced_phot('a', 53.1, -28.1)").fetchall()) == 1


def test_an_interrupt_inside_a_function_has_a_text(survey, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "measure_positions", interrupted)
    with pytest.raises(duckdb.InvalidInputException, match="interrupted"):
        survey.execute("SELECT forced_phot('a', 53.1, -28.1)").fetchall()


def test_an_exposure_is_opened_once_for_many_queries(con, exposure_file, opened):
    ingest(con, exposure_file("a.fits"))
    opened.clear()
    for _ in range(3):
        con.execute("SELECT forced_phot('a', 53.1, -28.1), psf_image('a', 50, 50)").fetchall()
    assert len(opened) == 1


class TestCalls:
    @pytest.fixture
    def at(self, survey):
        ra, dec = random_positions(5000)
        table = pa.table({"id": np.arange(5000), "ra": ra, "dec": dec})
        survey.register("points", table)
        yield table
        survey.unregister("points")

    def test_all_fields_come_of_one_call_per_chunk(self, survey, at, calls):
        survey.sql("SELECT unnest(forced_phot('a', ra, \"dec\")) FROM points").to_arrow_table()
        assert sum(calls) == 5000
        assert max(calls) <= 2048

    def test_unused_columns_cost_nothing(self, survey, at, calls):
        survey.sql("SELECT id FROM forced_photometry('a', points)").to_arrow_table()
        assert calls == []

    def test_a_limit_comes_first(self, survey, at, calls):
        survey.sql("FROM forced_photometry('a', points) LIMIT 10").to_arrow_table()
        assert sum(calls) <= 2048

    def test_a_filter_on_the_result_measures_each_row_once(self, survey, at, calls):
        query = "SELECT id, psfFlux FROM forced_photometry('a', points) WHERE psfFlux > 0"
        kept = survey.sql(query).to_arrow_table()
        assert 1000 < kept.num_rows < 5000
        assert sum(calls) == 5000
        direct = measure_positions(
            make_exposure(), at["ra"].to_numpy(), at["dec"].to_numpy(), MeasurementConfig()
        )["psfFlux"]
        np.testing.assert_array_equal(kept["psfFlux"].to_numpy(), direct[kept["id"].to_numpy()])

    @pytest.mark.parametrize(
        "query",
        [
            "FROM forced_photometry('a', points) WHERE psfFlux > 0",
            "SELECT psfFlux, x FROM forced_photometry('a', points) WHERE psfFlux > 0 AND psfFluxErr > 0",
            "FROM forced_measurement('a', points) WHERE base_PsfFlux_flux > 0 ORDER BY objectId",
            "SELECT id FROM forced_photometry('a', points) JOIN points USING (id) WHERE psfFlux > 0",
        ],
    )
    def test_a_macro_evaluates_each_row_once_whatever_is_asked_of_its_result(
        self, survey, at, evaluated, query
    ):
        # Workers divide the rows of each call anew, and would measure those of a second call again.
        assert 1000 < survey.sql(query).to_arrow_table().num_rows < 5000
        assert sum(evaluated) == 5000

    def test_a_filter_on_the_positions_comes_before_the_measurement(self, survey, at, evaluated):
        survey.sql("FROM forced_photometry('a', points) WHERE id < 10").to_arrow_table()
        assert sum(evaluated) == 10


def test_the_lsst_struct_has_the_same_values_under_its_names(survey):
    source = structs(survey, "forced_phot('a', 53.1, -28.1) AS m")
    lsst = structs(survey, "forced_phot_lsst('a', 53.1, -28.1) AS m")
    pairs = lsst_names(MeasurementConfig())
    assert list(lsst) == [name for name, _ in pairs]
    for name, column in pairs:
        np.testing.assert_array_equal(lsst[name], source[column.source])


def test_pixels_and_sky_are_the_projections(survey):
    wcs = make_exposure().require_wcs()
    ra, dec = random_positions(50)
    points = pa.table({"ra": ra, "dec": dec})
    x, y = wcs.sky_to_pixel(ra, dec)
    assert_same(structs(survey, "sky_to_pixel('a', ra, \"dec\") AS m FROM points", points), {"x": x, "y": y})
    pix = pa.table({"x": x, "y": y})
    back = structs(survey, "pixel_to_sky('a', x, y) AS m FROM points", pix)
    # A round trip through pixels: 1e-10 deg is 4e-7 arcsec.
    np.testing.assert_allclose(back["ra"], ra, atol=1e-10)
    np.testing.assert_allclose(back["dec"], dec, atol=1e-10)


def test_a_missing_position_projects_to_nan_and_a_missing_exposure_to_null(survey):
    ((one, two),) = survey.execute("SELECT sky_to_pixel('a', NULL, 1), sky_to_pixel(NULL, 1, 1)").fetchall()
    assert np.isnan([one["x"], one["y"]]).all()
    assert two is None


def test_the_psf_image_is_that_of_the_model(survey):
    images = make_exposure().psf.images(np.array([50.25]), np.array([40.5]))
    ((got,),) = survey.execute("SELECT psf_image('a', 50.25, 40.5)").fetchall()
    np.testing.assert_array_equal(np.array(got), images.values[0])
    assert np.sum(got) == pytest.approx(1.0, abs=1e-3)


def test_a_psf_image_at_no_position_is_null(survey):
    assert survey.execute("SELECT psf_image('a', 'nan', 1), psf_image(NULL, 1, 1)").fetchall() == [
        (None, None)
    ]


def test_a_cutout_is_the_image_around_the_position(survey):
    exposure = make_exposure()
    x, y = exposure.wcs.sky_to_pixel(np.array([53.1005]), np.array([-28.1003]))
    column, row = int(np.floor(x[0] + 0.5)), int(np.floor(y[0] + 0.5))
    for size in (1, 4, 7):
        ((got,),) = survey.execute("SELECT cutout('a', 53.1005, -28.1003, ?)", [size]).fetchall()
        low, high = size // 2, size - size // 2
        want = exposure.image[row - low : row + high, column - low : column + high]
        np.testing.assert_array_equal(np.array(got), want)


def test_a_cutout_over_the_edge_is_nan_there(survey):
    ra, dec = make_exposure().wcs.pixel_to_sky(np.array([0.0]), np.array([119.0]))
    ((got,),) = survey.execute("SELECT cutout('a', ?, ?, 3)", [ra[0], dec[0]]).fetchall()
    np.testing.assert_array_equal(np.isnan(got), [[1, 0, 0], [1, 0, 0], [1, 1, 1]])


def test_cutouts_of_several_sizes_and_rows_keep_their_order(survey):
    rows = survey.execute(
        "SELECT len(cutout(e, 53.1, -28.1, s)) FROM (VALUES (1, 'a', 3), (2, NULL, 3), (3, 'b', 5),"
        " (4, 'a', NULL), (5, 'a', 5)) v(i, e, s) ORDER BY i"
    ).fetchall()
    assert rows == [(3,), (None,), (5,), (None,), (5,)]


@pytest.mark.parametrize("size", [0, -3, 2000])
def test_an_unusable_cutout_size_is_refused(survey, size):
    with pytest.raises(duckdb.InvalidInputException, match="is not between 1 and 1024 pixels"):
        survey.execute("SELECT cutout('a', 53.1, -28.1, ?)", [size]).fetchall()


def test_cutouts_that_would_fill_the_memory_are_refused(survey):
    with pytest.raises(duckdb.InvalidInputException, match="more than 1 GiB; add a LIMIT"):
        survey.execute("SELECT cutout('a', 53.1 + range * 1e-9, -28.1, 1000) FROM range(2000)").fetchall()


def test_an_exposure_without_psf_cannot_show_one(con, exposure_file):
    exposure = make_exposure()
    object.__setattr__(exposure, "psf", None)
    ingest(con, exposure_file("a.fits", exposure))
    with pytest.raises(duckdb.InvalidInputException, match="has no PSF"):
        con.execute("SELECT psf_image('a', 1, 1)").fetchall()


def test_off_image_raise_names_the_trouble(exposure_file):
    with connect(config=MeasurementConfig(off_image="raise")) as con:
        ingest(con, exposure_file("a.fits"))
        with pytest.raises(duckdb.InvalidInputException, match="OffImageError"):
            con.execute("SELECT forced_phot('a', 10, 10)").fetchall()


def test_every_column_of_the_configuration_is_there(exposure_file):
    config = MeasurementConfig(radii=(2.5, 20.0), masks_footprint=("STREAK",))
    names = [c.source for c in source_columns(config)]
    with connect(config=config) as con:
        columns = con.sql("SELECT unnest(forced_phot(NULL, 1, 1))").columns
    assert columns == names
