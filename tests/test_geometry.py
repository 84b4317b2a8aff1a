import numpy as np

from forcedsql.geometry import Box, nearest_pixel


def test_halves_round_up_on_both_sides_of_zero():
    positions = np.array([-1.5, -0.5, 0.5, 1.5, 2.4999999])
    assert nearest_pixel(positions).tolist() == [-1, 0, 1, 2, 2]


def test_a_box_knows_its_last_pixels_and_its_middle():
    box = Box(10, -3, 4, 5)
    assert (box.x1, box.y1) == (13, 1)
    assert box.centre == (11.5, -1.0)
