"""The files in data/: whole, small, what their recipe gives, and what forced photometry finds."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from forcedsql import MeasurementConfig, open_exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.resources import data_dir
from forcedsql.simulate import simulate_survey

DATA = data_dir()
SURVEY = DATA / "survey"
COADD = SURVEY / "deep_coadd_5063_14_i.fits"
VISIT = SURVEY / "visit_image_2024120600102_4_i.fits"


def test_the_files_are_those_of_the_checksums():
    lines = (DATA / "SHA256SUMS").read_text().splitlines()
    listed = dict(reversed(line.split()) for line in lines)
    assert set(listed) == {f"survey/{path.name}" for path in SURVEY.iterdir()}
    for name, digest in listed.items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest, name


def test_the_files_are_under_three_megabytes():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 3_000_000


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory):
    return {path.name: path for path in simulate_survey(tmp_path_factory.mktemp("survey"))}


@pytest.mark.parametrize("path", [COADD, VISIT], ids=["coadd", "visit"])
def test_the_recipe_gives_the_pixels_that_are_shipped(path, regenerated):
    shipped, made = open_exposure(path), open_exposure(regenerated[path.name])
    for plane in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(made, plane), getattr(shipped, plane))
    assert (made.info, made.xy0, made.psf.kind) == (shipped.info, shipped.xy0, shipped.psf.kind)


@pytest.mark.parametrize("name", ["object", "source", "truth"])
def test_the_recipe_gives_the_rows_that_are_shipped(name, regenerated):
    shipped, made = pq.read_table(SURVEY / f"{name}.parquet"), pq.read_table(regenerated[f"{name}.parquet"])
    # Fields say all there is; the footer says it again, in words that newer versions may change.
    fields = [table.schema.with_metadata(None) for table in (made, shipped)]
    assert fields[0].equals(fields[1], check_metadata=True)
    for column in shipped.column_names:
        left, right = made[column], shipped[column]
        if pa.types.is_floating(right.type):
            # Rounding of exp, FFT and sums differs between builds of NumPy and between kernels,
            # and near a rounding step of the pixels it moves a flux by 1e-5 nJy; errors are tens
            # of nJy.  float32 keeps 7 digits.
            tolerance = 1e-6 if right.type == pa.float32() else 1e-9
            np.testing.assert_allclose(
                left.to_numpy(), right.to_numpy(), rtol=tolerance, atol=1e-4, err_msg=column
            )
        else:
            assert left.equals(right), column


def forced(path, table, **options):
    exposure = open_exposure(path)
    positions = [table[name].to_numpy() for name in ("coord_ra", "coord_dec")]
    return measure_positions(exposure, *positions, MeasurementConfig(**options))


def isolated_stars(table, prefix=""):
    """Return which rows are unflagged stars with no other row within 24 pixels."""
    ra, dec = np.radians(table["coord_ra"].to_numpy()), np.radians(table["coord_dec"].to_numpy())
    east, north = (ra - ra.mean()) * np.cos(dec.mean()), dec - dec.mean()
    distance = np.hypot(east[:, None] - east, north[:, None] - north) * 180.0 * 3600.0 / np.pi / 0.2
    np.fill_diagonal(distance, np.inf)
    star = table[f"{prefix}extendedness"].to_numpy() == 0.0
    clean = ~table[f"{prefix}psfFlux_flag"].to_numpy() & ~table[f"{prefix}pixelFlags_interpolated"].to_numpy()
    return star & clean & (distance.min(axis=1) > 24.0)


def robust_width(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def test_forced_fluxes_are_the_source_tables_where_nothing_is_near():
    table = pq.read_table(SURVEY / "source.parquet")
    found = forced(VISIT, table)
    some = isolated_stars(table)
    assert some.sum() > 100
    ratio = found["psfFlux"][some] / table["psfFlux"].to_numpy()[some]
    # What remains is the light of stars beyond 24 pixels and of those too faint for a row.
    assert abs(np.median(ratio) - 1.0) < 1e-5
    assert robust_width(ratio) < 1e-4
    np.testing.assert_allclose(found["psfFluxErr"][some], table["psfFluxErr"].to_numpy()[some], rtol=1e-9)
    np.testing.assert_allclose(found["x"], table["x"].to_numpy(), rtol=0, atol=1e-8)


def test_forced_fluxes_scatter_around_the_object_table_by_their_errors():
    table = pq.read_table(SURVEY / "object.parquet")
    found = forced(COADD, table)
    some = isolated_stars(table, "i_")
    assert some.sum() > 150
    flux, error = (table[name].to_numpy().astype(float)[some] for name in ("i_psfFlux", "i_psfFluxErr"))
    pull = (found["psfFlux"][some] - flux) / np.hypot(found["psfFluxErr"][some], error)
    # Widths of some 170 normal deviates are known to 7 percent.
    assert robust_width(pull) == pytest.approx(1.0, abs=0.2)
    assert np.median(pull) == pytest.approx(0.0, abs=0.25)
    bright = flux > 100.0 * error
    assert np.median(found["psfFlux"][some][bright] / flux[bright]) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize(
    ("path", "name", "prefix", "excess"), [(COADD, "object", "i_", 0.008), (VISIT, "source", "", 0.019)]
)
def test_without_aperture_correction_they_disagree(path, name, prefix, excess):
    table = pq.read_table(SURVEY / f"{name}.parquet")
    some = isolated_stars(table, prefix)
    flux, error = (table[f"{prefix}psfFlux{suffix}"].to_numpy().astype(float) for suffix in ("", "Err"))
    some &= flux > 100.0 * error
    ratio = forced(path, table, do_ap_corr=False)["psfFlux"][some] / flux[some]
    assert np.median(ratio) - 1.0 == pytest.approx(excess, abs=0.002)


def test_blends_stand_out_above():
    table = pq.read_table(SURVEY / "source.parquet")
    truth = pq.read_table(SURVEY / "truth.parquet").filter(pc.field("is_blended"))
    blended = np.isin(table["sourceId"].to_numpy(), truth["sourceId"].drop_null().to_numpy())
    ratio = forced(VISIT, table)["psfFlux"] / table["psfFlux"].to_numpy()
    outlier = np.isfinite(ratio) & (ratio > 1.02)
    assert 5 < outlier.sum() < 0.15 * table.num_rows
    assert np.mean(blended[outlier]) > 0.8


def test_flags_of_the_tables_are_those_that_are_measured():
    table = pq.read_table(SURVEY / "source.parquet")
    found = forced(VISIT, table)
    np.testing.assert_array_equal(found["psfFlux_flag"], table["psfFlux_flag"].to_numpy())
    for name in ("edge", "nodata", "interpolated", "saturated", "cr", "bad", "suspect"):
        centre = f"pixelFlags_{name}Center"
        np.testing.assert_array_equal(found[centre], table[centre].to_numpy(), err_msg=centre)
