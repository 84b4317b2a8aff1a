import numpy as np
import pytest
from matplotlib.path import Path

from forcedsql.errors import ConfigError
from forcedsql.geometry import Box, Polygon, nearest_pixel

SQUARE = Polygon(np.array([0.0, 0.0, 4.0, 4.0]), np.array([0.0, 4.0, 4.0, 0.0]))


def test_halves_round_up_on_both_sides_of_zero():
    positions = np.array([-1.5, -0.5, 0.5, 1.5, 2.4999999])
    assert nearest_pixel(positions).tolist() == [-1, 0, 1, 2, 2]


def test_a_box_knows_its_last_pixels_and_its_middle():
    box = Box(10, -3, 4, 5)
    assert (box.x1, box.y1) == (13, 1)
    assert box.centre == (11.5, -1.0)


def inside(polygon, *points):
    x, y = np.array(points, dtype=float).T
    return polygon.contains(x, y).tolist()


def test_the_boundary_is_outside():
    edges = [(0, 2), (2, 0), (4, 1), (3, 4)]
    corners = [(0, 0), (0, 4), (4, 4), (4, 0)]
    assert inside(SQUARE, *edges, *corners) == [False] * 8
    assert inside(SQUARE, (1e-12, 2), (4 - 1e-12, 2), (2, 1e-12)) == [True] * 3


def test_a_repeated_last_vertex_and_the_direction_change_nothing():
    closed = Polygon(np.append(SQUARE.x, SQUARE.x[0]), np.append(SQUARE.y, SQUARE.y[0]))
    backwards = Polygon(SQUARE.x[::-1], SQUARE.y[::-1])
    x, y = np.random.default_rng(0).uniform(-1, 5, (2, 500))
    for other in (closed, backwards):
        np.testing.assert_array_equal(other.contains(x, y), SQUARE.contains(x, y))
        assert inside(other, (0, 0), (0, 2), (2, 2)) == [False, False, True]


def test_a_position_level_with_a_vertex_is_counted_once():
    diamond = Polygon(np.array([0.0, 2.0, 0.0, -2.0]), np.array([-2.0, 0.0, 2.0, 0.0]))
    assert inside(diamond, (0, 0), (1, 0), (-3, 0), (3, 0), (-1, 0)) == [True, True, False, False, True]


def test_a_concave_polygon_agrees_with_another_implementation():
    rng = np.random.default_rng(7)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 25))
    radii = rng.uniform(0.3, 1.0, 25)
    polygon = Polygon(radii * np.cos(angles), radii * np.sin(angles))
    x, y = rng.uniform(-1, 1, (2, 5000))
    expected = Path(np.column_stack([polygon.x, polygon.y])).contains_points(np.column_stack([x, y]))
    np.testing.assert_array_equal(polygon.contains(x, y), expected)


def test_nan_is_nowhere():
    assert inside(SQUARE, (np.nan, 2), (2, np.nan)) == [False, False]


@pytest.mark.parametrize(
    ("x", "y"),
    [([0, 1], [0, 1]), ([0, 1, 2], [0, 1]), ([0, 1, np.nan], [0, 1, 2]), ([0, 1, 2], [0, np.inf, 2])],
)
def test_what_is_no_polygon_is_refused(x, y):
    with pytest.raises(ConfigError, match="Polygon"):
        Polygon(np.array(x, float), np.array(y, float))


@pytest.mark.parametrize("edge", [0.5, -0.5, 7.5])
def test_a_box_contains_a_position_when_it_contains_its_nearest_pixel(edge):
    x = np.array([np.nextafter(edge, -np.inf), edge, np.nextafter(edge, np.inf)])
    for box in (Box(0, 0, 1, 1), Box(0, 0, 8, 1), Box(-4, 0, 4, 1), Box(1, 0, 3, 1), Box(0, 0, 0, 0)):
        column = nearest_pixel(x)
        expected = (column >= box.x0) & (column <= box.x1) & (box.height > 0)
        assert box.contains(x, np.zeros(3)).tolist() == expected.tolist()
        turned = Box(box.y0, box.x0, box.height, box.width)
        assert turned.contains(np.zeros(3), x).tolist() == expected.tolist()
    assert not Box(0, 0, 9, 9).contains(np.array([np.nan, 1.0]), np.array([1.0, np.nan])).any()


def test_a_grid_spreads_points_evenly_over_a_box_row_by_row():
    x, y = Box(10, -4, 6, 3).grid(3)
    # Middles of thirds of [9.5, 15.5] and of [-4.5, -1.5].
    assert x.tolist() == [10.5, 12.5, 14.5] * 3
    assert y.tolist() == [-4.0] * 3 + [-3.0] * 3 + [-2.0] * 3
