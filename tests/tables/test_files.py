"""Tables in and out of files: values, types, units and missing values survive."""

import gzip
import math
from decimal import Decimal
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from pyarrow import parquet

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ForcedSQLError, OutputError, TableError
from forcedsql.readers import limits
from forcedsql.schema import lsst_schema, source_schema
from forcedsql.tables import FORMATS, field_metadata, from_astropy, read_table, to_astropy, write_table

SUFFIXES = [suffix for format_ in FORMATS for suffix in format_.suffixes]
WITH_UNITS = [suffix for suffix in SUFFIXES if suffix != ".csv"]


def _field(name, type_, **metadata):
    return pa.field(name, type_, metadata=metadata or None)


@pytest.fixture
def three_rows() -> pa.Table:
    schema = pa.schema(
        [
            _field("id", pa.int64(), ucd="meta.id;meta.main", description="id as given"),
            _field("ra", pa.float64(), unit="deg", ucd="pos.eq.ra"),
            _field("psfFlux", pa.float64(), unit="nJy", ucd="phot.flux", description="flux of the PSF"),
            _field("psfFlux_flag", pa.bool_(), description="could not be measured"),
            _field("band", pa.string()),
        ]
    )
    rows = {
        "id": [2**53 + 1, -7, 0],
        "ra": [0.1, 359.99999999999994, 53.0],
        "psfFlux": [1234.5, math.nan, -1e-300],
        "psfFlux_flag": [False, True, False],
        "band": ["i", "", "Δ"],
    }
    return pa.table(rows, schema=schema)


def _assert_same_values(got: pa.Table, expected: pa.Table) -> None:
    assert got.column_names == expected.column_names
    for name in expected.column_names:
        np.testing.assert_array_equal(got[name].to_numpy(), expected[name].to_numpy(), err_msg=name)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s not in (".csv", ".ecsv", ".fits", ".fit")])
def test_three_rows_come_back_from_every_format(three_rows, tmp_path, suffix):
    write_table(three_rows, tmp_path / f"table{suffix}")
    got = read_table(tmp_path / f"table{suffix}")
    _assert_same_values(got, three_rows)
    assert got.schema.types == three_rows.schema.types


@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".fits", ".fit"])
def test_ascii_rows_come_back_from_text_formats_and_fits(three_rows, tmp_path, suffix):
    plain = three_rows.set_column(4, "band", pa.array(["i", "r", "z"]))
    write_table(plain, tmp_path / f"table{suffix}")
    got = read_table(tmp_path / f"table{suffix}")
    _assert_same_values(got, plain)
    assert got.schema.types == plain.schema.types


@pytest.mark.parametrize("suffix", WITH_UNITS)
def test_units_ucds_and_descriptions_come_back(three_rows, tmp_path, suffix):
    table = three_rows.drop_columns("band")
    write_table(table, tmp_path / f"table{suffix}")
    got = read_table(tmp_path / f"table{suffix}")
    assert [field_metadata(f) for f in got.schema] == [field_metadata(f) for f in table.schema]


@pytest.mark.parametrize("suffix", [".ecsv", ".fits", ".vot"])
@pytest.mark.parametrize("schema", [source_schema, lsst_schema])
def test_every_measured_column_keeps_type_and_unit(tmp_path, suffix, schema):
    expected = schema(MeasurementConfig(), "nJy")
    columns = [pa.array([0, 1], pa.int8()).cast(field.type) for field in expected]
    write_table(pa.table(columns, schema=expected), tmp_path / f"t{suffix}")
    got = read_table(tmp_path / f"t{suffix}").schema
    assert got.names == expected.names
    assert got.types == expected.types
    assert [field_metadata(f) for f in got] == [field_metadata(f) for f in expected]


