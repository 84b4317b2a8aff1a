"""Spitzer GLIMPSE: a galactic projection and surface brightness, without any noise.

Bounds are those of the README of the data set; ``-s`` prints what is found.
"""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from photutils.aperture import ApertureStats, CircularAnnulus

from forcedsql.measure.driver import measure_positions
from forcedsql.readers import open_exposure
from tests.readers.plain.real_data import apertures, floats, scatter


@pytest.fixture(scope="module")
def exposure(shared):
    return open_exposure(shared / "data" / "spitzer_glimpse" / "spitzer_example_image.fits.gz")


def test_one_unit_of_the_image_is_one_of_flux(exposure):
    print(exposure.origins["zero point"])
    # Pixels of 1.2 arcsec; in a plate carree projection they shrink by the cosine of the latitude.
    assert exposure.photo_calib.mean == pytest.approx((1.2 / 206264.806) ** 2 * 1e15, rel=1e-5)


@pytest.mark.parametrize(
    ("radius", "ring", "ratio", "spread"),
    [(2, (2, 6), 0.779, 0.032), (3, (10, 20), 0.915, 0.034), (4, (10, 20), 0.955, 0.043)],
)
def test_apertures_agree_with_the_published_fluxes(exposure, shared, radius, ring, ratio, spread):
    table = Table.read(shared / "data" / "spitzer_glimpse" / "spitzer_example_catalog.xml")
    galactic = SkyCoord(floats(table["l"]), floats(table["b"]), unit="deg", frame="galactic")
    sky = galactic.icrs
    columns = measure_positions(exposure, sky.ra.deg, sky.dec.deg, apertures(radius))
    height, width = exposure.shape
    x, y, published = columns["x"], columns["y"], floats(table["f4_5"])
    inside = (x > 15) & (x < width - 15) & (y > 15) & (y < height - 15) & (published > 0)
    rings = CircularAnnulus(np.stack([x[inside], y[inside]], axis=1), *ring)
    background = ApertureStats(exposure.image.astype(float), rings).median * np.pi * radius**2
    njy = columns[f"ap{radius:02d}Flux"][inside] - background * exposure.photo_calib.mean
    found = njy / 1e6 / published[inside]
    print(f"r = {radius}: n={found.size} median {np.median(found):.4f} mad {scatter(found):.4f}")
    assert found.size == 206
    # The README's figures, which have three digits.
    assert np.median(found) == pytest.approx(ratio, abs=0.001)
    assert scatter(found) == pytest.approx(spread, abs=0.001)
