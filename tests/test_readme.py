"""What README shows is run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from forcedsql.extension.stock_shell import find_shell

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(command: list[str], folder: Path, typed: str = "") -> str:
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that looks like a checkout to the examples, with the demo's results in it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "data").symlink_to(ROOT / "data")
    run([sys.executable, "-m", "forcedsql", "demo"], folder)
    write_night(folder)
    return folder


def write_night(folder: Path) -> None:
    """Write the image of one's own camera, made from the bundled visit, with its error image."""
    with fits.open(ROOT / "data" / "survey" / "visit_image_2024120600102_4_i.fits") as hdus:
        cards = {k: v for k, v in hdus[1].header.items() if not k.startswith(("EXT", "CRVAL1A", "CRVAL2A"))}
        header = fits.Header([(k, v) for k, v in cards.items() if k not in ("COMMENT", "HISTORY", "")])
        header["MAGZERO"] = 31.4
        fits.PrimaryHDU(hdus[1].data, header).writeto(folder / "night.fits")
        fits.PrimaryHDU(np.sqrt(hdus[3].data)).writeto(folder / "night_sigma.fits")


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


@pytest.mark.parametrize("transcript", blocks("console"))
def test_the_transcript_is_what_the_duckdb_shell_prints(folder, transcript):
    if find_shell() is None:
        pytest.skip("there is no DuckDB shell; pip install duckdb-cli")
    command, *lines = transcript.splitlines()
    typed = [line[2:] for line in lines if line.startswith(("D ", "  "))]
    printed = [line for line in lines if not line.startswith(("D ", "  "))]
    shell = run([sys.executable, "-m", *command.split()[1:]], folder, "\n".join(typed))
    assert shell.splitlines() == printed


@pytest.mark.parametrize("text", [text for text in blocks("toml") if "error_kind" in text])
def test_the_profile_of_a_camera_opens_its_images(folder, text):
    (folder / "mycamera.toml").write_text(text)
    out = run([sys.executable, "-m", "forcedsql", "info", "night.fits", "--profile", "mycamera.toml"], folder)
    assert "rms, from night_sigma.fits[0]; " in out
    assert "MAGZERO 31.4 (AB)" in out


@pytest.mark.parametrize("text", [text for text in blocks("toml") if "error_kind" not in text])
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