def test_csv_text_is_plain_and_golden(three_rows, tmp_path):
    write_table(three_rows, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == (
        '"id","ra","psfFlux","psfFlux_flag","band"\n'
        '9007199254740993,0.1,1234.5,false,"i"\n'
        '-7,359.99999999999994,nan,true,""\n'
        '0,53,-1e-300,false,"Δ"\n'
    )


def test_ecsv_header_names_units_as_astropy_does(three_rows, tmp_path):
    write_table(three_rows.select(["id", "ra"]), tmp_path / "t.ecsv")
    lines = (tmp_path / "t.ecsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# %ECSV")
    ra = lines.index("# - name: ra")
    assert lines[ra + 1 : ra + 3] == ["#   unit: deg", "#   datatype: float64"]
    assert lines[-1] == "0 53.0"


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".arrow"])
def test_null_is_not_nan_where_the_format_can_tell(tmp_path, suffix):
    table = pa.table({"id": [1, None, 3], "flux": pa.array([math.nan, None, 2.0])})
    write_table(table, tmp_path / f"t{suffix}")
    got = read_table(tmp_path / f"t{suffix}")
    assert got["id"].to_pylist() == [1, None, 3]
    assert got["flux"].is_null().to_pylist() == [False, True, False]
    assert got["flux"].is_null(nan_is_null=True).to_pylist() == [True, True, False]


@pytest.mark.parametrize("suffix", [".fits", ".vot"])
def test_missing_numbers_are_nan_in_fits_and_votable_and_missing_integers_null(tmp_path, suffix):
    table = pa.table({"id": [1, None, 3], "flux": pa.array([math.nan, None, 2.0])})
    write_table(table, tmp_path / f"t{suffix}")
    got = read_table(tmp_path / f"t{suffix}")
    assert got["id"].to_pylist() == [1, None, 3]
    np.testing.assert_array_equal(got["flux"].to_numpy(), [math.nan, math.nan, 2.0])
    assert got["flux"].null_count == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows_keeps_its_columns(three_rows, tmp_path, suffix):
    write_table(three_rows.slice(0, 0), tmp_path / f"t{suffix}")
    got = read_table(tmp_path / f"t{suffix}")
    assert got.num_rows == 0
    assert got.column_names == three_rows.column_names


def test_to_astropy_gives_quantities_with_masked_nulls(three_rows):
    table = three_rows.append_column("mag", pa.array([20.0, None, 21.0])).append_column(
        _field("snr", pa.float64(), unit="furlong per fortnight?"), pa.array([1.0, 2.0, 3.0])
    )
    got = to_astropy(table)
    assert isinstance(got, QTable)
    assert got["psfFlux"].unit == u.nJy
    assert got["psfFlux"][0].to_value(u.uJy) == pytest.approx(1.2345, rel=1e-15)
    assert got["psfFlux"].info.description == "flux of the PSF"
    assert got["psfFlux"].info.meta["ucd"] == "phot.flux"
    assert got["mag"].mask.tolist() == [False, True, False]
    assert got["snr"].info.meta["unit"] == "furlong per fortnight?"
    assert field_metadata(from_astropy(got).schema.field("snr"))["unit"] == "furlong per fortnight?"


def test_a_masked_quantity_column_keeps_unit_and_mask():
    table = pa.table(
        {"flux": [1.0, None, math.nan]}, schema=pa.schema([_field("flux", pa.float64(), unit="nJy")])
    )
    got = to_astropy(table)
    assert isinstance(got["flux"], Masked)
    back = from_astropy(got)
    assert field_metadata(back.schema.field("flux")) == {"unit": "nJy"}
    assert back["flux"].is_null().to_pylist() == [False, True, False]


def test_from_astropy_takes_big_endian_bytes_masks_and_vectors():
    table = Table(
        {
            "big": np.arange(3, dtype=">i4"),
            "text": np.array([b"a", b"bc", b""]),
            "vector": np.arange(6.0).reshape(3, 2),
            "masked": MaskedColumn([1, 2, 3], mask=[False, True, False]),
        }
    )
    got = from_astropy(table)
    assert got.to_pydict() == {
        "big": [0, 1, 2],
        "text": ["a", "bc", ""],
        "vector": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]],
        "masked": [1, None, 3],
    }
    np.testing.assert_array_equal(to_astropy(got)["vector"], table["vector"])


def test_a_sky_coordinate_column_is_refused_by_name():
    table = Table({"where": SkyCoord([1.0], [2.0], unit="deg")})
    with pytest.raises(TableError, match="'where' is a SkyCoord"):
        from_astropy(table)


