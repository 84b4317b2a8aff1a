"""The public names: all there, lazily imported, none hidden by a module of the same name."""

import importlib
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import pytest

import forcedsql
from forcedsql.errors import ForcedSQLError


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", forcedsql.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(forcedsql, name) is not None


@pytest.mark.parametrize("name", ["open_exposure", "measure", "connect", "ingest", "engine", "to_astropy"])
def test_the_public_functions_are_functions(name):
    assert callable(getattr(forcedsql, name))
    assert not isinstance(getattr(forcedsql, name), ModuleType)


def test_every_public_name_shows_in_dir_and_for_type_checkers():
    assert set(forcedsql.__all__) <= set(dir(forcedsql))
    source = importlib.import_module("inspect").getsource(forcedsql)
    declared = source.split("if TYPE_CHECKING:")[1].split("_MODULE_OF")[0]
    missing = [n for n in forcedsql.__all__ if f" as {n}\n" not in declared and f"{n}: str" not in declared]
    assert missing == []


def test_importing_the_package_imports_nothing_else():
    loaded = _run("import sys, forcedsql; print(*sys.modules)").split()
    assert [m for m in loaded if m.startswith("forcedsql.") or m in ("numpy", "duckdb", "pyarrow")] == []


def test_a_measurement_loads_only_what_its_options_need():
    """SciPy's splines, trees, optimisers and sparse solvers take a worker process half a second."""
    loaded = _run(
        "import sys, forcedsql.measure, forcedsql.psf.gridded, forcedsql.fields.spline; print(*sys.modules)"
    )
    heavy = {
        "scipy.interpolate",
        "scipy.optimize",
        "scipy.spatial",
        "scipy.sparse",
        "scipy.linalg",
        "astropy",
    }
    assert not heavy & set(loaded.split())


@pytest.mark.parametrize(
    "first", ["import forcedsql.measure", "from forcedsql.measure import driver", "forcedsql.connect"]
)
def test_measure_stays_the_function_whatever_is_imported_first(first):
    assert _run(f"import forcedsql\n{first}\nprint(type(forcedsql.measure).__name__)") == "function"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'photometrize'"):
        forcedsql.photometrize  # noqa: B018


def test_errors_are_reachable_from_the_package():
    assert forcedsql.errors.ForcedSQLError is ForcedSQLError is forcedsql.ForcedSQLError


def test_the_version_is_that_of_the_installed_package():
    try:
        assert forcedsql.__version__ == version("forcedsql")
    except PackageNotFoundError:
        assert forcedsql.__version__ == "0+uninstalled"
