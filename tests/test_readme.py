"""What README shows is run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that looks like a checkout to the examples, with the demo's results in it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "data").symlink_to(ROOT / "data")
    run([sys.executable, "-m", "forcedsql", "demo"], folder)
    return folder


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
    assert ("nJy" in out) == ("print(" in source)


@pytest.mark.parametrize("text", blocks("toml"))
def test_configuration_examples_measure(folder, text):
    (folder / "example.toml").write_text(text)
    survey = folder / "data" / "survey"
    exposure, positions = survey / "visit_image_2024120600102_4_i.fits", survey / "source.parquet"
    command = [sys.executable, "-m", "forcedsql", "measure", str(exposure), str(positions)]
    run([*command, "-o", "shapes.parquet", "--config", "example.toml"], folder)
    names = pq.read_schema(folder / "shapes.parquet").names
    assert {"base_SdssShape_xx", "base_GaussianFlux_flux", "base_LocalBackground_flux"} <= set(names)


def test_the_plugin_example_is_a_plugin():
    source = next(block for block in blocks("python") if "PLUGIN" in block)
    namespace: dict[str, object] = {}
    exec(source, namespace)  # noqa: S102 - our own README
    assert namespace["PLUGIN"].name == "example_PeakPixel"


@pytest.mark.parametrize("block", blocks("sh")[2:])
def test_command_line_examples_run(folder, block):
    run(["bash", "-euo", "pipefail", "-c", block], folder)
    assert (folder / "forced.parquet").stat().st_size > 10_000
    assert (folder / "ratio.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_two_commands_are_the_ones_that_ci_runs():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_command 0" in script
    assert "readme_command 1" in script
    assert "forcedsql demo" in blocks("sh")[0]
    assert "pytest" in blocks("sh")[1]