@pytest.mark.parametrize(
    "column",
    [
        np.array([1j]),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array([b"\xff"]),
        np.array([object()]),
        np.zeros((1, 2, 3)),
    ],
    ids=["complex", "structured", "no UTF-8", "objects", "cubes"],
)
def test_a_column_without_arrow_counterpart_is_refused_by_name_or_left_out(column):
    table = Table({"id": [7], "odd": column})
    with pytest.raises(TableError, match="column 'odd' ") as refusal:
        from_astropy(table)
    assert "\n" not in str(refusal.value)
    assert from_astropy(table, strict=False).to_pydict() == {"id": [7]}


def test_a_file_with_a_column_that_cannot_be_read_is_named_with_it(tmp_path):
    path = tmp_path / "sky.ecsv"
    Table({"where": SkyCoord([1.0], [2.0], unit="deg")}).write(path)
    with pytest.raises(TableError, match=r"cannot read .*sky\.ecsv as ecsv: column 'where' is a SkyCoord"):
        read_table(path)


def test_units_of_astropys_own_parquet_are_taken_up(tmp_path):
    table = pa.table({"ra": [0.5]})
    yaml = "datatype:\n- {name: ra, unit: rad, datatype: float64, description: where}\n"
    parquet.write_table(table.replace_schema_metadata({"table_meta_yaml": yaml}), tmp_path / "t.parquet")
    got = read_table(tmp_path / "t.parquet")
    assert field_metadata(got.schema.field("ra")) == {"unit": "rad", "description": "where"}


def test_a_reference_table_keeps_the_units_lsst_gave_it(reference):
    table = read_table(reference / "singlegauss_tan" / "positions.parquet")
    assert field_metadata(table.schema.field("coord_ra"))["unit"] == "deg"
    assert to_astropy(table)["coord_ra"].unit == u.deg


def test_an_unknown_suffix_names_the_ones_there_are(tmp_path):
    with pytest.raises(TableError, match=r"no table format has the suffix '\.xls'; use one of \.parquet"):
        read_table(tmp_path / "objects.xls")


