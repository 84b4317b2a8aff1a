import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.fields.cells import NO_CELL, CellField, CellGrid
from forcedsql.geometry import Box


def grid(missing=((False, False, True), (False, False, False))):
    return CellGrid(x0=100, y0=-20, cell_width=30, cell_height=10, missing=np.array(missing))


def test_cells_are_counted_row_by_row_from_the_lower_left():
    x, y = np.array([100.0, 129.4, 129.5, 189.0, 100.0]), np.array([-20.0, -11.0, -11.0, -5.0, -10.5])
    assert grid().cell_of(x, y).tolist() == [0, 0, 1, 5, 3]


@pytest.mark.parametrize(
    "position",
    [
        (165.0, -15.0),
        (99.4, -15.0),
        (189.5, -5.0),
        (110.0, 0.0),
        (np.nan, -15.0),
        (110.0, np.inf),
        (1e300, -15.0),
    ],
)
def test_missing_cells_other_places_and_nowhere_are_no_cell(position):
    x, y = (np.array([value]) for value in position)
    assert grid().cell_of(x, y).tolist() == [NO_CELL]


def test_the_box_holds_all_cells():
    assert grid().bbox == Box(100, -20, 90, 20)


def test_a_field_has_the_value_of_the_cell_and_none_without_a_cell():
    field = CellField(grid(), np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]))
    x, y = (
        np.array([100.0, 140.0, 170.0, 140.0, 170.0, 0.0]),
        np.array([-15.0, -15.0, -15.0, -5.0, -5.0, -5.0]),
    )
    np.testing.assert_array_equal(field.evaluate(x, y), [1.0, 2.0, np.nan, np.nan, 6.0, np.nan])
    assert field.bbox == grid().bbox


def test_no_cells_and_values_for_other_cells_are_refused():
    with pytest.raises(ConfigError, match="CellGrid"):
        grid(missing=())
    with pytest.raises(ConfigError, match="CellGrid"):
        CellGrid(0, 0, 0, 5, np.zeros((1, 1), dtype=bool))
    with pytest.raises(ConfigError, match="CellField"):
        CellField(grid(), np.zeros((3, 2)))
