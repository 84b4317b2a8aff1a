"""The documentation: what it shows runs, what exists is described, and its pages can be built."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from forcedsql.cli.main import app
from forcedsql.config import MeasurementConfig, describe_options
from forcedsql.plugins import find_plugin, plugin_names
from tests.documents import blocks_of, make_folder, run

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
RUNNABLE = sorted(p.stem for p in (DOCS / "howto").glob("*.md") if p.stem != "plugin")


def reference_pages():
    spec = importlib.util.spec_from_file_location(
        "reference_pages", ROOT / "build_tools" / "reference_pages.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages():
    return reference_pages()


def test_the_tutorial_runs_from_top_to_bottom(tmp_path):
    blocks = blocks_of(DOCS / "tutorial.md")
    assert [block.language for block in blocks].count("sql") >= 5
    for block in blocks:
        assert run(block.command(), tmp_path).strip(), block.text
    assert (tmp_path / "visit.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the demo's results in it."""
    return make_folder(tmp_path_factory.mktemp("docs"))


@pytest.mark.parametrize("page", RUNNABLE)
def test_what_a_how_to_shows_runs(folder, page):
    for block in blocks_of(DOCS / "howto" / f"{page}.md"):
        if block.language in ("sh", "sql", "python"):
            run(block.command(), folder)


def test_the_profile_of_a_camera_opens_its_images(folder):
    (text,) = (b.text for b in blocks_of(DOCS / "howto" / "own_camera.md") if b.language == "toml")
    (folder / "mycamera.toml").write_text(text)
    out = run([sys.executable, "-m", "forcedsql", "info", "night.fits", "--profile", "mycamera.toml"], folder)
    assert "rms, from night_sigma.fits[0]; " in out
    assert "MAGZERO 31.4 (AB)" in out


def test_the_configuration_of_shapes_measures_them(folder):
    (text,) = (b.text for b in blocks_of(DOCS / "howto" / "measurements.md") if b.language == "toml")
    (folder / "shapes.toml").write_text(text)
    survey = folder / "data" / "survey"
    exposure, positions = survey / "visit_image_2024120600102_4_i.fits", survey / "source.parquet"
    command = [sys.executable, "-m", "forcedsql", "measure", str(exposure), str(positions)]
    run([*command, "-o", "shapes.parquet", "--config", "shapes.toml"], folder)
    names = pq.read_schema(folder / "shapes.parquet").names
    assert {"base_SdssShape_xx", "base_GaussianFlux_flux", "base_LocalBackground_flux"} <= set(names)


def test_the_plugin_of_the_how_to_is_one():
    source, entry_point = blocks_of(DOCS / "howto" / "plugin.md")
    namespace: dict[str, object] = {}
    exec(source.text, namespace)  # noqa: S102 - our own documentation
    assert namespace["PLUGIN"].name == "example_PeakPixel"
    assert "peak_pixel:PLUGIN" in entry_point.text


def test_every_macro_is_described_where_it_is_made(pages):
    macros = list(pages.macros())
    assert len(macros) >= 25
    page = pages.sql_page()
    for macro in macros:
        assert len(macro.comment) > 10, f"{macro.file}: {macro.name} has no comment"
        assert macro.is_helper or f"`{macro.name}{macro.arguments}`" in page


def test_every_macro_of_a_database_is_on_the_page(pages):
    import forcedsql

    with forcedsql.connect() as con:
        rows = con.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('macro', 'table_macro') AND NOT internal"
        ).fetchall()
    assert {name for (name,) in rows} - {"forcedsql_schema_digest"} == {m.name for m in pages.macros()}


def test_every_command_and_every_option_of_it_has_help(pages):
    commands = list(pages.commands())
    assert ("measure",) in commands
    for words in commands:
        text = CliRunner().invoke(app, [*words, "--help"], prog_name="forcedsql").stdout
        assert text.splitlines()[2].strip(), words
        for line in text.splitlines():
            described = line.strip().startswith("--") and len(line.split()) > 1
            assert not line.strip().startswith("--") or described, (words, line)


def test_every_column_and_option_has_a_meaning():
    for name, _, meaning in describe_options():
        assert meaning.strip(), name
    for plugin in map(find_plugin, plugin_names()):
        config = MeasurementConfig()
        assert plugin.summary.strip(), plugin.name
        for option in plugin.options:
            assert option.meaning.strip(), (plugin.name, option.name)
        for column in plugin.columns(config):
            assert column.meaning.strip(), (plugin.name, column.source)


def test_every_direct_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    explained = {
        name.strip()
        for line in page.splitlines()
        if line.startswith("|")
        for name in line.split("|")[1].split(",")
    }
    for requirement in project["dependencies"]:
        assert requirement.split(">")[0].split(";")[0].strip() in explained, requirement


def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("material", "mkdocstrings"):
        pytest.importorskip(package, reason=f"the documentation's builder ({package}) is not installed")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "sql" / "index.html").stat().st_size > 10_000


def test_the_notebook_of_the_tutorial_runs(tmp_path):
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package, reason=f"what runs notebooks ({package}) is not installed")
    import nbclient
    import nbformat

    notebook = nbformat.read(DOCS / "tutorial.ipynb", 4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in shown)
