"""Tables that commands read: from standard input, in a format that is said, with a warning."""

import io
import sys

import pyarrow as pa
import pytest

from forcedsql.tables import read_table, write_table


@pytest.fixture
def piped(monkeypatch, survey):
    """The first 20 sources of the bundled catalogue as CSV on standard input."""
    table = read_table(survey / "source.parquet").select(["sourceId", "ra", "dec"]).slice(0, 20)

    def pipe(tmp_path):
        path = tmp_path / "piped.csv"
        write_table(table, path)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        return table

    return pipe


def rows_of(cli, database, table):
    out = cli("sql", database, f"SELECT count(*) AS n FROM {table}", "--format", "csv").out  # noqa: S608
    return int(out.split()[1])


def test_measure_reads_standard_input(cli, visit_image, piped, tmp_path):
    table = piped(tmp_path)
    result = cli("measure", visit_image, "-", "-o", tmp_path / "o.parquet")
    assert result.code == 0, result.err
    assert read_table(tmp_path / "o.parquet")["objectId"].to_pylist() == table["sourceId"].to_pylist()


def test_catalog_and_run_read_standard_input(cli, database, piped, tmp_path):
    piped(tmp_path)
    assert cli("catalog", database, "piped", "-").code == 0
    assert rows_of(cli, database, "piped") == 20
    piped(tmp_path)
    result = cli("run", database, "--positions", "-", "--into", "from_pipe", "--executor", "thread")
    assert result.code == 0, result.err
    assert rows_of(cli, database, "from_pipe") >= 20


def test_the_format_of_a_file_may_be_said(cli, visit_image, piped, tmp_path):
    piped(tmp_path)
    (tmp_path / "positions.txt").write_bytes((tmp_path / "piped.csv").read_bytes())
    command = ("measure", visit_image, tmp_path / "positions.txt", "-o", tmp_path / "o.parquet")
    assert cli(*command).code == 1
    assert cli(*command, "--input-format", "csv").code == 0
    assert cli(*command, "--input-format", "parquet").code == 1


def test_single_precision_is_one_line_on_stderr(cli, visit_image, survey, tmp_path):
    table = read_table(survey / "source.parquet").select(["sourceId", "ra", "dec"]).slice(0, 5)
    index = table.schema.get_field_index("ra")
    write_table(table.set_column(index, "ra", table["ra"].cast(pa.float32())), tmp_path / "p.parquet")
    result = cli("measure", visit_image, tmp_path / "p.parquet", "-o", tmp_path / "o.parquet")
    assert result.code == 0
    warned = [line for line in result.err.splitlines() if "float32" in line]
    assert warned == [
        "forcedsql: warning: column 'ra' is float32: up to 0.1 arcsec of the positions is lost; "
        "store coordinates as float64"
    ]
