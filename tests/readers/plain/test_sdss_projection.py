"""DriftScanWcs: there and back, and against astropy's rotation of a great circle."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord, SkyOffsetFrame

from forcedsql.readers.plain.sdss_projection import DriftScanWcs


def projection(inclination=32.5, corrections=True):
    scale = 1.0 if corrections else 0.0
    return DriftScanWcs(
        node=95.0,
        inclination=inclination,
        linear=np.array([[351.5, 1.1e-4, 4e-9], [-8e-3, -2e-8, 1.1e-4]]),
        row_terms=scale * np.array([-0.02, 7e-5, -5e-8, 1e-11]),
        column_terms=scale * np.array([-0.09, 3e-4, -2e-7, 5e-11]),
    )


def test_pixels_come_back():
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(-100, 2150, 12), np.linspace(-100, 1600, 9)))
    wcs = projection()
    found = wcs.sky_to_pixel(*wcs.pixel_to_sky(x, y))
    # Rounding of degrees: 360 * 2^-52 / 1e-4 = 1e-9 pixels.
    np.testing.assert_allclose(found, [x, y], atol=5e-9)


def test_the_great_circle_is_turned_about_its_node():
    x, y = np.array([0.0, 500.0, 2000.0]), np.array([0.0, 900.0, 1400.0])
    mu = 351.5 + 1.1e-4 * (y + 0.5) + 4e-9 * (x + 0.5)
    nu = -8e-3 - 2e-8 * (y + 0.5) + 1.1e-4 * (x + 0.5)
    # A frame whose equator is the great circle, with its origin at the node.
    frame = SkyOffsetFrame(origin=SkyCoord(95 * units.deg, 0 * units.deg), rotation=(-32.5) * units.deg)
    expected = SkyCoord(lon=(mu - 95) * units.deg, lat=nu * units.deg, frame=frame).icrs
    ra, dec = projection(corrections=False).pixel_to_sky(x, y)
    np.testing.assert_allclose(ra, expected.ra.deg, atol=1e-10)
    np.testing.assert_allclose(dec, expected.dec.deg, atol=1e-10)


@pytest.mark.parametrize(("ra", "dec"), [(10.0, 0.0), (np.nan, 0.0), (349.0, 95.0), (349.0, 80.0)])
def test_what_is_far_from_the_frame_has_no_pixel(ra, dec):
    x, y = projection().sky_to_pixel(np.array([ra]), np.array([dec]))
    assert not (np.isfinite(x) & np.isfinite(y)).any() or abs(y[0]) > 1e4


def test_turns_of_the_right_ascension_do_not_matter():
    wcs = projection()
    ra, dec = wcs.pixel_to_sky(np.array([100.0]), np.array([200.0]))
    for turns in (-360.0, 0.0, 720.0):
        np.testing.assert_allclose(wcs.sky_to_pixel(ra + turns, dec), [[100.0], [200.0]], atol=1e-7)
