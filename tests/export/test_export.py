"""Exported files: rows and units read back by astropy from every format."""

import errno
import json
import re

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.table import QTable, Table
from cdshealpix import nested
from pyarrow import parquet

import forcedsql
from forcedsql.errors import OutputError, TableError
from forcedsql.export import csvw
from forcedsql.tables import FORMATS, field_metadata, to_astropy
from tests.export.conftest import ROWS

# Text that is missing is left out: FITS and astropy's own parquet reader have no such thing.
QUERY = "SELECT * REPLACE (coalesce(band, '') AS band) FROM star ORDER BY id"


def _arrow(path):
    with pa.ipc.open_file(path) as file:
        return to_astropy(file.read_all())


def _csv(path):
    """The rows by astropy, the units by the file beside it."""
    table = Table.read(path, format="ascii.csv")
    described = json.loads(path.with_name(path.name + csvw.SUFFIX).read_text())
    for column in described["tableSchema"]["columns"]:
        table[column["titles"]].unit = column.get("schema:unitText")
        table[column["titles"]].description = column.get("dc:description")
    return QTable(table)


READERS = {
    "parquet": lambda path: QTable.read(path, format="parquet.votable"),
    "votable": lambda path: QTable.read(path, format="votable"),
    "fits": lambda path: QTable.read(path, format="fits"),
    "ecsv": lambda path: QTable.read(path, format="ascii.ecsv"),
    "csv": _csv,
    "arrow": _arrow,
}


@pytest.mark.parametrize("name", [format_.name for format_ in FORMATS])
def test_rows_and_units_are_read_back_from_every_format(con, tmp_path, name):
    path = tmp_path / f"star.{name}"
    assert forcedsql.export_table(con, QUERY, path, format_name=name) == ROWS
    table = READERS[name](path)
    expected = con.sql(QUERY).to_arrow_table()
    assert table.colnames == expected.column_names
    assert table["psfFlux"].unit == u.nJy
    assert table["ra"].unit == table["dec"].unit == u.deg
    assert table["ra"].info.description == "ICRS right ascension"
    for column in ("id", "ra", "psfFlux", "psfFluxErr"):
        got = np.asarray(table[column], dtype=expected[column].type.to_pandas_dtype())
        np.testing.assert_array_equal(got, expected[column].to_numpy(), err_msg=column)
    if name != "csv":
        np.testing.assert_array_equal(np.asarray(table["psfFlux_flag"]), expected["psfFlux_flag"].to_numpy())


def test_the_plain_parquet_reader_of_astropy_finds_the_units_too(con, tmp_path):
    forcedsql.export_table(con, QUERY, tmp_path / "star.parquet")
    assert QTable.read(tmp_path / "star.parquet")["psfFlux"].unit == u.nJy


