"""Dependencies point one way; see the picture in README, "How it is built"."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "forcedsql"

LAYERS = (
    {
        "errors",
        "arrays",
        "file_names",
        "geometry",
        "pixel_rows",
        "resources",
        "native",
        "phases",
        "polynomials",
        "toml_file",
    },
    {"ast"},
    {
        "config",
        "open_options",
        "plugins",
        "schema",
        "slots",
        "fields",
        "wcs",
        "transforms",
        "footprints",
    },
    {"psf", "exposure", "lazy_exposure", "coadd_inputs", "detector", "exposure_file", "sky_noise"},
    {"readers", "writer", "measure", "tables"},
    {"simulate"},
    {"database", "extension"},
    {"compare", "gate", "explain", "lightcurve", "plots", "runs", "export"},
    {"bench"},
    {"cli", "__main__", "__init__"},
)
LAYER = {name: level for level, names in enumerate(LAYERS) for name in names}

ALLOWED_IN = {
    "duckdb": {"database", "extension", "compare", "runs", "export", "cli"},
    "duckdb_engine": {"database"},
    "sqlalchemy": {"database"},
    "typer": {"cli"},
    "prompt_toolkit": {"cli"},
    "matplotlib": {"plots", "bench"},
    "distributed": {"runs"},
    "starlink": {"ast", "writer"},
}


def top_level(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == "forcedsql"
                else {node.module}
            )
    return names


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_own_layer_or_below(path):
    own = top_level(path)
    for module in imported_modules(path):
        if module.startswith("forcedsql."):
            other = module.split(".")[1]
            if other in LAYER and own != "__init__":
                assert LAYER[other] <= LAYER[own], f"{own} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_where_they_belong(path):
    own = top_level(path)
    roots = {module.split(".")[0] for module in imported_modules(path)}
    for library, owners in ALLOWED_IN.items():
        if library in roots:
            assert own in owners, f"{own} imports {library}"
    if own in ("measure", "psf"):
        assert not any(module.startswith("astropy.io") for module in imported_modules(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_unpickles_or_evaluates(path):
    roots = {module.split(".")[0] for module in imported_modules(path)}
    assert not roots & {"pickle", "shelve", "marshal", "dill"}
    calls = [
        n.func.id
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    ]
    assert not {"eval", "exec"} & set(calls)


def test_every_module_has_a_place_in_the_picture():
    assert {top_level(path) for path in MODULES} <= set(LAYER)
