"""Fixtures for tests of single modules of the lsst.images reader."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from forcedsql.exposure import Exposure
from forcedsql.readers import open_exposure
from forcedsql.readers.fits_file import open_fits
from forcedsql.readers.lsst_images.sources import Sources
from tests.readers.lsst_images_file import LsstImagesFile, visit_image


@pytest.fixture
def file() -> LsstImagesFile:
    """A visit image of 6 x 8 pixels, to be changed and written by the test."""
    return visit_image(np.ones((6, 8)), np.full((6, 8), 4.0))


@pytest.fixture
def opened(file: LsstImagesFile, tmp_path: Path) -> Callable[[], Exposure]:
    """Writes the test's file and opens it."""
    return lambda: open_exposure(file.write(tmp_path / "visit.fits"))


@pytest.fixture
def sources(file: LsstImagesFile, tmp_path: Path) -> Iterator[Callable[[], Sources]]:
    """Writes the test's file and gives its HDUs."""
    with ExitStack() as stack:
        yield lambda: Sources(stack.enter_context(open_fits(file.write(tmp_path / "sources.fits"))))
