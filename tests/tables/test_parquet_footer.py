"""The footer of Parquet files, read back by astropy: as VOParquet and by its own convention."""

import io

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.io import votable
from astropy.table import QTable
from pyarrow import parquet

from forcedsql.config import MeasurementConfig
from forcedsql.schema import source_schema
from forcedsql.tables import field_metadata, read_table, write_table
from forcedsql.tables.parquet_footer import ASTROPY_KEY, CONTENT_KEY, VERSION_KEY, text_lengths_of


@pytest.fixture
def measured() -> pa.Table:
    """Two rows of every measured column, a text and a text that is missing."""
    schema = source_schema(MeasurementConfig(), "nJy")
    columns = [pa.array([0, 1], pa.int8()).cast(field.type) for field in schema]
    table = pa.table(columns, schema=schema)
    band = pa.field("band", pa.string(), metadata={"description": 'the <band> & its "Δ"'})
    return table.append_column(band, pa.array(["i", "Δ"])).append_column("note", pa.array(["seen", None]))


@pytest.fixture
def file(measured, tmp_path):
    write_table(measured, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def _document(file) -> votable.tree.VOTableFile:
    footer = parquet.ParquetFile(file).metadata.metadata
    return votable.parse(io.BytesIO(footer[CONTENT_KEY.encode()]), verify="exception")


def test_the_footer_is_a_voparquet_document_of_version_1(file):
    footer = parquet.ParquetFile(file).metadata.metadata
    assert footer[VERSION_KEY.encode()] == b"1.0"
    # the Note: a table with fields and without DATA, and it is the first one
    assert b"<DATA" not in footer[CONTENT_KEY.encode()]
    assert len(_document(file).get_first_table().fields) == parquet.read_schema(file).names.__len__()


def test_the_document_is_valid_votable_for_every_measured_column(file, measured):
    fields = _document(file).get_first_table().fields
    for field, column in zip(fields, measured.schema, strict=True):
        said = {"unit": field.unit, "ucd": field.ucd, "description": field.description}
        expected = field_metadata(column)
        assert field.name == column.name
        assert {key: str(value) for key, value in said.items() if value} == expected


@pytest.mark.parametrize("convention", ["parquet.votable", "parquet"])
def test_astropy_reads_units_and_descriptions_back(file, measured, convention):
    table = QTable.read(file, format=convention)
    assert table["psfFlux"].unit == u.nJy
    assert table["psfFlux"].info.description == "flux of the PSF fitted at the position"
    assert table["psfFlux"].info.meta["ucd"] == "phot.flux;instr.det.psf"
    assert table["ra"].unit == u.deg
    for column in measured.schema:
        unit = field_metadata(column).get("unit")
        assert (table[column.name].unit or None) == (u.Unit(unit) if unit else None)
        if pa.types.is_floating(column.type):
            np.testing.assert_array_equal(np.asarray(table[column.name]), measured[column.name].to_numpy())
    assert list(table["band"]) == ["i", "Δ"]


@pytest.mark.parametrize(
    ("type_", "datatype", "arraysize"),
    [
        (pa.int8(), "short", None),
        (pa.uint32(), "long", None),
        (pa.list_(pa.float64()), "double", "*"),
        (pa.list_(pa.float32(), 3), "float", "3"),
        (pa.struct([("x", pa.float64())]), "char", "*"),
        (pa.uint64(), "char", "*"),
    ],
)
def test_every_column_has_a_field_even_where_votable_lacks_its_type(tmp_path, type_, datatype, arraysize):
    write_table(pa.table({"c": pa.nulls(1, type_)}), tmp_path / "t.parquet")
    field = _document(tmp_path / "t.parquet").get_first_table().fields[0]
    assert (field.datatype, field.arraysize) == (datatype, arraysize)


def test_lengths_of_texts_count_characters_and_never_are_zero():
    table = pa.table({"a": ["ΔΔΔ", "b"], "n": pa.nulls(2, pa.string()), "i": [1, 2]})
    assert text_lengths_of(zip(table.schema, table.columns, strict=True)) == {"a": 3, "n": 1}


def test_small_chunks_share_a_row_group(tmp_path):
    table = pa.concat_tables([pa.table({"a": [i]}) for i in range(50)])
    write_table(table, tmp_path / "t.parquet")
    assert parquet.ParquetFile(tmp_path / "t.parquet").num_row_groups == 1


def test_units_that_only_a_foreign_footer_has_are_read(file, tmp_path):
    with parquet.ParquetFile(file) as ours:
        footer, bare = ours.metadata.metadata, ours.read()
    plain = pa.table(bare.columns, names=bare.column_names)
    for keys in ((CONTENT_KEY, VERSION_KEY), (ASTROPY_KEY,)):
        some = {key: footer[key.encode()] for key in keys}
        parquet.write_table(plain.replace_schema_metadata(some), tmp_path / "foreign.parquet")
        assert read_table(tmp_path / "foreign.parquet").schema.equals(
            bare.schema.with_metadata(None), check_metadata=True
        )


def test_what_the_footer_says_of_the_file_is_not_in_the_table(file, measured):
    assert read_table(file).schema.equals(measured.schema, check_metadata=True)
