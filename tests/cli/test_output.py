"""Tables on stdout: golden text per format, whole in a pipe, short on a terminal."""

import json
import math
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from forcedsql.cli.options import OutputFormat
from forcedsql.cli.output import TERMINAL_ROWS, aligned_text, emit, print_table
from forcedsql.errors import ConfigError
from forcedsql.tables import read_table


@pytest.fixture
def three_rows() -> pa.Table:
    return pa.table(
        {
            "id": [1, 22, 600413857134018560],
            "flux": pa.array([1234.5678901234567, math.nan, None]),
            "flag": [True, False, None],
            "band": ["i", None, "two\nlines"],
        }
    )


GOLDEN_TABLE = """\
                id                flux  flag   band
                 1  1234.5678901234567  true   i
                22                 nan  false  NULL
600413857134018560                NULL  NULL   two lines
"""

GOLDEN_CSV = """\
"id","flux","flag","band"
1,1234.5678901234567,true,"i"
22,nan,false,
600413857134018560,,,"two
lines"
"""

GOLDEN_JSON = """\
[
{"id": 1, "flux": 1234.5678901234567, "flag": true, "band": "i"},
{"id": 22, "flux": null, "flag": false, "band": null},
{"id": 600413857134018560, "flux": null, "flag": null, "band": "two\\nlines"}
]
"""


@pytest.mark.parametrize(
    ("format_", "golden"),
    [
        (None, GOLDEN_TABLE),
        (OutputFormat.TABLE, GOLDEN_TABLE),
        (OutputFormat.CSV, GOLDEN_CSV),
        (OutputFormat.JSON, GOLDEN_JSON),
    ],
)
def test_each_text_format_is_as_written_here(three_rows, capsys, format_, golden):
    emit(three_rows, format_)
    assert capsys.readouterr().out == golden


def test_parquet_goes_into_a_pipe_whole(tmp_path):
    code = (
        "import pyarrow as pa; from forcedsql.cli.output import emit;"
        "from forcedsql.cli.options import OutputFormat;"
        "emit(pa.table({'id': [1, 2]}), OutputFormat.PARQUET)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert parquet.read_table(pa.BufferReader(done.stdout)).to_pydict() == {"id": [1, 2]}


def test_parquet_is_refused_on_a_terminal(three_rows, on_terminal):
    terminal = on_terminal()
    with pytest.raises(ConfigError, match="parquet is not for terminals"):
        emit(three_rows, OutputFormat.PARQUET)
    assert terminal.getvalue() == ""


def test_json_is_json_with_nested_values(capsys):
    emit(pa.table({"a": [[1.0, math.inf]], "b": [{"x": math.nan}]}), OutputFormat.JSON)
    assert json.loads(capsys.readouterr().out) == [{"a": [1.0, None], "b": {"x": None}}]


@pytest.mark.parametrize("format_", [OutputFormat.TABLE, OutputFormat.CSV, OutputFormat.JSON])
def test_an_empty_table_still_has_its_form(capsys, format_):
    emit(pa.table({"id": pa.array([], pa.int64())}), format_)
    expected = {"table": "id\n", "csv": '"id"\n', "json": "[\n]\n"}[format_.value]
    assert capsys.readouterr().out == expected


def test_a_file_gets_the_rows_and_stdout_nothing(three_rows, tmp_path, capsys):
    emit(three_rows, None, tmp_path / "out.arrow")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"3 rows written to {tmp_path / 'out.arrow'}\n"
    assert read_table(tmp_path / "out.arrow").num_rows == 3
    assert ipc.open_file(tmp_path / "out.arrow").num_record_batches == 1


def test_format_and_file_exclude_each_other(three_rows, tmp_path):
    with pytest.raises(ConfigError, match="suffix says the format"):
        emit(three_rows, OutputFormat.CSV, tmp_path / "out.csv")


def test_a_pipe_gets_every_row_and_column_on_one_line_each():
    table = pa.table({f"column_{i}": ["x" * 40] * 500 for i in range(20)})
    lines = aligned_text(table).splitlines()
    assert len(lines) == 501
    assert all(len(line.split()) == 20 for line in lines)


def test_a_terminal_gets_short_numbers_and_what_fits(on_terminal, capsys):
    terminal = on_terminal()
    print_table(pa.table({f"column_{i}": [1.23456789012345] * 3 for i in range(20)}))
    shown = terminal.getvalue()
    assert "1.2345679" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "column_0" in shown
    assert "column_19" not in shown
    header = next(line for line in shown.splitlines() if "column_0" in line)
    assert header.split() == [*(f"column_{i}" for i in range(len(header.split()) - 1)), "…"]
    assert "columns not shown; all of them with --format csv" in capsys.readouterr().err


def test_a_terminal_says_how_many_rows_there_are(on_terminal, capsys):
    terminal = on_terminal()
    print_table(pa.table({"id": list(range(1000))}))
    assert len(terminal.getvalue().splitlines()) < TERMINAL_ROWS + 10
    assert f"the first {TERMINAL_ROWS} of 1,000 rows" in capsys.readouterr().err
