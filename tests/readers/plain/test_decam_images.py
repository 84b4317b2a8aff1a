"""DECam: a cutout of the Community Pipeline, and one with a file of inverse variance beside it.

Bounds are those of the README of the data set; ``-s`` prints what is found.
"""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from forcedsql.config import MeasurementConfig
from forcedsql.measure.driver import measure_positions
from forcedsql.open_options import OpenOptions
from forcedsql.readers import open_exposure
from forcedsql.sky_noise import noise_ratio
from tests.readers.plain.real_data import NJY_PER_NANOMAGGY, aperture_columns, apertures, floats

GAIA = (17.998, 18.690, 19.674)
IN_RADIUS = (1.007, 1.048, 1.001)
"""Flux in 3.5 arcsec over the PSF flux; the second star is a blend."""


@pytest.fixture(scope="module")
def exposure(shared):
    folder = shared / "data" / "decam_legacypipe" / "testcase4"
    psf = folder / "c4d_170316_062107_ooi_z_ls9-psfex.fits"
    return open_exposure(folder / "c4d_170316_062107_ooi_z_ls9.N2.fits", options=OpenOptions(psf=str(psf)))


def test_the_profile_finds_every_part(exposure):
    for line in exposure.origins.items():
        print(*line)
    assert "profile decam (recognised)" in exposure.origins["image"]
    assert (exposure.info.visit, exposure.info.detector, exposure.info.band) == (630780, 33, "z")
    assert exposure.psf.kind == "PsfexPsf"
    assert exposure.photo_calib.mean == pytest.approx(10 ** (0.4 * (22.5 - 29.915)) * NJY_PER_NANOMAGGY)
    cosmic_rays = (exposure.mask >> exposure.mask_planes["CR"]) & 1
    assert cosmic_rays.sum() == 177
    assert np.isinf(exposure.variance[cosmic_rays == 1]).all()


def test_the_noise_is_the_stated_one(exposure):
    stated = np.sqrt(np.median(exposure.variance))
    print(f"stated noise {stated:.2f}, of the sky {stated * noise_ratio(exposure):.2f}")
    assert stated == pytest.approx(28.37, abs=0.01)
    assert stated * noise_ratio(exposure) == pytest.approx(28.52, rel=0.01)


def test_gaia_stars_have_their_fluxes(exposure, shared):
    table = Table.read(shared / "data" / "decam_legacypipe" / "testcase4" / "chunk-03586.fits")
    ra, dec = floats(table["ra"]), floats(table["dec"])
    x, y = exposure.wcs.sky_to_pixel(ra, dec)
    inside = (x > 15) & (x < 230) & (y > 15) & (y < 235)
    assert floats(table["phot_g_mean_mag"])[inside] == pytest.approx(GAIA, abs=1e-3)
    config = MeasurementConfig(
        calibrate="never",
        do_ap_corr=False,
        subtract_background="mesh",
        radii=(13.3588,),
        aperture_method="exact",
    )
    columns = measure_positions(exposure, ra[inside], dec[inside], config)
    # The PSF of 63 pixels is normalised to 1; that of the reference was within 25 pixels, and
    # holds 1.8 percent less light.
    images = exposure.psf.images(x[inside], y[inside])
    column = np.rint(x[inside]).astype(int) - images.x0
    row = np.rint(y[inside]).astype(int) - images.y0
    held = np.array(
        [
            v[r - 12 : r + 13, c - 12 : c + 13].sum()
            for v, r, c in zip(images.values, row, column, strict=True)
        ]
    )
    (name,) = aperture_columns(columns)
    flux = columns["psfFlux"] * held
    ratio = columns[name] / flux
    print(f"PSF flux {flux[2]:.0f} +- {columns['psfFluxErr'][2]:.0f}, in 3.5 arcsec {ratio.round(4)}")
    assert flux[2] == pytest.approx(18805, rel=0.01)
    assert columns["psfFluxErr"][2] == pytest.approx(204, rel=0.03)
    assert ratio == pytest.approx(IN_RADIUS, abs=0.01)


RADII = (0.5, 0.75, 1.0, 1.5, 2.0)
COUNTS_PER_NANOMAGGY = ((1330, 1334, 1335, 1331, 1317), (1293, 1297, 1331, 1282, 1241))


def test_apertures_are_those_of_the_catalogue(shared):
    folder = shared / "data" / "decam_tractor_galaxies"
    exposure = open_exposure(folder / "decam-520206-S16-image-sub.fits")
    for line in exposure.origins.items():
        print(*line)
    assert "inverse variance" in exposure.origins["error"]
    assert "found by its name" in exposure.origins["error"]
    level = np.float32(np.median(exposure.image))
    table = Table.read(folder / "tractor-1816p325-sub.fits")
    columns = measure_positions(
        replace(exposure, image=exposure.image - level),
        floats(table["ra"]),
        floats(table["dec"]),
        apertures(*(round(r / 0.262, 4) for r in RADII), calibrate="never"),
    )
    found = np.stack([columns[name] for name in aperture_columns(columns)], axis=1)
    ratio = found / table["decam_apflux"][:, 4, : len(RADII)]
    print(ratio.round(1))
    # The README rounds to whole counts.
    np.testing.assert_allclose(ratio, COUNTS_PER_NANOMAGGY, atol=0.6)
    # The header's zero point is the pipeline's own, from another star catalogue.
    zero_point = ratio[0, :4].mean() * exposure.photo_calib.mean / NJY_PER_NANOMAGGY
    print(f"flux by the header's zero point over the catalogue's: {zero_point:.3f}")
    assert zero_point == pytest.approx(1, abs=0.05)
