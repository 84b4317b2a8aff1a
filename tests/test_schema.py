import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.schema import (
    aperture_source_prefix,
    lsst_schema,
    measured_columns,
    source_columns,
    source_schema,
    struct_type,
)


def as_flux(name: str) -> str:
    return name.replace("_instFlux", "_flux")


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("expected", {}),
        ("expected_noapcorr", {"do_ap_corr": False}),
        ("expected_radii", {"radii": (1, 2, 5, 7.5, 10, 10.1, 15.5)}),
        ("expected_fpmasks", {"masks_footprint": ("STREAK", "DETECTED"), "masks_center": ("DETECTED",)}),
    ],
)
def test_names_order_and_types_are_the_lsst_drivers(reference, table, options):
    expected = pq.read_schema(reference / "singlegauss_tan" / f"{table}.parquet")
    schema = lsst_schema(MeasurementConfig(**options), "nJy")
    assert schema.names == [as_flux(name) for name in expected.names]
    assert schema.types == expected.types


def test_units_are_the_lsst_drivers_with_the_flux_unit_in_place_of_counts(reference):
    expected = pq.read_schema(reference / "singlegauss_tan" / "expected.parquet")
    schema = lsst_schema(MeasurementConfig(), "nJy")
    for ours, theirs in zip(schema, expected, strict=True):
        unit = (theirs.metadata or {}).get(b"unit", b"")
        assert (ours.metadata or {}).get(b"unit", b"") == (b"nJy" if unit == b"ct" else unit), ours.name


def test_every_column_has_a_ucd_and_a_description():
    for schema in (lsst_schema(MeasurementConfig(), "nJy"), source_schema(MeasurementConfig(), "nJy")):
        for field in schema:
            assert field.metadata[b"ucd"]
            assert len(field.metadata[b"description"]) > 10


def test_both_styles_hold_the_same_columns():
    config = MeasurementConfig()
    assert {c.source for c in source_columns(config)} == {c.source for c in measured_columns(config)}
    assert [f.name for f in struct_type(config)] == [c.source for c in source_columns(config)]
    assert source_schema(config, "nJy").names[:7] == ["id", "ra", "dec", "x", "y", "centroid_flag", "psfFlux"]


@pytest.mark.parametrize(
    ("radius", "name"), [(3, "ap03Flux"), (4.5, "ap04_5Flux"), (12, "ap12Flux"), (100, "ap100Flux")]
)
def test_aperture_columns_are_named_as_in_dp1(radius, name):
    assert aperture_source_prefix(radius) == name


def test_leaving_plugins_out_leaves_their_columns_out():
    config = MeasurementConfig(plugins=("base_TransformedCentroidFromCoord", "base_PixelFlags"))
    names = [c.source for c in measured_columns(config)]
    assert names[:3] == ["x", "y", "centroid_flag"]
    assert not [n for n in names if "Flux" in n]


def test_the_driver_has_no_column_for_a_missing_position_but_the_source_style_has():
    assert "centroid_flag" in source_schema(MeasurementConfig(), "nJy").names
    assert len(lsst_schema(MeasurementConfig(), "nJy")) == 100
    assert isinstance(struct_type(MeasurementConfig()), pa.StructType)
