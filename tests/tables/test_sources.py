"""Tables from standard input, from compressed files and from HATS catalogue folders."""

import gzip
import io
import shutil
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from forcedsql.errors import TableError
from forcedsql.tables import FORMATS, read_table, write_table

THREE = pa.table({"id": [1, 2, 3], "ra": [10.0, 20.5, 359.9], "dec": [-30.0, 0.25, 89.0]})


@pytest.fixture
def standard_input(monkeypatch):
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


@pytest.mark.parametrize("format_name", [format_.name for format_ in FORMATS])
@pytest.mark.parametrize("said", [True, False])
def test_standard_input_holds_any_format(standard_input, tmp_path, format_name, said):
    write_table(THREE, tmp_path / "t", format_name=format_name)
    standard_input((tmp_path / "t").read_bytes())
    assert read_table("-", format_name=format_name if said else None).equals(THREE)


def test_an_arrow_stream_comes_through_a_pipe(standard_input):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, THREE.schema) as writer:
        writer.write_table(THREE)
    standard_input(sink.getvalue().to_pybytes())
    assert read_table("-").equals(THREE)


def test_what_standard_input_is_not_is_said(standard_input):
    standard_input(b"nothing of the kind")
    with pytest.raises(TableError, match="cannot read standard input as parquet: "):
        read_table("-", format_name="parquet")
    standard_input(b"")
    with pytest.raises(TableError, match="cannot read standard input as csv: "):
        read_table("-")


@pytest.mark.parametrize("format_name", ["csv", "ecsv", "fits", "votable"])
def test_compressed_files_are_read(tmp_path, format_name):
    suffix = next(f.suffixes[0] for f in FORMATS if f.name == format_name)
    plain = tmp_path / f"t{suffix}"
    write_table(THREE, plain)
    packed = tmp_path / f"t{suffix}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_table(packed).equals(THREE)


def test_a_format_may_be_given_for_any_name(tmp_path):
    (tmp_path / "positions.txt").write_text("id,ra,dec\n1,10.0,-30.0\n2,20.5,0.25\n3,359.9,89.0\n")
    assert read_table(tmp_path / "positions.txt", format_name="csv").equals(THREE)
    with pytest.raises(TableError, match="there is no table format 'ascii'; use one of parquet"):
        read_table(tmp_path / "positions.txt", format_name="ascii")


def write_hats(folder, table, *, rows=None, ra="ra"):
    for tile, part in enumerate((table.slice(0, 1), table.slice(1))):
        path = folder / "dataset" / "Norder=1" / "Dir=0" / f"Npix={tile}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(part, path)
    parquet.write_table(table.slice(0, 0), folder / "dataset" / "_metadata")
    stated = table.num_rows if rows is None else rows
    text = f"#HATS\nobs_collection=t\nhats_nrows={stated}\nhats_col_ra={ra}\nhats_col_dec=dec\n"
    (folder / "hats.properties").write_text(text)


def test_a_hats_catalogue_is_the_table_of_its_tiles(tmp_path):
    write_hats(tmp_path / "cat", THREE.rename_columns(["id", "alpha", "dec"]), ra="alpha")
    got = read_table(tmp_path / "cat")
    assert got.column_names == ["id", "alpha", "dec"]
    assert got["id"].to_pylist() == [1, 2, 3]
    assert got.schema.field("alpha").metadata[b"ucd"] == b"pos.eq.ra;meta.main"


def test_a_hats_collection_is_its_main_catalogue(tmp_path):
    write_hats(tmp_path / "cat", THREE)
    properties = tmp_path / "collection.properties"
    properties.write_text("hats_primary_table_url=cat\nall_margins=cat_10arcs\n")
    assert read_table(tmp_path)["ra"].to_pylist() == THREE["ra"].to_pylist()
    for elsewhere in ("..", "/etc", "missing", ""):
        properties.write_text(f"hats_primary_table_url={elsewhere}\n")
        with pytest.raises(TableError, match="names no catalogue inside of it"):
            read_table(tmp_path)


def test_a_hats_catalogue_with_missing_tiles_is_refused(tmp_path):
    write_hats(tmp_path / "cat", THREE, rows=4)
    with pytest.raises(TableError, match="has 3 rows and states 4; some of its files are missing"):
        read_table(tmp_path / "cat")
    shutil.rmtree(tmp_path / "cat" / "dataset" / "Norder=1")
    with pytest.raises(TableError, match="has no tiles"):
        read_table(tmp_path / "cat")


def test_another_folder_is_no_table(tmp_path):
    with pytest.raises(TableError, match="is a folder without hats"):
        read_table(tmp_path)


def test_a_real_nested_hats_catalogue(shared):
    table = read_table(shared / "data" / "catalogs" / "hats_small_sky_nested")
    assert table.num_rows == 131
    assert pa.types.is_struct(table.schema.field("lc").type)
    with pytest.raises(TableError, match="has no tiles"):
        read_table(shared / "data" / "catalogs" / "mock_dp1_1000_meta")


def test_a_collection_whose_main_folder_is_no_catalogue_is_refused(tmp_path):
    (tmp_path / "main").mkdir()
    (tmp_path / "collection.properties").write_text("hats_primary_table_url = main\n")
    with pytest.raises(TableError, match=r"main has no hats\.properties and is no HATS catalogue"):
        read_table(tmp_path)


def test_a_catalogue_that_names_no_positions_is_read_without_them(tmp_path):
    tile = tmp_path / "dataset" / "Norder=0" / "Dir=0"
    tile.mkdir(parents=True)
    parquet.write_table(THREE, tile / "Npix=0.parquet")
    # The older name of the file, and a column that is not there.
    (tmp_path / "properties").write_text("hats_nrows = 3\nhats_col_ra = right_ascension\n")
    table = read_table(tmp_path)
    assert table.equals(THREE)
    assert not any((field.metadata or {}).get(b"ucd") for field in table.schema)
