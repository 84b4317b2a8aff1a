import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.fields.bounded_field import ChebyshevField, ConstantField, ProductField, SumField
from forcedsql.geometry import Box


def test_a_chebyshev_field_equals_numpys_own_evaluation():
    rng = np.random.default_rng(4)
    coefficients = rng.normal(size=(3, 4))
    field = ChebyshevField(Box(100, -50, 600, 400), coefficients)
    x, y = rng.uniform(100, 700, 50), rng.uniform(-50, 350, 50)
    scaled_x, scaled_y = 2 * (x - 399.5) / 600, 2 * (y - 149.5) / 400
    expected = np.polynomial.chebyshev.chebval2d(scaled_x, scaled_y, coefficients.T)
    np.testing.assert_allclose(field.evaluate(x, y), expected, rtol=1e-13)


def test_a_chebyshev_field_maps_the_outer_pixel_edges_to_one():
    slope = ChebyshevField(Box(0, 0, 10, 10), np.array([[0.0, 1.0]]))
    assert slope.evaluate(np.array([-0.5, 9.5]), np.zeros(2)) == pytest.approx([-1.0, 1.0])


def test_a_field_over_an_empty_box_is_constant():
    field = ChebyshevField(Box(0, 0, 0, 0), np.array([[1e6]]))
    assert field.evaluate(np.array([5.0]), np.array([-7.0])) == pytest.approx([1e6])


def test_nan_positions_give_nan():
    field = ChebyshevField(Box(0, 0, 10, 10), np.ones((2, 2)))
    assert np.isnan(field.evaluate(np.array([np.nan]), np.array([1.0]))).all()


def test_a_sum_and_a_product_are_made_at_each_position():
    box, x = Box(0, 0, 10, 10), np.array([-0.5, 4.5, 9.5])
    slope, two = ChebyshevField(box, np.array([[1.0, 0.5]])), ConstantField(2.0, box)
    assert SumField((slope, two, slope)).evaluate(x, x).tolist() == [3.0, 4.0, 5.0]
    assert ProductField((slope, two, slope)).evaluate(x, x).tolist() == [0.5, 2.0, 4.5]
    assert SumField((slope, two)).bbox == ProductField((slope, two)).bbox == box


@pytest.mark.parametrize("kind", [SumField, ProductField])
def test_fields_over_several_boxes_and_no_fields_make_no_field(kind):
    with pytest.raises(ConfigError, match="several boxes"):
        kind((ConstantField(1.0, Box(0, 0, 9, 9)), ConstantField(1.0, Box(0, 0, 9, 8))))
    with pytest.raises(ConfigError, match=f"{kind.__name__}: it has no"):
        kind(())
