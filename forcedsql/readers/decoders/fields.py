"""Decoders of fields that are made of other fields, of projections or of AST mappings."""

from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import MAX_CHARACTERS
from forcedsql.errors import ReadError
from forcedsql.fields.bounded_field import BoundedField, ProductField
from forcedsql.fields.projected import CoaddField, CoaddFieldElement, PixelAreaField, TransformField
from forcedsql.readers import limits
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.readers.decoders.calibration import box_of_row
from forcedsql.readers.decoders.exposures import optional_part

_MAX_FACTORS = 256
_MAX_ELEMENTS = 20_000


def _coadd_field(source: ArchiveObject) -> CoaddField:
    row, rows = source.row(), source.rows(1)
    limits.require_at_most(len(rows), _MAX_ELEMENTS, f"elements of {source.label}")
    elements = [
        CoaddFieldElement(
            field=_simple(source.refer(rows.integer("field", k), "field"), source),
            wcs=source.refer(rows.integer("wcs", k), "sky projection"),
            valid_polygon=optional_part(source.archive, rows, k, "validPolygon"),
            weight=rows.number("weight", k),
        )
        for k in range(len(rows))
    ]
    coadd_wcs = source.refer(row.integer("coaddWcs"), "sky projection")
    return CoaddField(box_of_row(row), coadd_wcs, elements, row.number("default"))


def _product_field(source: ArchiveObject) -> ProductField:
    rows = source.rows()
    factors: list[BoundedField] = []
    for object_id in rows.integers("id"):
        factor = _simple(source.refer(object_id, "field"), source)
        factors += factor.factors if isinstance(factor, ProductField) else [factor]
        # Products of products multiply, so the count is of what there is to evaluate.
        limits.require_at_most(len(factors), _MAX_FACTORS, f"factors of {source.label}")
    return ProductField(tuple(factors))


def _simple(field: BoundedField, source: ArchiveObject) -> BoundedField:
    """Refuse a coadd's field within a field: their numbers of elements would multiply."""
    if isinstance(field, CoaddField):
        raise ReadError(f"{source.label} has a coadd's field as a part")
    return field


def _pixel_area_field(source: ArchiveObject) -> PixelAreaField:
    row = source.row()
    wcs = source.refer(row.integer("wcs"), "sky projection")
    return PixelAreaField(box_of_row(row), wcs, row.number("scaling"))


def _transform_field(source: ArchiveObject) -> TransformField:
    row = source.row()
    text = row.blob("frameSet", limit=MAX_CHARACTERS)
    try:
        return TransformField(box_of_row(row), text.decode("ascii", errors="replace"))
    except UnknownAstClassError as fault:
        raise UnknownClassError(f"AST {fault.class_name}") from fault


DECODERS = {
    "CoaddBoundedField": Decoder("field", _coadd_field),
    "PixelAreaBoundedField": Decoder("field", _pixel_area_field),
    "ProductBoundedField": Decoder("field", _product_field),
    "TransformBoundedField": Decoder("field", _transform_field),
}
