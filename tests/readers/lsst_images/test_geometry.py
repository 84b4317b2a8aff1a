import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.geometry import Box
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.geometry import read_bounding_box, read_box, read_cell_grid
from forcedsql.readers.lsst_images.tree import Node
from tests.readers.lsst_images_file import box, cell_bounds


def bounds(**options):
    return cell_bounds(**{"cell": (10, 20), "cells": (2, 3), "first": (4, 1), "missing": [(5, 2)]} | options)


def test_a_box_stops_before_its_end():
    assert read_box(Node(box(-5, 7, 100, 50))) == Box(-5, 7, 100, 50)


@pytest.mark.parametrize(
    "interval",
    [{"start": 3, "stop": 3}, {"start": 3, "stop": 2}, {"start": 0}, {"start": 0, "stop": 2**40}, 7],
)
def test_a_box_without_pixels_or_ends_is_refused(interval):
    with pytest.raises(ReadError):
        read_box(Node({"x": interval, "y": {"start": 0, "stop": 9}}, "bounds"))


def test_fields_are_scaled_to_the_box_around_their_bounds():
    assert read_bounding_box(Node(box(1, 2, 3, 4))) == Box(1, 2, 3, 4)
    assert read_bounding_box(Node(bounds())) == Box(20, 40, 60, 20)
    with pytest.raises(UnknownClassError, match="polygon"):
        read_bounding_box(Node({"type": "Polygon", "coordinates": []}))


def test_cells_are_those_of_the_part_and_are_named_as_in_the_whole():
    grid, first = read_cell_grid(Node(bounds()))
    assert first == (4, 1)
    assert grid.bbox == Box(20, 40, 60, 20)
    assert (grid.cell_width, grid.cell_height) == (20, 10)
    np.testing.assert_array_equal(grid.missing, [[False, False, False], [False, True, False]])


def test_a_patch_need_not_start_at_zero():
    node = bounds(missing=[(0, 0)], first=(0, 0))
    for part in (node["grid"], node):
        part["bbox"] = {
            axis: {end: part["bbox"][axis][end] + 1000 for end in ("start", "stop")} for axis in "xy"
        }
    grid, first = read_cell_grid(Node(node))
    assert first == (0, 0)
    assert (grid.x0, grid.y0) == (1000, 1000)
    assert grid.missing[0, 0]


def test_older_files_give_the_shape_of_a_cell_as_a_list():
    node = bounds()
    node["grid"]["cell_shape"] = [10, 20]
    assert read_cell_grid(Node(node))[0].bbox == Box(20, 40, 60, 20)


def test_missing_cells_elsewhere_in_the_patch_do_not_count():
    grid, _ = read_cell_grid(Node(bounds(missing=[(0, 0), (3, 1), (4, 0), (19, 19)])))
    assert not grid.missing.any()
    node = bounds()
    del node["missing"]
    assert not read_cell_grid(Node(node))[0].missing.any()


@pytest.mark.parametrize("shape", [[10], [10, 0], {"x": 10}, [10, 2.5], "10", [1000, 1000]])
def test_cells_without_a_shape_or_larger_than_the_part_are_refused(shape):
    node = bounds()
    node["grid"]["cell_shape"] = shape
    with pytest.raises(ReadError):
        read_cell_grid(Node(node, "bounds"))


def test_millions_of_cells_are_refused():
    node = bounds()
    node["bbox"] = box(0, 0, 2**30, 2**30)
    with pytest.raises(FileLimitError, match="cells in bounds"):
        read_cell_grid(Node(node, "bounds"))
