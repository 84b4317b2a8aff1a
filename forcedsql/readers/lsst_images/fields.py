"""Fields over an image: aperture corrections and photometric calibration."""

from collections.abc import Callable, Mapping

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.errors import ReadError
from forcedsql.fields.bounded_field import BoundedField, ChebyshevField, ConstantField, ProductField, SumField
from forcedsql.fields.cells import CellField
from forcedsql.fields.spline import SplineField
from forcedsql.readers import limits
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.geometry import read_bounding_box, read_cell_grid
from forcedsql.readers.lsst_images.sources import Sources
from forcedsql.readers.lsst_images.tree import Node

_MAX_OPERANDS = 256
_MAX_GRID_POINTS = 1_000_000
_CELL_COLUMNS = ("cell_i", "cell_j")


def read_field(sources: Sources, node: Node) -> BoundedField:
    """Return a field of any kind that a file can hold (lsst.images ``fields``).

    Raises
    ------
    ReadError
        If it is damaged.
    FileLimitError
        If it asks for more than a reader grants.
    UnknownClassError
        If it is of a kind that is not known.
    """
    kind = node.child("field_type").label()
    if kind not in _READERS:
        raise UnknownClassError(f"field of type {kind}")
    return _READERS[kind](sources, node)


def units_of_field(node: Node) -> list[str]:
    """Return the units whose product is that of a field's values; none where it has no unit."""
    if not node.has("operands"):
        return [node.child("unit").label()] if node.has("unit") else []
    units = [units_of_field(operand) for operand in node.child("operands").elements(limit=_MAX_OPERANDS)]
    if node.child("field_type").text() == "SUM":
        if any(other != units[0] for other in units):
            raise UnknownClassError("sum of fields in several units")
        units = units[:1]
    return [unit for of_one in units for unit in of_one]


def read_cell_fields(sources: Sources, node: Node) -> Mapping[str, CellField]:
    """Return one field per flux from a table with a row per cell.

    Raises
    ------
    ReadError
        If the table is damaged, or its rows are no cells of the grid.
    """
    grid, first = read_cell_grid(node.child("bounds"))
    columns = {column.name: column.values for column in sources.columns(node.child("table"))}
    for name, values in columns.items():
        if values.ndim != 1:
            raise ReadError(f"column {name} of {node.path} has several numbers per cell")
    rows, cells = (
        _cell_numbers(columns, name, start, size, node)
        for name, start, size in zip(_CELL_COLUMNS, first, grid.shape, strict=True)
    )
    fields = {}
    for name, values in columns.items():
        if name not in _CELL_COLUMNS:
            if len(values) != len(rows) or len(values) != len(cells):
                raise ReadError(f"column {name} of {node.path} has {len(values)} rows, others {len(rows)}")
            of_cells = np.full(grid.shape, np.nan)
            of_cells[rows, cells] = values
            fields[name] = CellField(grid, of_cells)
    return fields


def _cell_numbers(columns: Mapping[str, AnyArray], name: str, first: int, size: int, node: Node) -> AnyArray:
    """Return the rows, or columns, of the cells that a table lists, counted within the grid."""
    values = columns.get(name)
    if values is None or values.dtype.kind not in "iu":
        raise ReadError(f"the table of {node.path} has no column {name} of whole numbers")
    numbers = values.astype(np.int64) - first
    if ((numbers < 0) | (numbers >= size)).any():
        raise ReadError(f"column {name} of {node.path} names cells outside of its bounds")
    return numbers


def _chebyshev_field(sources: Sources, node: Node) -> BoundedField:
    bbox = read_bounding_box(node.child("bounds"))
    coefficients = sources.array(node.child("coefficients"), axes=2, limit=limits.MAX_COEFFICIENTS)
    if not coefficients.size:
        raise ReadError(f"{node.path} has no coefficients")
    limits.require_at_most(max(coefficients.shape) - 1, limits.MAX_POLYNOMIAL_ORDER, f"order of {node.path}")
    if coefficients.size == 1:
        return ConstantField(float(coefficients[0, 0]), bbox)
    return ChebyshevField(bbox, coefficients)


def _spline_field(sources: Sources, node: Node) -> SplineField:
    values = sources.array(node.child("data"), axes=2, limit=_MAX_GRID_POINTS)
    x, y = (sources.array(node.child(axis), axes=1, limit=max(values.shape)) for axis in ("x", "y"))
    return SplineField(read_bounding_box(node.child("bounds")), x, y, values)


def _operands(sources: Sources, node: Node) -> tuple[BoundedField, ...]:
    operands = node.child("operands").elements(limit=_MAX_OPERANDS)
    fields = tuple(read_field(sources, operand) for operand in operands)
    if len({field.bbox for field in fields}) > 1:
        raise UnknownClassError("field made of fields over several boxes")
    return fields


def _product_field(sources: Sources, node: Node) -> ProductField:
    return ProductField(_operands(sources, node))


def _sum_field(sources: Sources, node: Node) -> SumField:
    units_of_field(node)
    return SumField(_operands(sources, node))


_READERS: Mapping[str, Callable[[Sources, Node], BoundedField]] = {
    "CHEBYSHEV": _chebyshev_field,
    "PRODUCT": _product_field,
    "SPLINE": _spline_field,
    "SUM": _sum_field,
}
