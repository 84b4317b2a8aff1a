"""Fixtures that every test may use."""

import os
import signal
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


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C be heard: a shell starts what it runs in the background without."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Speed is measured on demand, never as a by-product of the tests."""
    parser.addoption("--benchmark", action="store_true", help="run the benchmarks of tests/benchmarks")
