import numpy as np
import pytest

from forcedsql.errors import ConfigError, ReadError
from forcedsql.fields.bounded_field import ChebyshevField, ConstantField, ProductField
from forcedsql.fields.projected import CoaddField, CoaddFieldElement, PixelAreaField, TransformField
from forcedsql.geometry import Box, Polygon
from tests.psf.coadds import PIXEL, projection

COADD_BOX = Box(0, 0, 1000, 1000)
COADD = projection(centre=(500.0, 500.0))
LEFT = Box(0, 0, 600, 1000)
RIGHT = Box(400, 0, 600, 1000)
X, Y = np.array([100.0, 500.0, 900.0]), np.array([500.0, 500.0, 500.0])


def element(value, box, weight=1.0, polygon=None):
    return CoaddFieldElement(ConstantField(value, box), COADD, polygon, weight)


def coadd_field(*elements, default=0.0):
    return CoaddField(COADD_BOX, COADD, elements, default)


def test_a_coadds_field_is_the_weighted_mean_of_the_inputs_that_cover_a_position():
    field = coadd_field(element(2.0, LEFT, 1.0), element(5.0, RIGHT, 3.0))
    np.testing.assert_allclose(field.evaluate(X, Y), [2.0, (2.0 + 15.0) / 4.0, 5.0], rtol=1e-15)


def test_a_coadds_field_takes_its_default_where_no_input_is():
    y = np.array([-400.0, 500.0, 1200.0])
    field = coadd_field(element(2.0, LEFT))
    np.testing.assert_array_equal(field.evaluate(X, y), [0.0, 2.0, 0.0])
    np.testing.assert_array_equal(coadd_field(element(2.0, LEFT), default=7.0).evaluate(X, y), [7, 2, 7])


def test_a_valid_polygon_cuts_an_input():
    corner = Polygon(np.array([0.0, 300.0, 0.0]), np.array([0.0, 0.0, 999.0]))
    field = coadd_field(element(2.0, LEFT, polygon=corner))
    np.testing.assert_array_equal(field.evaluate(X, Y), [2.0, 0.0, 0.0])


def test_a_constant_over_an_empty_box_covers_nothing():
    assert coadd_field(element(2.0, Box(0, 0, 0, 0))).evaluate(X, Y).tolist() == [0.0, 0.0, 0.0]


def test_a_coadds_field_is_evaluated_in_the_inputs_own_pixels():
    wcs = projection(0.7, centre=(512.0, 512.0), distortion=3.0)
    polynomial = ChebyshevField(Box(0, 0, 1024, 1024), np.array([[1.0, 0.1], [-0.2, 0.05]]))
    field = coadd_field(CoaddFieldElement(polynomial, wcs, None, 2.0))
    own = wcs.sky_to_pixel(*COADD.pixel_to_sky(X, Y))
    np.testing.assert_allclose(field.evaluate(X, Y), polynomial.evaluate(*own), rtol=1e-14)


def test_weights_that_cancel_are_missing_data():
    field = coadd_field(element(2.0, LEFT, 1.0), element(5.0, LEFT, -1.0), default=9.0)
    assert field.evaluate(X[:1], Y[:1]).tolist() == [9.0]


def test_nan_positions_give_nan():
    x, y = np.array([np.nan, 100.0]), np.array([500.0, 500.0])
    area = PixelAreaField(COADD_BOX, COADD, 1.0)
    for field in (coadd_field(element(2.0, LEFT)), area, ProductField((area,))):
        assert np.isnan(field.evaluate(x, y)).tolist() == [True, False]


def test_a_product_multiplies_and_keeps_the_common_box():
    slope = ChebyshevField(LEFT, np.array([[1.0, 0.5]]))
    field = ProductField((slope, ConstantField(3.0, LEFT)))
    assert field.bbox == LEFT
    np.testing.assert_allclose(field.evaluate(X, Y), 3.0 * slope.evaluate(X, Y), rtol=1e-15)


def test_a_product_of_nothing_or_over_several_boxes_is_refused():
    with pytest.raises(ConfigError, match="no factor"):
        ProductField(())
    with pytest.raises(ConfigError, match="several boxes"):
        ProductField((ConstantField(1.0, LEFT), ConstantField(1.0, RIGHT)))


def test_the_area_of_a_tangent_pixel_is_that_of_its_scale():
    middle = np.array([500.0])
    area = PixelAreaField(COADD_BOX, COADD, 2.0).evaluate(middle, middle)
    # One pixel from the tangent point the projection is flat to rounding of the sky positions.
    np.testing.assert_allclose(area, 2.0 * np.radians(PIXEL) ** 2, rtol=1e-8)


def test_pixels_of_a_tangent_projection_shrink_as_the_cosine_cubed():
    x = np.array([500.0, 20_500.0])
    y = np.array([500.0, 500.0])
    area = PixelAreaField(COADD_BOX, COADD, 1.0).evaluate(x, y)
    angle = np.arctan((x + 0.5 - 500.0) * np.radians(PIXEL))
    np.testing.assert_allclose(area, np.radians(PIXEL) ** 2 * np.cos(angle) ** 3, rtol=1e-7)


POLYNOMIAL = """1 TransformPoint2ToGeneric Begin PolyMap
 Nin = 2
 Nout = 1
 IsA Mapping
 MPF1 = 1
 MPF2 = 2
 NCF1 = 3
 CF1 = 1.5
 CF2 = 0.25
 CF3 = -0.125
 PF3 = 1
 PF6 = 2
End PolyMap
"""


def test_a_transform_field_is_its_mapping():
    field = TransformField(COADD_BOX, POLYNOMIAL)
    np.testing.assert_allclose(field.evaluate(X, Y), 1.5 + 0.25 * X - 0.125 * Y**2, rtol=1e-14)
    assert np.isnan(field.evaluate(np.array([np.nan]), np.array([1.0]))).all()


def test_a_transform_field_of_two_values_is_refused():
    with pytest.raises(ReadError, match="not 2 to 1"):
        TransformField(COADD_BOX, "Begin UnitMap\n Nin = 2\n IsA Mapping\nEnd UnitMap\n")
