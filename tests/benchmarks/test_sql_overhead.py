"""What SQL adds to a direct call: 40,000 positions on one exposure of 4000 x 4000 pixels.

Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks --benchmark -s``.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import lonlat_to_healpix

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.simulate import simulate_exposure
from forcedsql.writer import write_exposure
from tests.benchmarks.timing import interleaved, print_table

SIZE, POSITIONS = 4000, 40_000


@pytest.fixture(scope="module")
def exposure_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sql") / "large.fits"
    exposure = simulate_exposure(
        count=2000, shape=(SIZE, SIZE), psf=SingleGaussianPsf(25, 25, 1.8), seed=3
    ).exposure
    write_exposure(exposure, path)
    return path


@pytest.mark.benchmark
@pytest.mark.parametrize("order", ["sky order, as catalogues come", "shuffled"])
def test_sql_against_the_direct_call(exposure_file, order):
    exposure = forcedsql.open_exposure(exposure_file)
    x, y = np.random.default_rng(4).uniform(80, SIZE - 80, (2, POSITIONS))
    ra, dec = exposure.wcs.pixel_to_sky(exposure.xy0[0] + x, exposure.xy0[1] + y)
    if order != "shuffled":
        # HATS and the LSST tables are sorted by HEALPix pixel or by patch.
        cells = lonlat_to_healpix(Longitude(ra, "deg"), Latitude(dec, "deg"), depth=16)
        ra, dec = ra[np.argsort(cells)], dec[np.argsort(cells)]
    table = pa.table({"id": np.arange(POSITIONS), "ra": ra, "dec": dec})
    with forcedsql.connect() as con:
        exposure_id = forcedsql.ingest(con, [exposure_file])[0].exposure_id
        con.register("arriving", table)
        con.execute("CREATE TABLE positions AS FROM arriving")
        query = f"FROM forced_photometry('{exposure_id}', positions)"
        contestants = {
            "direct call": lambda: measure_positions(exposure, ra, dec, MeasurementConfig()),
            "measure(), Arrow table": lambda: forcedsql.measure(exposure, table, columns="source"),
            "SQL to an Arrow table": lambda: con.sql(query).to_arrow_table(),
        }
        for run in contestants.values():
            run()
        seconds = interleaved(contestants, rounds=3)
        measured = con.sql(query).to_arrow_table()
    direct = seconds["direct call"]
    rows = [("", "us/source", "of direct")]
    rows += [(name, f"{t / POSITIONS * 1e6:.1f}", f"{t / direct:.2f}") for name, t in seconds.items()]
    print_table(f"{POSITIONS:,} positions in {order}, {SIZE} x {SIZE} pixels", rows)
    expected = forcedsql.measure(exposure, table, columns="source")
    assert measured.sort_by("id")["psfFlux"].equals(expected["psfFlux"])
