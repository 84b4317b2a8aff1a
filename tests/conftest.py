"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the LSST reference exposures and real images, outside the repository."""
    folder = Path(os.environ.get("FORCEDSQL_SHARED", ROOT.parent / "shared"))
    if not (folder / "reference" / "open").is_dir():
        pytest.skip(f"no reference data at {folder}; set FORCEDSQL_SHARED to run this test")
    return folder


@pytest.fixture(scope="session")
def reference(shared: Path) -> Path:
    """Folder of exposures written and measured by the LSST Science Pipelines."""
    return shared / "reference" / "open"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Speed is measured on demand, never as a by-product of the tests."""
    parser.addoption("--benchmark", action="store_true", help="run the benchmarks of tests/benchmarks")
