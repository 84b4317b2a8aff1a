"""HATS catalogues: cells that split as rows demand, read by hats and LSDB where they are installed."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import dataset, parquet

import forcedsql
from forcedsql.errors import OutputError, TableError
from forcedsql.export import hats
from forcedsql.export.hats import HIGHEST_ORDER, adaptive_partitions
from forcedsql.tables import field_metadata
from forcedsql.tables.parquet_footer import CONTENT_KEY
from tests.export.conftest import ROWS

ALL_SKY = """
CREATE TABLE sky AS SELECT
    i AS objectId, 360.0 * random() AS coord_ra, degrees(asin(2 * random() - 1)) AS coord_dec,
    random() AS flux, 'name ' || i AS name FROM range(2000) t(i);
INSERT INTO sky SELECT 2000 + i, 150.0 + 0.5 * random(), 2.0 + 0.5 * random(), 0.5, 'dense'
FROM range(2000) t(i)
"""


@pytest.fixture
def catalogue(con, tmp_path):
    """The whole sky thinly, and one dense field; at most 300 rows per file."""
    con.execute(ALL_SKY)
    forcedsql.export_table(con, "sky", tmp_path / "sky map", hats=True, partition_rows=300)
    return tmp_path / "sky map"


def _properties(folder):
    lines = (folder / "hats.properties").read_text().splitlines()
    return dict(line.split("=", maxsplit=1) for line in lines if not line.startswith("#"))


def test_every_row_is_in_one_file_and_none_has_too_many(catalogue):
    files = sorted(catalogue.glob("dataset/Norder=*/Dir=*/Npix=*.parquet"))
    rows = [parquet.read_metadata(file).num_rows for file in files]
    assert sum(rows) == 4000
    assert max(rows) <= 300
    ids = dataset.dataset(files).to_table(columns=["objectId"])["objectId"].to_pylist()
    assert sorted(ids) == list(range(4000))


def test_rows_lie_in_the_cell_of_their_file_and_are_sorted(catalogue):
    orders = set()
    for file in catalogue.glob("dataset/Norder=*/Dir=*/Npix=*.parquet"):
        order, folder, pixel = (
            int(part.partition("=")[2].removesuffix(".parquet")) for part in file.parts[-3:]
        )
        cells = parquet.ParquetFile(file).read(["_healpix_29"])["_healpix_29"].to_numpy()
        assert set(cells >> 2 * (29 - order)) == {pixel}
        assert (np.diff(cells) >= 0).all()
        assert folder == pixel // 10_000 * 10_000
        orders.add(order)
    # the dense field is split further than the thin sky
    assert 0 <= min(orders) <= 1
    assert max(orders) >= 5


def test_our_own_reader_takes_the_folder_back(con, catalogue):
    got = forcedsql.read_table(catalogue)
    expected = con.sql("FROM sky ORDER BY objectId").to_arrow_table()
    assert got.drop_columns("_healpix_29").sort_by("objectId").equals(expected)


def test_properties_say_what_readers_need(catalogue):
    properties = _properties(catalogue)
    assert properties["obs_collection"] == "sky_map"
    assert properties["dataproduct_type"] == "object"
    assert (properties["hats_col_ra"], properties["hats_col_dec"]) == ("coord_ra", "coord_dec")
    assert (properties["hats_nrows"], properties["hats_max_rows"]) == ("4000", "300")
    assert float(properties["moc_sky_fraction"]) == pytest.approx(
        1.0, abs=0.01
    )  # but cells near the field have none
    assert (catalogue / "properties").read_text() == (catalogue / "hats.properties").read_text()


def test_the_datasets_metadata_name_every_file_with_its_rows_and_units(con, tmp_path):
    forcedsql.export_table(con, "star", tmp_path / "star", hats=True, partition_rows=500)
    folder = tmp_path / "star" / "dataset"
    footer = parquet.read_metadata(folder / "_metadata")
    assert footer.num_rows == ROWS
    named = {footer.row_group(i).column(0).file_path for i in range(footer.num_row_groups)}
    assert named == {str(p.relative_to(folder)) for p in folder.rglob("Npix=*.parquet")}
    common = parquet.read_schema(folder / "_common_metadata")
    assert field_metadata(common.field("psfFlux"))["unit"] == "nJy"
    assert CONTENT_KEY.encode() in parquet.read_metadata(folder / "_common_metadata").metadata


@pytest.mark.filterwarnings("ignore")  # of the libraries below, not of ours
def test_hats_and_lsdb_read_the_catalogue(catalogue):
    reason = "needs the extra 'hats': pip install 'forcedsql[hats]'"
    pytest.importorskip("hats", reason=reason)
    lsdb = pytest.importorskip("lsdb", reason=reason)
    from hats.io.validation import is_valid_catalog

    assert is_valid_catalog(catalogue, strict=True)
    opened = lsdb.open_catalog(catalogue)
    assert len(opened) == 4000
    near = opened.cone_search(150.25, 2.25, radius_arcsec=300.0).compute()
    separation = np.hypot((near["coord_ra"] - 150.25) * np.cos(np.radians(2.25)), near["coord_dec"] - 2.25)
    assert separation.max() <= 300.0 / 3600.0 * (1 + 1e-4)  # the flat formula, at 5 arcmin
    # 2000 rows in 0.25 square degrees: 175 in the circle, to 4 sigma
    assert abs(len(near) - 2000 / 0.25 * np.pi / 144) < 4 * 13.2


def test_cells_split_in_four_down_to_the_highest_order():
    quarter = 4 ** (HIGHEST_ORDER - 1)
    cells = np.array([0, quarter, 2 * quarter, 12 * 4 * quarter - 1])
    got = adaptive_partitions(cells, np.array([5, 5, 5, 7]), 10)
    assert [(p.order, p.pixel, p.rows) for p in got] == [(1, 0, 5), (1, 1, 5), (1, 2, 5), (0, 11, 7)]
    crowded = adaptive_partitions(np.array([6]), np.array([1000]), 10)
    assert [(p.order, p.pixel, p.rows) for p in crowded] == [(HIGHEST_ORDER, 6, 1000)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("FROM star WHERE id < 0", "no rows"),
        ("SELECT * REPLACE (CASE WHEN id > 4 THEN ra END AS ra) FROM star", "^5 rows have no position"),
        ('SELECT radians(ra) AS ra, radians("dec") AS "dec" FROM star', "degrees\\(ra\\) AS ra"),
    ],
)
def test_what_hats_has_no_place_for_is_refused(con, tmp_path, query, message):
    units = {"ra": "rad", "dec": "rad"} if "radians" in query else None
    with pytest.raises(TableError, match=message):
        forcedsql.export_table(con, query, tmp_path / "cat", hats=True, units=units)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(con, tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(OutputError, match="exists; remove it"):
        forcedsql.export_table(con, "star", tmp_path / "cat", hats=True)


def test_a_catalogue_that_fails_half_way_leaves_nothing(con, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("forcedsql.export.hats._write_properties", fail)
    with pytest.raises(OutputError, match=r"cannot write .*cat: No space left on device"):
        forcedsql.export_table(con, "star", tmp_path / "cat", hats=True)
    assert list(tmp_path.iterdir()) == []


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_of_two_exports_under_one_name_the_first_to_be_complete_stays(con, tmp_path, monkeypatch):
    """The second begins, and ends, while the first is about to give its folder its name."""
    write_properties = hats._write_properties

    def write_and_be_overtaken(*arguments):
        monkeypatch.setattr(hats, "_write_properties", write_properties)
        forcedsql.export_table(con, "SELECT * FROM star LIMIT 7", tmp_path / "stars", hats=True)
        write_properties(*arguments)

    monkeypatch.setattr(hats, "_write_properties", write_and_be_overtaken)
    with pytest.raises(OutputError, match=r"stars exists; remove it, or give the catalogue another name"):
        forcedsql.export_table(con, "star", tmp_path / "stars", hats=True)
    assert _names(tmp_path) == ["stars"]
    assert forcedsql.read_table(tmp_path / "stars").num_rows == 7


@pytest.mark.parametrize("end", [KeyboardInterrupt, MemoryError])
def test_an_export_that_is_broken_off_leaves_nothing(con, tmp_path, monkeypatch, end):
    def stop(*_):
        raise end

    monkeypatch.setattr(hats, "_write_properties", stop)
    with pytest.raises((KeyboardInterrupt, TableError)):
        forcedsql.export_table(con, "star", tmp_path / "stars", hats=True)
    assert _names(tmp_path) == []


def test_a_folder_that_cannot_get_its_name_is_an_error_of_one_line(con, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match=r"cannot write .*stars: Permission denied"):
        forcedsql.export_table(con, "star", tmp_path / "stars", hats=True)
    assert _names(tmp_path) == []
