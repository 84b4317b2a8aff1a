"""Fixtures for tests of the readers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forcedsql.exposure import Exposure
from forcedsql.readers import open_exposure
from tests.readers.afw_file import AfwFile


@pytest.fixture
def afw() -> AfwFile:
    """A small afw exposure, to be filled and written by the test."""
    return AfwFile()


@pytest.fixture
def opened(afw: AfwFile, tmp_path: Path) -> Callable[[], Exposure]:
    """Writes the test's file and opens it."""
    return lambda: open_exposure(afw.write(tmp_path / "exposure.fits"))
