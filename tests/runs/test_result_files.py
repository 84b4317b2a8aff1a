"""Files of results: whole or not there, and what they say of themselves."""

import errno
import io
import os
from pathlib import Path

import astropy.units as u
import duckdb
import pyarrow as pa
import pytest
from astropy.io import votable
from astropy.table import QTable
from pyarrow import parquet

from forcedsql.config import MeasurementConfig
from forcedsql.errors import OutputError
from forcedsql.runs.result_files import prepare_folder, result_path, stored_results, write_result
from forcedsql.runs.stored_result import Fingerprint, StoredResult
from forcedsql.schema import source_schema
from forcedsql.tables.parquet_footer import CONTENT_KEY

ID = "visit:2024120600102:4/ä"
FACTS = {
    "forcedsql.run_id": "r",
    "forcedsql.catalog": "object",
    "forcedsql.config_digest": "c",
    "forcedsql.file_sha256": "f",
    "forcedsql.positions_digest": "p",
}
TABLE = pa.table({"id": [1, 2], "psfFlux": [1.0, 2.0]}).replace_schema_metadata(FACTS)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_says_what_it_was_made_from(tmp_path):
    write_result(TABLE, tmp_path, ID)
    assert dict(stored_results(tmp_path)) == {ID: StoredResult("r", "object", Fingerprint("c", "f", "p"), 2)}


def test_a_file_says_the_units_of_its_columns(tmp_path):
    """astropy reads them by its own header, others by the VOTable document."""
    columns = source_schema(MeasurementConfig(), "nJy")
    rows = columns.empty_table().append_column("exposure_id", pa.array([], pa.string()))
    write_result(rows.replace_schema_metadata(FACTS), tmp_path, ID)
    assert dict(stored_results(tmp_path))[ID].rows == 0
    table = QTable.read(result_path(tmp_path, ID), format="parquet")
    assert (table["psfFlux"].unit, table["ra"].unit, table["x"].unit) == (u.nJy, u.deg, u.pixel)
    footer = parquet.read_metadata(result_path(tmp_path, ID)).metadata
    document = votable.parse(io.BytesIO(footer[CONTENT_KEY.encode()]), verify="exception")
    described = {field.name: field for field in document.get_first_table().fields}
    assert described["psfFlux"].unit == u.nJy
    assert described["psfFlux"].ucd.startswith("phot.flux")
    assert "flux" in described["psfFlux"].description


def test_duckdb_reads_the_folder_and_takes_the_id_from_the_path(tmp_path):
    write_result(TABLE, tmp_path, ID)
    rows = duckdb.sql(f"FROM read_parquet('{tmp_path}/**/*.parquet', hive_partitioning=true)").fetchall()
    assert rows == [(1, 1.0, ID), (2, 2.0, ID)]


def test_the_partition_is_one_folder_whatever_the_id(tmp_path):
    assert result_path(tmp_path, "../../x").parent.parent == tmp_path


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("step", ["write", "sync"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch, code, step):
    write_result(TABLE, tmp_path, ID)
    before = result_path(tmp_path, ID).read_bytes()

    def fail(*_args, **_options):
        raise OSError(code, os.strerror(code))

    broken = (parquet.ParquetWriter, "write_table") if step == "write" else (os, "fsync")
    monkeypatch.setattr(*broken, fail)
    with pytest.raises(OutputError, match=os.strerror(code)) as caught:
        write_result(TABLE.slice(1), tmp_path, ID)
    assert "run the same command again" in str(caught.value)
    assert names(tmp_path) == ["part-0.parquet"]
    assert result_path(tmp_path, ID).read_bytes() == before


def test_what_a_killed_run_left_half_done_is_cleared(tmp_path):
    write_result(TABLE, tmp_path, ID)
    (result_path(tmp_path, ID).parent / "part-0.parquet.123.tmp").write_bytes(b"PAR1")
    prepare_folder(tmp_path)
    assert names(tmp_path) == ["part-0.parquet"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_a_file_that_is_no_result_is_passed_over(tmp_path, content):
    path = result_path(tmp_path, "a")
    path.parent.mkdir()
    path.write_bytes(content)
    assert list(stored_results(tmp_path)) == []
    parquet.write_table(TABLE.replace_schema_metadata(None), path)
    assert list(stored_results(tmp_path)) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"^cannot write to .*/file/out: Not a directory; .*--out$"):
        prepare_folder(tmp_path / "file" / "out")


@pytest.mark.skipif(os.name != "posix", reason="no file modes here")
def test_a_read_only_folder_is_one_line(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)
    (tmp_path / "out").mkdir(mode=0o555)
    monkeypatch.chdir(tmp_path)
    user = os.geteuid()
    if user == 0:  # who may write everywhere
        os.seteuid(65534)
    try:
        with pytest.raises(OutputError, match=r"^cannot write to out: Permission denied; .*--out$"):
            prepare_folder(Path("out"))
    finally:
        os.seteuid(user)