def test_a_missing_file_is_named():
    with pytest.raises(TableError, match=r"cannot read nowhere\.fits: there is no such file"):
        read_table("nowhere.fits")


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".csv"])
def test_a_file_of_another_format_gives_one_line(tmp_path, suffix):
    (tmp_path / f"t{suffix}").write_bytes(b"\x00\x01this is no table\xff" * 7)
    with pytest.raises(TableError) as caught:
        read_table(tmp_path / f"t{suffix}")
    assert f"t{suffix}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_failed_write_leaves_the_old_file_and_no_partial_one(three_rows, tmp_path):
    path = tmp_path / "t.ecsv"
    write_table(three_rows, path)
    before = path.read_bytes()
    nested = three_rows.append_column("list", pa.array([[1], [], [2, 3]]))
    with pytest.raises(TableError, match="'list' is of type list"):
        write_table(nested, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.ecsv"]


def test_writing_into_a_missing_folder_is_one_line(three_rows, tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        write_table(three_rows, Path(tmp_path) / "nowhere" / "t.parquet")


class TestFilesThatAreNotTrusted:
    @pytest.fixture
    def votable(self, tmp_path):
        path = tmp_path / "t.vot"
        write_table(pa.table({"ra": [1.0]}), path)
        return path

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_a_votable_whose_data_are_elsewhere_is_refused(self, votable, encoding):
        text = votable.read_text(encoding="utf-8")
        stream = '<BINARY><STREAM encoding="base64" href="file:///etc/passwd"/></BINARY>'
        start, end = text.index("<TABLEDATA>"), text.index("</TABLEDATA>") + len("</TABLEDATA>")
        votable.write_text(text[:start] + stream + text[end:], encoding=encoding)
        with pytest.raises(TableError, match=r"t\.vot as votable: it has its data in another place"):
            read_table(votable)

    def test_a_votable_with_entities_is_refused(self, votable):
        text = votable.read_text(encoding="utf-8")
        head, _, rest = text.partition("<VOTABLE")
        votable.write_text(f'{head}<!DOCTYPE v [<!ENTITY a "aaa">]><VOTABLE{rest}', encoding="utf-8")
        with pytest.raises(TableError, match="defines XML entities"):
            read_table(votable)

    @pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
    def test_text_that_is_not_utf_8_is_refused(self, tmp_path, suffix):
        path = tmp_path / f"t{suffix}"
        write_table(pa.table({"name": ["abcdefgh"], "ra": [1.0]}), path)
        path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"\xff\xfecdefgh"))
        with pytest.raises(TableError, match=rf"t\{suffix} as"):
            read_table(path)

    def test_a_fits_table_with_too_many_columns_is_refused(self, tmp_path):
        path = tmp_path / "t.fits"
        write_table(pa.table({"ra": [1.0]}), path)
        content = path.read_bytes()
        at = content.index(b"TFIELDS =")
        path.write_bytes(content[:at] + b"TFIELDS =           2147483647".ljust(80) + content[at + 80 :])
        with pytest.raises(TableError, match=r"t\.fits as fits: TFIELDS in HDU [01]: 2147483647"):
            read_table(path)

    def test_a_file_that_unpacks_to_too_much_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", 1000)
        path = tmp_path / "t.csv.gz"
        path.write_bytes(gzip.compress(b"ra,dec\n" + b"1,2\n" * 1000))
        with pytest.raises(TableError, match="more than 1000 bytes"):
            read_table(path)

    def test_a_votable_of_too_many_columns_is_refused(self, votable):
        text = votable.read_text(encoding="utf-8")
        start = text.index("<FIELD")
        field = text[start : text.index(">", start) + 1].rstrip("/>") + "/>"
        votable.write_text(text[:start] + 2000 * field + text[start:], encoding="utf-8")
        with pytest.raises(TableError, match="columns: 2001; forcedsql reads at most 2000"):
            read_table(votable)

    @pytest.mark.parametrize("suffix", [".csv", ".arrow"])
    def test_names_of_columns_that_are_not_utf_8_are_refused(self, tmp_path, suffix):
        path = tmp_path / f"t{suffix}"
        write_table(pa.table({"abcdef": [1.0]}), path)
        path.write_bytes(path.read_bytes().replace(b"abcdef", b"\xff\xfecdef"))
        with pytest.raises(TableError, match=rf"t\{suffix} as .*utf-8"):
            read_table(path)

    def test_a_name_that_no_file_can_have_is_that_of_no_file(self):
        for name in ("n" * 5000, "a\0b"):
            with pytest.raises(TableError, match="there is no such file"):
                read_table(f"{name}.csv")

    def test_a_name_that_no_file_can_have_is_not_written_to(self, three_rows, tmp_path):
        for name in ("n" * 5000, "a\0b"):
            with pytest.raises(ForcedSQLError, match="cannot write"):
                write_table(three_rows, tmp_path / f"{name}.csv")
        assert not list(tmp_path.iterdir())

    def test_a_name_as_long_as_names_may_be_is_written_to(self, three_rows, tmp_path):
        path = tmp_path / ("n" * 251 + ".csv")
        write_table(three_rows, path)
        assert list(tmp_path.iterdir()) == [path]

    def test_an_ecsv_header_that_would_take_long_is_refused(self, three_rows, tmp_path):
        path = tmp_path / "a.ecsv"
        write_table(three_rows, path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([lines[0], *[b"# - {name: a, datatype: int64}\n"] * 20_000, *lines[1:]]))
        with pytest.raises(TableError, match="bytes of the ECSV header"):
            read_table(path)


def test_types_that_astropy_lacks_become_the_nearest():
    table = pa.table(
        {
            "band": pa.array(["g", "r", None]).dictionary_encode(),
            "flux": pa.array([Decimal("1.00"), None, Decimal("3.00")]),
            "none": pa.nulls(3),
            "day": pa.array([0, 1, None], pa.date32()),
        }
    )
    made = to_astropy(table)
    assert list(made["band"][:2]) == ["g", "r"]
    assert made["band"].mask.tolist() == [False, False, True]
    assert (made["flux"][0], made["flux"][2]) == (1.0, 3.0)
    assert made["none"].mask.all()
    assert list(made["day"][:2]) == ["1970-01-01", "1970-01-02"]


def test_a_vector_column_with_missing_values_is_refused():
    masked = np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]])
    with pytest.raises(TableError, match="'v' has 1 dimensions per row and missing values"):
        from_astropy(Table({"v": MaskedColumn(masked)}))
