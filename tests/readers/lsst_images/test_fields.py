import numpy as np
import pytest

from forcedsql.errors import ConfigError, FileLimitError, ReadError
from forcedsql.fields.bounded_field import ConstantField
from forcedsql.geometry import Box
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.fields import read_cell_fields, read_field, units_of_field
from forcedsql.readers.lsst_images.tree import Node
from tests.readers.lsst_images_file import box, cell_bounds, chebyshev, combined, inline

BOUNDS = box(10, -20, 200, 100)
X, Y = np.array([10.0, 57.3, 209.4]), np.array([-20.0, 3.9, 79.4])


def scaled():
    return 2 * (X - 109.5) / 200, 2 * (Y - 29.5) / 100


def test_a_chebyshev_field_has_y_as_its_first_axis(sources):
    coefficients = np.random.default_rng(3).normal(size=(2, 3))
    field = read_field(sources(), Node(chebyshev(BOUNDS, coefficients)))
    x, y = scaled()
    expected = np.polynomial.chebyshev.chebval2d(x, y, coefficients.T)
    np.testing.assert_allclose(field.evaluate(X, Y), expected, rtol=1e-13)
    assert field.bbox == Box(10, -20, 200, 100)


def test_one_coefficient_makes_a_constant(sources):
    assert read_field(sources(), Node(chebyshev(BOUNDS, [[1.5]]))) == ConstantField(
        1.5, Box(10, -20, 200, 100)
    )


def test_sums_and_products_nest(sources):
    x, y = scaled()
    slope_x, slope_y = chebyshev(BOUNDS, [[1.0, 0.5]]), chebyshev(BOUNDS, [[2.0], [0.25]])
    node = combined("PRODUCT", combined("SUM", slope_x, slope_y), slope_y)
    expected = (1 + 0.5 * x + 2 + 0.25 * y) * (2 + 0.25 * y)
    np.testing.assert_allclose(read_field(sources(), Node(node)).evaluate(X, Y), expected, rtol=1e-14)


@pytest.mark.parametrize("in_hdu", [False, True])
def test_a_spline_field_is_read_from_the_tree_or_an_hdu(file, sources, in_hdu):
    grid = 1.0 + np.arange(20.0).reshape(4, 5)
    data = file.image_node("SPLINE", grid) if in_hdu else inline(grid)
    x, y = inline([10.0, 60.0, 110.0, 160.0, 210.0]), inline([-20.0, 0.0, 40.0, 80.0])
    node = {"field_type": "SPLINE", "bounds": BOUNDS, "data": data, "x": x, "y": y}
    field = read_field(sources(), Node(node))
    np.testing.assert_allclose(field.evaluate(np.array([60.0]), np.array([40.0])), 12.0)


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ({"field_type": "BESSEL"}, "field of type BESSEL"),
        (combined("SUM", chebyshev(BOUNDS, [[1.0]]), chebyshev(box(0, 0, 9, 9), [[1.0]])), "several boxes"),
        (
            combined("SUM", chebyshev(BOUNDS, [[1.0]], "nJy"), chebyshev(BOUNDS, [[1.0]], "Jy")),
            "several units",
        ),
        (chebyshev({"type": "Polygon", "coordinates": []}, [[1.0]]), "polygon"),
        (chebyshev({"a": BOUNDS, "b": BOUNDS}, [[1.0]]), "polygon"),
    ],
)
def test_fields_of_other_kinds_are_named(sources, field, what):
    with pytest.raises(UnknownClassError, match=what):
        read_field(sources(), Node(field))


@pytest.mark.parametrize(
    "coefficients", [[], [[]], [1.0], [[[1.0]]], [["1"]], [[1.0], [1.0, 2.0]], None, {"source": "fits:IMAGE"}]
)
def test_coefficients_that_are_no_matrix_are_refused(sources, coefficients):
    node = chebyshev(BOUNDS, [[1.0]])
    node["coefficients"] = {"data": coefficients, "datatype": "float64"}
    with pytest.raises(ReadError):
        read_field(sources(), Node(node, "field"))


def test_fields_that_ask_for_too_much_are_refused(sources):
    with pytest.raises(FileLimitError, match="order of field"):
        read_field(sources(), Node(chebyshev(BOUNDS, [[1.0] * 60]), "field"))
    with pytest.raises(FileLimitError, match="at most 256"):
        read_field(sources(), Node(combined("SUM", *[chebyshev(BOUNDS, [[1.0]])] * 300), "field"))


def test_a_field_of_no_fields_is_refused(sources):
    with pytest.raises(ConfigError, match="it has no factor"):
        read_field(sources(), Node(combined("PRODUCT")))


def test_the_unit_of_a_product_is_that_of_all_its_factors():
    field = combined("PRODUCT", chebyshev(BOUNDS, [[1.0]], "nJy"), chebyshev(BOUNDS, [[1.0]], "electron**-1"))
    assert units_of_field(Node(field)) == ["nJy", "electron**-1"]
    same = combined("SUM", chebyshev(BOUNDS, [[1.0]], "nJy"), chebyshev(BOUNDS, [[1.0]], "nJy"))
    assert units_of_field(Node(same)) == ["nJy"]
    assert units_of_field(Node(chebyshev(BOUNDS, [[1.0]]))) == []


CELLS = cell_bounds(cell=(10, 20), cells=(2, 2), first=(3, 5), missing=[(4, 6)])
TABLE = {"cell_i": [4, 3, 3], "cell_j": [5, 6, 5], "flux": [3.0, 2.0, 1.0]}


def cell_fields(file, sources, table=TABLE):
    node = Node({"table": file.table_node("CELLS", table), "bounds": CELLS}, "corrections")
    return read_cell_fields(sources(), node)


def test_rows_of_a_table_are_cells_whatever_their_order(file, sources):
    fields = cell_fields(file, sources)
    x, y = np.array([101.0, 121.0, 101.0, 121.0, 0.0]), np.array([31.0, 31.0, 41.0, 41.0, 31.0])
    np.testing.assert_array_equal(fields["flux"].evaluate(x, y), [1.0, 2.0, 3.0, np.nan, np.nan])
    assert list(fields) == ["flux"]


def test_a_cell_without_a_row_has_no_value(file, sources):
    fields = cell_fields(file, sources, {name: values[:2] for name, values in TABLE.items()})
    assert np.isnan(fields["flux"].evaluate(np.array([101.0]), np.array([31.0])))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"cell_i": [4, 3, 2]}, "cell_i of corrections names cells outside"),
        ({"cell_j": [5, 7, 5]}, "cell_j of corrections names cells outside"),
        ({"cell_j": [5.0, 6.0, 5.0]}, "no column cell_j of whole numbers"),
        ({"flux": np.ones((3, 2))}, "several numbers per cell"),
    ],
)
def test_tables_that_are_not_one_row_per_cell_are_refused(file, sources, change, what):
    with pytest.raises(ReadError, match=what):
        cell_fields(file, sources, TABLE | change)


def test_a_table_without_cells_is_refused(file, sources):
    with pytest.raises(ReadError, match="no column cell_i"):
        cell_fields(file, sources, {"flux": [1.0]})


def test_columns_of_other_lengths_are_refused(sources):
    lists = {"cell_i": [4, 3], "cell_j": [5, 6], "flux": [1.0]}
    columns = [
        {"name": name, "data": {"data": values, "datatype": "int64"}} for name, values in lists.items()
    ]
    node = Node({"table": {"columns": columns}, "bounds": CELLS}, "corrections")
    with pytest.raises(ReadError, match="column flux of corrections has 1 rows, others 2"):
        read_cell_fields(sources(), node)
