"""Outlines and coverage hold every pixel of an image, wherever on the sky it lies."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Latitude, Longitude
from cdshealpix import nested

from forcedsql.database.footprint import COVERAGE_ORDER, footprint_of, largest_cell_radius
from forcedsql.exposure import Exposure

from .conftest import Sky, make_exposure

PLACES = {
    "equator": Sky(200.0, 0.0),
    "right ascension 0": Sky(0.0, -33.0),
    "just below 360": Sky(359.9999, 12.0),
    "north pole": Sky(17.0, 90.0),
    "south pole": Sky(0.0, -90.0),
    "beside the pole": Sky(120.0, 89.99),
    "two degrees": Sky(45.0, 89.0, pixel=60 / 3600),
}


class BarrelWcs:
    """A plain tangent-plane WCS whose scale grows or shrinks from the middle."""

    def __init__(self, wcs, middle: float, strength: float) -> None:
        self.wcs, self.middle, self.strength = wcs, middle, strength

    def pixel_to_sky(self, x, y):
        dx, dy = x - self.middle, y - self.middle
        scale = 1.0 + self.strength * (dx**2 + dy**2)
        return self.wcs.pixel_to_sky(self.middle + dx * scale, self.middle + dy * scale)


def pixels_on_the_sky(exposure: Exposure, n: int = 5000):
    rng = np.random.default_rng(3)
    high = exposure.image.shape[0] - 0.5
    return exposure.require_wcs().pixel_to_sky(rng.uniform(-0.5, high, n), rng.uniform(-0.5, high, n))


@pytest.mark.parametrize("sky", PLACES.values(), ids=PLACES)
def test_every_pixel_is_inside_and_its_healpix_cell_covered(sky):
    exposure = make_exposure(sky)
    outline = footprint_of(exposure)
    ra, dec = pixels_on_the_sky(exposure)
    assert outline.contains(ra, dec).all()
    cells = nested.lonlat_to_healpix(Longitude(ra, u.deg), Latitude(dec, u.deg), COVERAGE_ORDER)
    assert set(cells.tolist()) <= set(outline.healpix_cells().tolist())


@pytest.mark.parametrize("sky", PLACES.values(), ids=PLACES)
def test_what_is_off_the_image_is_outside(sky):
    exposure = make_exposure(sky)
    outline = footprint_of(exposure)
    size = exposure.image.shape[0]
    along = np.linspace(0, size - 1, 50)
    off = np.full(50, -0.6)
    for x, y in ((off, along), (along, off), (size - 1 - off, along), (along, size - 1 - off)):
        assert not outline.contains(*exposure.wcs.pixel_to_sky(x, y)).any()
    assert not outline.contains(np.array([sky.ra + 180.0]), np.array([-sky.dec])).any()


@pytest.mark.parametrize("strength", [1e-7, -1e-7])
def test_a_distorted_image_has_no_pixel_outside(strength):
    plain = make_exposure(size=800)
    object.__setattr__(plain, "wcs", BarrelWcs(plain.wcs, 399.5, strength))
    ra, dec = pixels_on_the_sky(plain)
    assert footprint_of(plain).contains(ra, dec).all()


def test_coverage_is_tight():
    # A cell of order 9 is 6.9 arcmin across, so a 24 arcsec image touches 1 to 4 of them; the
    # margin of one cell radius adds their neighbours.
    assert len(footprint_of(make_exposure()).healpix_cells()) <= 9


def test_the_region_lists_the_corners():
    outline = footprint_of(make_exposure())
    words = outline.region.split()
    assert words[:2] == ["POLYGON", "ICRS"]
    np.testing.assert_allclose(np.array(words[2:], float), outline.corners.ravel(), atol=1e-8)


def test_without_a_projection_there_is_no_footprint():
    exposure = make_exposure()
    object.__setattr__(exposure, "wcs", None)
    assert footprint_of(exposure) is None


def test_an_image_that_reaches_round_the_sky_has_none():
    assert footprint_of(make_exposure(Sky(pixel=10.0), size=200)) is None


def test_a_projection_that_is_undefined_at_a_corner_gives_none():
    class Undefined:
        def pixel_to_sky(self, x, y):
            return np.where(x + y < 0.0, np.nan, x), y

    exposure = make_exposure()
    object.__setattr__(exposure, "wcs", Undefined())
    assert footprint_of(exposure) is None


def test_the_largest_cell_radius_bounds_every_cell():
    order = 5
    cells = np.arange(12 * 4**order, dtype=np.uint64)
    lon, lat = nested.healpix_to_lonlat(cells, order)
    corners_lon, corners_lat = nested.vertices(cells, order)
    cos = np.sin(lat)[:, None] * np.sin(corners_lat) + np.cos(lat)[:, None] * np.cos(corners_lat) * np.cos(
        corners_lon - lon[:, None]
    )
    largest = np.arccos(np.clip(cos.value, -1, 1)).max()
    # Equal to the rounding of arccos near 1.
    assert largest_cell_radius(order) == pytest.approx(largest, rel=1e-6)
