"""The same positions give the same bits: whatever the threads, the chunks, the order, the surface."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import forcedsql
from forcedsql.native import limit_threads
from forcedsql.native.library import KERNEL_VARIABLE
from forcedsql.resources import data_dir

VISIT = data_dir() / "survey" / "visit_image_2024120600102_4_i.fits"
COADD = data_dir() / "survey" / "deep_coadd_5063_14_i.fits"
COUNT = 1500
BUNDLED = {"visit": VISIT, "coadd": COADD}


@pytest.fixture(scope="module", params=["visit", "coadd", "piff17", "psfex", "coaddpsf_piff"])
def path(request):
    """The file of a bundled exposure, or of one of the reference's with the other kinds of PSF."""
    if request.param in BUNDLED:
        return BUNDLED[request.param]
    return request.getfixturevalue("reference") / request.param / "exposure.fits"


@pytest.fixture(scope="module")
def exposure(path):
    return forcedsql.open_exposure(path)


@pytest.fixture(scope="module")
def positions(exposure):
    """Positions all over the image, over its edges and off it; some lie twice in the list."""
    rng = np.random.default_rng(11)
    height, width = exposure.shape
    x0, y0 = exposure.xy0
    x = np.concatenate([rng.uniform(-40, width + 40, COUNT), [0.0, width - 1.0, 12.5, 12.5]])
    y = np.concatenate([rng.uniform(-40, height + 40, COUNT), [0.0, height - 1.0, 12.5, 12.5]])
    ra, dec = exposure.wcs.pixel_to_sky(x + x0, y + y0)
    return pa.table({"id": np.arange(len(x)), "ra": ra, "dec": dec})


@pytest.fixture(scope="module")
def expected(exposure, positions):
    return forcedsql.measure(exposure, positions, columns="source")


@pytest.fixture(autouse=True)
def threads():
    """Sets the number of threads, and takes that back."""
    yield limit_threads
    limit_threads(None)


def assert_same_bits(found: pa.Table, expected: pa.Table) -> None:
    assert found.num_rows == expected.num_rows
    for name in expected.column_names:
        ours, theirs = (t[name].to_numpy() for t in (found, expected))
        np.testing.assert_array_equal(ours.view(np.uint8), theirs.view(np.uint8), err_msg=name)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_any_number_of_threads(exposure, positions, expected, threads, count):
    threads(count)
    assert_same_bits(forcedsql.measure(exposure, positions, columns="source"), expected)


def test_any_order(exposure, positions, expected):
    order = np.random.default_rng(3).permutation(positions.num_rows)
    found = forcedsql.measure(exposure, positions.take(pa.array(order)), columns="source")
    assert_same_bits(found, expected.take(pa.array(order)))


@pytest.mark.parametrize("size", [1, 7, 500])
def test_any_size_of_chunks(exposure, positions, expected, size):
    some = positions.slice(COUNT - 100)
    parts = [
        forcedsql.measure(exposure, some.slice(start, size), columns="source")
        for start in range(0, some.num_rows, size)
    ]
    assert_same_bits(pa.concat_tables(parts).combine_chunks(), expected.slice(COUNT - 100).combine_chunks())


@pytest.mark.parametrize("count", [1, 3])
def test_sql_with_any_number_of_duckdb_threads(path, positions, expected, tmp_path, count):
    with forcedsql.connect(tmp_path / "a.duckdb", threads=count) as con:
        forcedsql.ingest(con, [path], exposure_id=["e"])
        con.register("view", positions)
        con.execute("CREATE TABLE places AS FROM view")
        found = con.sql("SELECT * FROM forced_photometry('e', places) ORDER BY id").to_arrow_table()
    assert found.column_names == expected.column_names
    assert_same_bits(found, expected)


@pytest.mark.parametrize("name", BUNDLED)
def test_both_kernels_to_rounding(name, tmp_path):
    path = BUNDLED[name]
    tables = {}
    for kernel in ("numpy", "native"):
        out = tmp_path / f"{kernel}.parquet"
        source = data_dir() / "survey" / ("source.parquet" if path == VISIT else "object.parquet")
        done = subprocess.run(
            [sys.executable, "-m", "forcedsql", "measure", str(path), str(source), "-o", str(out)],
            env=os.environ | {KERNEL_VARIABLE: kernel},
            cwd=Path(__file__).resolve().parent.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        if kernel == "native" and "native" in done.stderr and done.returncode:
            pytest.skip("the native kernel was not built here")
        assert done.returncode == 0, done.stderr
        tables[kernel] = forcedsql.read_table(out)
    for field in tables["numpy"].schema:
        ours, theirs = (tables[kernel][field.name].to_numpy() for kernel in ("native", "numpy"))
        if pa.types.is_floating(field.type):
            # Sums of at most 16,000 pixels in another order: 1e-11 of the brightest flux.
            scale = np.nanmax(np.abs(theirs), initial=1.0)
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9 * scale, err_msg=field.name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
