"""Decoders of fields that are made of other fields, of projections or of AST mappings."""

import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.fields.bounded_field import ProductField
from forcedsql.fields.projected import CoaddField, PixelAreaField, TransformField
from forcedsql.geometry import Box
from tests.fields.test_projected import POLYNOMIAL
from tests.readers.decoders.test_calibration import add_ap_corr, add_field
from tests.readers.decoders.test_coadd import add_polygon, as_bytes

X, Y = np.array([1.0, 6.0]), np.array([2.0, 2.0])
BOX = (0, 0, 7, 5)


def add_boxed(afw, name, *, flags=None, **columns):
    edges = zip(("min_x", "min_y", "max_x", "max_y"), BOX, strict=True)
    boxes = {f"bbox_{edge}": ("J", [value]) for edge, value in edges}
    return (
        afw.add_table(flags=flags, **boxes, **columns)
        if name is None
        else afw.add_object(name, flags=flags, **boxes, **columns)
    )


def add_coadd_field(afw, fields, *, weights=None, polygons=None, default=0.0):
    wcs = afw.add_wcs()
    count = len(fields)
    first = add_boxed(
        afw, None, flags={"throwOnMissing": [False]}, coaddWcs=("J", [wcs]), default=("D", [default])
    )
    second = afw.add_table(
        field=("J", fields),
        wcs=("J", [wcs] * count),
        validPolygon=("J", polygons or [0] * count),
        weight=("D", weights or [1.0] * count),
    )
    made = afw.place("CoaddBoundedField", first)
    afw.index.append((made, second, 1, 0, count, "CoaddBoundedField"))
    return made


def opened_field(afw, opened, made):
    add_ap_corr(afw, f=made)
    return opened().ap_corr["f"]


def test_a_coadds_field_is_the_weighted_mean_where_inputs_are(afw, opened):
    left = add_field(afw, [2.0], box=(0, 0, 3, 5))
    everywhere = add_field(afw, [5.0], box=BOX)
    field = opened_field(afw, opened, add_coadd_field(afw, [left, everywhere], weights=[1.0, 3.0]))
    assert isinstance(field, CoaddField)
    assert field.bbox == Box(0, 0, 8, 6)
    np.testing.assert_allclose(field.evaluate(X, Y), [17.0 / 4.0, 5.0], rtol=1e-15)


def test_a_coadds_field_heeds_polygons_and_its_default(afw, opened):
    corner = add_polygon(afw, [0.0, 4.0, 0.0], [0.0, 0.0, 6.0])
    made = add_coadd_field(afw, [add_field(afw, [2.0])], polygons=[corner], default=0.25)
    np.testing.assert_array_equal(opened_field(afw, opened, made).evaluate(X, Y), [2.0, 0.25])


def test_a_product_multiplies_and_joins_the_factors_of_products(afw, opened):
    slope = add_field(afw, [1.0, 0.5], order_x=1)
    inner = afw.add_object("ProductBoundedField", rows=2, id=("J", [slope, add_field(afw, [3.0])]))
    field = opened_field(afw, opened, afw.add_object("ProductBoundedField", rows=2, id=("J", [inner, slope])))
    assert isinstance(field, ProductField)
    assert len(field.factors) == 3
    np.testing.assert_allclose(field.evaluate(X, Y), 3.0 * field.factors[0].evaluate(X, Y) ** 2, rtol=1e-15)


def test_products_that_multiply_are_refused(afw, opened):
    inner = add_field(afw, [1.0])
    for _ in range(4):
        inner = afw.add_object("ProductBoundedField", rows=10, id=("J", [inner] * 10))
    add_ap_corr(afw, f=inner)
    with pytest.raises(FileLimitError, match="factors"):
        opened()


def test_factors_over_several_boxes_are_refused(afw, opened):
    factors = [add_field(afw, [1.0]), add_field(afw, [1.0], box=(0, 0, 3, 3))]
    add_ap_corr(afw, f=afw.add_object("ProductBoundedField", rows=2, id=("J", factors)))
    with pytest.raises(ReadError, match="several boxes"):
        opened()


def test_a_coadds_field_within_a_field_is_refused(afw, opened):
    inner = add_coadd_field(afw, [add_field(afw, [1.0])])
    add_ap_corr(afw, f=add_coadd_field(afw, [inner]))
    with pytest.raises(ReadError, match="a coadd's field as a part"):
        opened()


def test_the_pixel_area_is_that_of_the_projection(afw, opened):
    made = add_boxed(afw, "PixelAreaBoundedField", wcs=("J", [afw.add_wcs()]), scaling=("D", [2.0]))
    field = opened_field(afw, opened, made)
    assert isinstance(field, PixelAreaField)
    # The test's projection has 0.001 radians a pixel, and is flat but for the cosine of declination.
    np.testing.assert_allclose(field.evaluate(X, Y), 2e-6 * np.cos(1e-3 * Y), rtol=1e-5)


def test_a_transform_field_is_its_mapping(afw, opened):
    made = add_boxed(afw, "TransformBoundedField", frameSet=as_bytes(POLYNOMIAL))
    field = opened_field(afw, opened, made)
    assert isinstance(field, TransformField)
    np.testing.assert_allclose(field.evaluate(X, Y), 1.5 + 0.25 * X - 0.125 * Y**2, rtol=1e-14)


def test_an_unknown_mapping_leaves_the_other_entries(afw, opened):
    made = add_boxed(
        afw,
        "TransformBoundedField",
        frameSet=as_bytes("Begin MathMap\n Nin = 2\n IsA Mapping\nEnd MathMap\n"),
    )
    add_ap_corr(afw, f=made, g=add_field(afw, [1.5]))
    assert list(opened().ap_corr) == ["g"]
