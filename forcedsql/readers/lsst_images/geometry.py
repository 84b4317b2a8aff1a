"""Boxes and grids of cells in the JSON tree."""

import numpy as np

from forcedsql.errors import ReadError
from forcedsql.fields.cells import CellGrid
from forcedsql.geometry import Box
from forcedsql.readers import limits
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.tree import Node

_LARGEST_COORDINATE = 2**31
_MAX_CELLS = 1_000_000


def read_box(node: Node) -> Box:
    """Return a box given as ``{"x": {"start", "stop"}, "y": {"start", "stop"}}``, stop exclusive.

    Raises
    ------
    ReadError
        If it is empty or no box.
    """
    (x0, width), (y0, height) = (_interval(node.child(axis)) for axis in ("x", "y"))
    return Box(x0, y0, width, height)


def read_bounding_box(node: Node) -> Box:
    """Return the box around bounds of any kind, which polynomials are scaled to.

    Raises
    ------
    ReadError
        If the bounds are damaged.
    UnknownClassError
        If they are a polygon, or the intersection of two others.
    """
    if node.has("x") and node.has("y"):
        return read_box(node)
    if node.has("bbox"):
        return read_box(node.child("bbox"))
    raise UnknownClassError("field over a polygon")


def read_cell_grid(node: Node) -> tuple[CellGrid, tuple[int, int]]:
    """Return the cells that bounds describe (lsst.images ``_cell_grid.py``).

    Returns
    -------
    grid : CellGrid
    first : (int, int)
        Row and column of its first cell in the grid of the whole patch, by which the file
        names cells.

    Raises
    ------
    ReadError
        If it is no grid of cells.
    FileLimitError
        If it has more cells than a reader grants.
    """
    patch, part = node.child("grid"), read_box(node.child("bbox"))
    whole = read_box(patch.child("bbox"))
    height, width = _cell_shape(patch.child("cell_shape"))
    row, column = (part.y0 - whole.y0) // height, (part.x0 - whole.x0) // width
    rows = (part.y0 + part.height - whole.y0) // height - row
    columns = (part.x0 + part.width - whole.x0) // width - column
    if rows < 1 or columns < 1:
        raise ReadError(f"{node.path} is smaller than a cell of {width} x {height} pixels")
    limits.require_at_most(rows * columns, _MAX_CELLS, f"cells in {node.path}")
    missing = np.zeros((rows, columns), dtype=np.bool_)
    for cell in node.child("missing").elements(limit=_MAX_CELLS) if node.has("missing") else []:
        i, j = (cell.child(name).integer(low=0, high=_LARGEST_COORDINATE) for name in ("i", "j"))
        if 0 <= i - row < rows and 0 <= j - column < columns:
            missing[i - row, j - column] = True
    grid = CellGrid(whole.x0 + column * width, whole.y0 + row * height, width, height, missing)
    return grid, (row, column)


def _interval(node: Node) -> tuple[int, int]:
    """Return the first pixel and the number of pixels."""
    limit = _LARGEST_COORDINATE
    start, stop = (node.child(end).integer(low=-limit, high=limit) for end in ("start", "stop"))
    if stop <= start:
        raise ReadError(f"{node.path} is empty: {start} to {stop}")
    return start, stop - start


def _cell_shape(node: Node) -> tuple[int, int]:
    """Return height and width, which older files give as a list."""
    if isinstance(node.value, list):
        sides = node.elements(limit=2)
        if len(sides) != 2:
            raise ReadError(f"{node.path} is not a height and a width")
    else:
        sides = [node.child("y"), node.child("x")]
    height, width = (side.integer(low=1, high=_LARGEST_COORDINATE) for side in sides)
    return height, width
