"""One position on 200 registered, compressed exposures of 4000 x 4000 pixels.

Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_lightcurve.py --benchmark -s``.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from photutils.aperture import CircularAperture, aperture_photometry

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.simulate import simulate_exposure
from forcedsql.writer import write_exposure
from tests.benchmarks.timing import print_table

SIZE, EXPOSURES, PEER_EXPOSURES = 4000, 200, 5
RADII = MeasurementConfig().radii
HALF_STAMP = 12


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """One exposure under many names: hard links, so that the page cache holds one file."""
    folder = tmp_path_factory.mktemp("visits")
    first = folder / "visit_0.fits"
    exposure = simulate_exposure(
        count=2000, shape=(SIZE, SIZE), psf=SingleGaussianPsf(25, 25, 1.8), seed=3
    ).exposure
    write_exposure(exposure, first)
    names = [folder / f"visit_{n}.fits" for n in range(1, EXPOSURES)]
    for name in names:
        os.link(first, name)
    return [first, *names]


def measure_with_photutils(path: Path, ra: float, dec: float, *, whole: bool) -> float:
    """PSF sum and all apertures as a user of astropy does them; returns the last aperture's flux."""
    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore")
        image_hdu, mask_hdu, variance_hdu = hdus[1:4]
        x, y = (float(v) for v in WCS(image_hdu.header).all_world2pix(ra, dec, 0))
        reach = int(max(RADII)) + 2
        rows = slice(0, SIZE) if whole else slice(int(y) - reach, int(y) + reach + 1)
        image, mask, variance = (hdu.section[rows, :] for hdu in (image_hdu, mask_hdu, variance_hdu))
    place = (x, y - rows.start)
    apertures = [CircularAperture(place, r) for r in RADII]
    table = aperture_photometry(image, apertures, error=np.sqrt(variance), method="center")
    column, row = round(place[0]), round(place[1])
    box = (slice(row - HALF_STAMP, row + HALF_STAMP + 1), slice(column - HALF_STAMP, column + HALF_STAMP + 1))
    dy, dx = np.mgrid[-HALF_STAMP : HALF_STAMP + 1, -HALF_STAMP : HALF_STAMP + 1]
    model = np.exp(-((dx - place[0] + column) ** 2 + (dy - place[1] + row) ** 2) / (2 * 1.8**2))
    model /= model.sum()
    _ = (model * image[box]).sum() / (model**2).sum(), np.bitwise_or.reduce(mask[box], axis=None)
    return float(table[f"aperture_sum_{len(RADII) - 1}"][0])


@pytest.mark.benchmark
def test_a_light_curve_against_astropy_and_photutils(files):
    opened = forcedsql.open_exposure(files[0])
    x0, y0 = opened.xy0
    ra, dec = (float(v[0]) for v in opened.wcs.pixel_to_sky(np.array([x0 + 2000.3]), np.array([y0 + 1999.8])))
    with forcedsql.connect() as con:
        forcedsql.ingest(con, files, exposure_id=[path.stem for path in files])
        query = f"FROM forced_lightcurve({ra!r}, {dec!r})"
        # What a process does once, such as loading modules, belongs to no exposure.
        con.sql("SELECT forced_phot('visit_0', 0.0, 0.0)").fetchall()
        seconds, results = {}, []
        for name in ("forcedsql, first read", "forcedsql, again"):
            wall, cpu = time.perf_counter(), time.process_time()
            results.append(con.sql(query).to_arrow_table())
            seconds[name] = [
                (time.perf_counter() - wall) / EXPOSURES,
                (time.process_time() - cpu) / EXPOSURES,
            ]
    for name, whole in (("photutils, rows", False), ("photutils, whole image", True)):
        wall, cpu = time.perf_counter(), time.process_time()
        fluxes = [measure_with_photutils(path, ra, dec, whole=whole) for path in files[:PEER_EXPOSURES]]
        count = len(fluxes)
        seconds[name] = [(time.perf_counter() - wall) / count, (time.process_time() - cpu) / count]
    fastest = seconds["forcedsql, first read"][0]
    rows = [("", "ms/exposure", "CPU ms", "ratio")]
    rows += [
        (name, f"{wall * 1e3:.1f}", f"{cpu * 1e3:.1f}", f"{wall / fastest:.1f}")
        for name, (wall, cpu) in seconds.items()
    ]
    print_table(f"one position on {EXPOSURES} exposures of {SIZE} x {SIZE} pixels", rows)
    assert [table.num_rows for table in results] == [EXPOSURES] * 2
    # Both sum the pixels whose centres lie in the circle; the header's projection is approximate.
    measured = results[0][f"ap{RADII[-1]:g}Flux"][0].as_py()
    assert measured == pytest.approx(fluxes[0], rel=1e-3)
