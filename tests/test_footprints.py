import numpy as np

from forcedsql.footprints import CoaddFootprints, Footprint
from forcedsql.geometry import Box, Polygon
from tests.psf.coadds import projection

COADD = projection(centre=(500.0, 500.0))


class FlatWcs:
    """One degree per pixel, undefined at negative x."""

    def sky_to_pixel(self, ra, dec):
        return np.where(ra >= 0, ra, np.nan), dec

    def pixel_to_sky(self, x, y):
        return np.where(x >= 0, x, np.nan), y


def random_footprints(count=12, seed=3):
    rng = np.random.default_rng(seed)
    footprints = []
    for k in range(count):
        side = int(rng.integers(100, 400))
        middle = side / 2 + rng.uniform(-400, 400, 2)
        wcs = projection(rng.uniform(0, 7), centre=tuple(middle), distortion=rng.uniform(0, 20))
        cut = Polygon(np.array([2.0, side - 5.0, side / 2]), np.array([3.0, 1.0, side - 1.0]))
        footprints.append(Footprint(wcs, Box(0, 0, side, side), cut if k % 2 else None))
    return footprints


def test_the_box_is_half_open():
    footprint = Footprint(FlatWcs(), Box(10, 20, 5, 4))
    x, y = np.array([9.5, 9.4999, 14.4999, 14.5, 12.0, 12.0]), np.array([21.0, 21, 21, 21, 19.5, 23.5])
    assert footprint.contains(x, y).tolist() == [True, False, True, False, True, False]


def test_the_valid_polygon_counts_within_the_box():
    beyond = Polygon(np.array([-99.0, 12.0, -99.0]), np.array([0.0, 21.5, 99.0]))
    footprint = Footprint(FlatWcs(), Box(10, 20, 5, 4), beyond)
    assert footprint.contains(np.array([10.0, 13.0, 8.0]), np.array([21.5, 21.5, 21.5])).tolist() == [
        True,
        False,
        False,
    ]


def test_an_empty_box_covers_nothing():
    empty = Footprint(FlatWcs(), Box(0, 0, 0, 0))
    assert not empty.contains(np.array([-0.5, 0.0]), np.array([-0.5, 0.0])).any()


def test_covers_are_what_asking_every_footprint_of_every_position_gives():
    footprints = random_footprints()
    rng = np.random.default_rng(5)
    x, y = rng.uniform(-300, 1300, (2, 3000))
    found = np.zeros((len(footprints), len(x)), bool)
    for cover in CoaddFootprints(COADD, footprints).covers(x, y):
        found[cover.index, cover.rows] = True
        footprint = footprints[cover.index]
        assert footprint.contains(cover.x, cover.y).all()
    expected = [f.contains(*f.wcs.sky_to_pixel(*COADD.pixel_to_sky(x, y))) for f in footprints]
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.sum() < found.size / 2


def test_covers_come_in_the_order_of_the_footprints_and_only_where_there_are_some():
    footprints = random_footprints()
    x, y = np.random.default_rng(6).uniform(-300, 1300, (2, 3000))
    order = [cover.index for cover in CoaddFootprints(COADD, footprints).covers(x, y)]
    assert order == sorted(set(order))
    assert not list(CoaddFootprints(COADD, footprints).covers(np.array([1e5]), np.array([1e5])))
    assert not list(CoaddFootprints(COADD, ()).covers(x, y))


def test_positions_that_are_not_finite_are_covered_by_nothing():
    x, y = np.array([np.nan, 500.0, np.inf, 500.0]), np.array([500.0, np.nan, 500.0, 500.0])
    footprint = Footprint(projection(centre=(50.0, 50.0)), Box(0, 0, 100, 100))
    (cover,) = CoaddFootprints(COADD, [footprint]).covers(x, y)
    assert cover.rows.tolist() == [3]
    assert not list(CoaddFootprints(COADD, [footprint]).covers(x[:3], y[:3]))


def test_where_a_projection_is_undefined_nothing_is_covered():
    footprints = [Footprint(FlatWcs(), Box(-5, 0, 10, 10))]
    (cover,) = CoaddFootprints(FlatWcs(), footprints).covers(np.array([-3.0, 2.0]), np.array([1.0, 1.0]))
    assert cover.rows.tolist() == [1]


def test_positions_around_a_footprint_but_not_near_it_are_not_projected():
    class Recording(FlatWcs):
        asked = 0

        def sky_to_pixel(self, ra, dec):
            self.asked += 1
            return ra, dec

    coadd, image = FlatWcs(), Recording()
    around = np.array([0.0, 1000.0]), np.array([1000.0, 0.0])
    footprint = Footprint(image, Box(400, 400, 100, 100))
    assert not list(CoaddFootprints(coadd, [footprint]).covers(*around))
    assert image.asked == 0
