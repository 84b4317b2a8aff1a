"""The documentation: what it shows runs, what exists is described, and its pages can be built."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from forcedsql.config import MeasurementConfig, describe_options
from forcedsql.open_options import OpenOptions, profile_names
from forcedsql.plugins import find_plugin, plugin_names
from forcedsql.schema import lsst_names, source_columns
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


def test_every_function_that_looks_at_pixels_is_described(pages):
    page = pages.sql_page()
    found = pages.functions()
    assert {"forced_phot", "sky_to_pixel", "cutout", "forcedsql_config"} <= {f.names[0] for f in found}
    for function in found:
        assert len(function.meaning) > 20, function.names[0]
        assert f"`{function.names[0]}({', '.join(function.parameters)})`" in page


def test_every_command_argument_and_option_has_help_and_is_on_the_page(pages):
    found = dict(pages.commands())
    assert {("measure",), ("extension", "install")} <= set(found)
    page = pages.cli_page()
    for words, command in found.items():
        assert (command.help or "").strip(), words
        assert f"## forcedsql {' '.join(words)}\n" in page
        for parameter in command.params:
            assert (parameter.help or "").strip(), (words, parameter.name)
            assert all(flag in page for flag in parameter.opts if flag.startswith("-")), (
                words,
                parameter.opts,
            )


def test_every_column_and_option_of_a_measurement_has_a_meaning(pages):
    page = pages.options_page()
    for name, _, meaning in describe_options():
        assert meaning.strip(), name
        assert f"| `{name}` |" in page
    for plugin in map(find_plugin, plugin_names()):
        config = MeasurementConfig()
        assert plugin.summary.strip(), plugin.name
        for option in plugin.options:
            assert option.meaning.strip(), (plugin.name, option.name)
        for column in plugin.columns(config):
            assert column.meaning.strip(), (plugin.name, column.source)


def test_every_measured_column_is_on_the_page_by_both_names(pages):
    page = pages.columns_page()
    for column in source_columns(MeasurementConfig()):
        assert f"| `{column.source}` |" in page
    for name, _ in lsst_names(MeasurementConfig()):
        assert f"| `{name}` |" in page


def test_every_table_of_a_database_and_every_column_of_it_is_described(pages):
    import forcedsql

    page = pages.tables_page()
    with forcedsql.connect() as con:
        tables = con.execute("SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal").fetchall()
        columns = con.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    described = {name for name, comment in tables if comment}
    assert described == {name for name, _ in tables}
    for table, column, comment in columns:
        if table in described:
            assert comment, (table, column)
            assert f"| `{column}` |" in page.split(f"## {table}\n")[1].split("\n## ")[0]


def test_every_option_of_opening_is_described():
    for option in fields(OpenOptions):
        assert re.search(rf"^    ([a-z_]+, )*{option.name}(, [a-z_]+)* : ", OpenOptions.__doc__, re.MULTILINE)


def test_every_survey_profile_is_in_the_help_and_in_the_how_to(pages):
    (profile,) = (p for p in dict(pages.commands())["ingest",].params if p.name == "profile")
    page = (DOCS / "howto" / "own_camera.md").read_text(encoding="utf-8")
    assert ", ".join(profile_names()) in profile.help
    for name in profile_names():
        assert f"{name}`" in page


def test_every_public_name_has_a_docstring():
    import forcedsql

    for name in forcedsql.public_names():
        assert (getattr(forcedsql, name).__doc__ or "").strip(), name


def test_every_variable_of_the_environment_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "forcedsql").rglob("*.py"))
    names = set(re.findall(r"\bFORCEDSQL_[A-Z_]+\b", code))
    assert "FORCEDSQL_KERNEL" in names
    for name in names - {"FORCEDSQL_DESCRIPTOR_FILE"}:  # between the shell and its extension
        assert f"`{name}`" in readme


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


def test_the_site_builds_without_a_warning_and_without_the_network(tmp_path):
    for package in ("material", "mkdocstrings"):
        pytest.importorskip(package, reason=f"the documentation's builder ({package}) is not installed")
    site = tmp_path / "site"
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (site / "reference" / "sql" / "index.html").stat().st_size > 10_000
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img)[^>]* src="(https?:[^"]*)', page.read_text(encoding="utf-8"))
        assert not loaded, f"{page} loads {loaded} from the network"


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