def test_a_csv_file_itself_is_plain(con, tmp_path):
    forcedsql.export_table(con, "SELECT id, psfFlux_flag FROM star ORDER BY id LIMIT 2", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == '"id","psfFlux_flag"\n0,true\n1,false\n'


def test_a_query_is_evaluated_once_whatever_the_format_needs(con, tmp_path):
    con.execute("CREATE SEQUENCE calls")
    query = "SELECT nextval('calls') AS id, 'text' AS note, ra, \"dec\" FROM star"
    forcedsql.export_table(con, query, tmp_path / "t.parquet", healpix=True)
    assert con.execute("SELECT nextval('calls')").fetchone() == (ROWS + 1,)


def test_units_that_are_given_stand_over_those_that_are_known(con, tmp_path):
    units = {"psfFlux": "uJy", "ra": ""}
    forcedsql.export_table(con, "star", tmp_path / "t.parquet", units=units)
    schema = parquet.read_schema(tmp_path / "t.parquet")
    assert field_metadata(schema.field("psfFlux"))["unit"] == "uJy"
    assert field_metadata(schema.field("psfFlux"))["description"] == "flux of the star"
    assert "unit" not in field_metadata(schema.field("ra"))


@pytest.mark.parametrize("name", ["parquet", "csv", "arrow"])
def test_more_rows_than_a_batch_holds_arrive(con, tmp_path, name):
    query = "SELECT range AS id, 'row ' || range AS text FROM range(300_000)"
    assert forcedsql.export_table(con, query, tmp_path / f"t.{name}", format_name=name) == 300_000
    got = forcedsql.read_table(tmp_path / f"t.{name}")
    assert got["id"].to_numpy().tolist() == list(range(300_000))
    assert got["text"][-1].as_py() == "row 299999"


def test_the_healpix_column_is_cdshealpixs_and_sorts_the_rows(con, tmp_path):
    con.execute("INSERT INTO star (id, ra) VALUES (-1, 10.0)")
    forcedsql.export_table(con, "star", tmp_path / "t.parquet", healpix=True)
    got = forcedsql.read_table(tmp_path / "t.parquet")
    assert got.column_names[0] == "_healpix_29"
    placed = QTable.read(tmp_path / "t.parquet")[:ROWS]
    expected = nested.lonlat_to_healpix(placed["ra"], placed["dec"], 29).astype(np.int64)
    cells = got["_healpix_29"].to_pylist()
    assert cells[:ROWS] == expected.tolist()
    assert cells[:ROWS] == sorted(cells[:ROWS])
    # a row without a position has no cell, and is there all the same
    assert (cells[-1], got["id"][-1].as_py()) == (None, -1)


def test_coordinates_in_radians_get_the_same_cells(con, tmp_path):
    con.execute('CREATE TABLE lsst AS SELECT id, radians(ra) AS coord_ra, radians("dec") AS lat FROM star')
    con.execute("COMMENT ON COLUMN lsst.coord_ra IS '[rad]'; COMMENT ON COLUMN lsst.lat IS '[rad]'")
    forcedsql.export_table(con, "lsst", tmp_path / "rad.arrow", healpix=True, dec_column="lat")
    forcedsql.export_table(con, "star", tmp_path / "deg.arrow", healpix=True)
    radians, degrees = (forcedsql.read_table(tmp_path / f"{name}.arrow") for name in ("rad", "deg"))
    # A cell of order 29 is 0.4 mas wide; rounding of the angle is 1e-8 of that.
    differing = np.count_nonzero(radians["_healpix_29"].to_numpy() != degrees["_healpix_29"].to_numpy())
    assert differing <= 2


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nowhere", {}, "'nowhere' is neither a table nor a query"),
        ("SELECT nope FROM star", {}, "cannot export 'SELECT nope FROM star': .*nope"),
        ("DROP TABLE star", {}, "is not one query that gives rows"),
        ("FROM star; FROM star", {}, "is not one query that gives rows"),
        ("star", {"units": {"mag": "mag"}}, "no column 'mag' to give the unit 'mag'"),
        ("SELECT id FROM star", {"healpix": True}, "no column ra or coord_ra"),
        ("star", {"format_name": "xls"}, "no table format 'xls'; use one of parquet"),
        ("SELECT [1, 2, id] AS l FROM star", {"format_name": "fits"}, "column 'l' is of type list"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(con, tmp_path, source, options, message):
    with pytest.raises(TableError, match=message) as caught:
        forcedsql.export_table(con, source, tmp_path / "t.parquet", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_in_the_database_whether_it_works_or_fails(con, tmp_path):
    forcedsql.export_table(con, "star", tmp_path / "t.parquet")
    with pytest.raises(TableError):
        forcedsql.export_table(con, "SELECT [id] AS l FROM star", tmp_path / "t.fits")
    with pytest.raises(TableError):
        forcedsql.export_table(con, "DROP TABLE star", tmp_path / "t.fits")
    assert con.execute("SELECT count(*) FROM star").fetchone() == (ROWS,)
    assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE temporary").fetchone() == (0,)


def test_a_long_query_is_shortened_in_a_message(con, tmp_path):
    query = f"SELECT nope{' ' * 100}, {'ra, ' * 100} id FROM star"  # noqa: S608 - ours
    with pytest.raises(TableError, match=re.escape("ra, ra,...': Binder Error")):
        forcedsql.export_table(con, query, tmp_path / "t.csv")


def test_a_folder_that_is_not_there_and_a_full_disk_are_write_errors(con, tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=r"cannot write .*nowhere.t\.csv: "):
        forcedsql.export_table(con, "star", tmp_path / "nowhere" / "t.csv")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pa.ipc, "new_file", full)
    with pytest.raises(OutputError, match=r"cannot write .*t\.arrow: No space left on device"):
        forcedsql.export_table(con, "star", tmp_path / "t.arrow")
    assert list(tmp_path.iterdir()) == []


def test_a_description_that_cannot_be_written_is_an_output_error(con, tmp_path):
    (tmp_path / "t.csv-metadata.json").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*t\.csv-metadata\.json: Is a directory"):
        forcedsql.export_table(con, "star", tmp_path / "t.csv")
