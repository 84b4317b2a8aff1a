"""What README shows is run as it stands there."""

import re
import sys
from itertools import pairwise

import pyarrow.compute as pc
import pytest
from pyarrow import csv

from forcedsql.extension.stock_shell import find_shell
from tests.documents import DEMO, ROOT, blocks_of, make_folder, run
from tests.test_import_directions import LAYER

README = ROOT / "README.md"


def blocks(language: str) -> list[str]:
    return [block.text for block in blocks_of(README) if block.language == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the demo's results in it."""
    return make_folder(tmp_path_factory.mktemp("readme"))


def test_the_demo_leaves_its_database_tables_and_plot(folder):
    left = {path.name for path in (folder / "forcedsql-demo").iterdir()}
    assert {"survey.duckdb", "flux_ratio.png"} <= left
    assert len([name for name in left if name.endswith(".parquet")]) == 2


@pytest.mark.parametrize("query", blocks("sql"))
def test_sql_examples_run_on_the_demos_database(folder, query):
    out = run([sys.executable, "-m", "forcedsql", "sql", "forcedsql-demo/survey.duckdb", query], folder)
    assert out.strip()


@pytest.mark.parametrize("source", blocks("python"))
def test_python_examples_run(folder, source):
    out = run([sys.executable, "-W", "error", "-c", source], folder)
    assert "nJy" in out


@pytest.mark.parametrize("transcript", blocks("console"))
def test_the_transcript_is_what_the_duckdb_shell_prints(folder, transcript):
    if find_shell() is None:
        pytest.skip("there is no DuckDB shell; pip install duckdb-cli")
    command, *lines = transcript.splitlines()
    typed = [line[2:] for line in lines if line.startswith(("D ", "  "))]
    printed = [line for line in lines if not line.startswith(("D ", "  "))]
    shell = run([sys.executable, "-m", *command.split()[1:]], folder, typed="\n".join(typed))
    assert shell.splitlines() == printed


def test_command_line_examples_run(folder):
    for block in blocks("sh")[2:]:
        run(["bash", "-euo", "pipefail", "-c", block], folder)
    assert (folder / "forced.parquet").stat().st_size > 10_000
    own = csv.read_csv(folder / "fluxes.csv")
    assert own.num_rows == 20
    assert pc.sum(own["psfFlux_flag"]).as_py() < 10
    for plot in ("ratio.png", "stamps.png"):
        assert (folder / plot).read_bytes().startswith(b"\x89PNG")


def test_the_first_two_commands_are_the_ones_that_ci_runs():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_command 0" in script
    assert "readme_command 1" in script
    assert blocks("sh")[0].rstrip().endswith(f"/forcedsql {' '.join(DEMO)}")
    assert "pytest" in blocks("sh")[1]


def test_the_picture_of_the_layers_is_that_of_the_imports():
    (picture,) = re.findall(r"## How it is built\n\n(.*?)\n\n", README.read_text(encoding="utf-8"), re.DOTALL)
    levels = [
        [LAYER[name.strip()] for name in group.split(",")] for group in picture.split("─►") if group.strip()
    ]
    assert len(levels) >= 8
    for above, below in pairwise(levels):
        assert min(above) >= max(below), picture
