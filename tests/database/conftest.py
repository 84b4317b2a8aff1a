"""Small exposures in files, and connections that close."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pytest
from astropy.wcs import WCS

from forcedsql.database import connect, measuring
from forcedsql.exposure import Exposure, ExposureInfo
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.wcs import FitsWcs


@dataclass(frozen=True)
class Sky:
    """Where an exposure lies: its middle, in degrees, and the side of a pixel."""

    ra: float = 53.1
    dec: float = -28.1
    pixel: float = 0.2 / 3600.0


def make_exposure(sky: Sky = Sky(), *, size: int = 120, seed: int = 1, **info) -> Exposure:
    """An image of noise with a star of 5000 nJy in the middle."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [sky.ra, sky.dec]
    wcs.wcs.crpix = [size / 2 + 0.5, size / 2 + 0.5]
    wcs.wcs.cdelt = [-sky.pixel, sky.pixel]
    wcs.wcs.set()
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    star = 5000.0 / (2 * np.pi * 4.0) * np.exp(-(x**2 + y**2) / 8.0)
    noise = np.random.default_rng(seed).normal(0.0, 3.0, (size, size))
    return Exposure(
        image=(star + noise).astype(np.float32),
        mask=np.zeros((size, size), np.int32),
        variance=np.full((size, size), 9.0, np.float32),
        mask_planes={p: i for i, p in enumerate(("BAD", "SAT", "INTRP", "CR", "EDGE", "SUSPECT", "NO_DATA"))},
        wcs=FitsWcs(wcs, (0, 0)),
        psf=SingleGaussianPsf(25, 25, 2.0),
        unit="nJy",
        info=ExposureInfo(**{"band": "r", **info}),
    )


@pytest.fixture
def opened() -> list[Path]:
    """Files that `open_lazily` was asked for, in order."""
    return []


@pytest.fixture
def exposure_file(tmp_path, monkeypatch, opened) -> Callable[..., Path]:
    """Put an exposure where `open_lazily` finds it under a real file's name."""
    from forcedsql.readers import lazy

    made: dict[Path, Exposure] = {}

    def open_made(path, layout="", options=None, **others):
        opened.append(Path(path))
        if Path(path) in made:
            return lazy.OpenedFile(made[Path(path)], "")
        return real(path, layout, options, **others)

    real = lazy.open_lazily
    monkeypatch.setattr(lazy, "open_lazily", open_made)

    def put(name: str, exposure: Exposure | None = None) -> Path:
        path = (tmp_path / name).resolve()
        path.write_bytes(f"pixels of {name}".encode())
        made[path] = exposure or make_exposure()
        return path

    return put


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """Number of positions in each call of the measuring core."""
    counts: list[int] = []

    def counted(exposure, ra, dec, config):
        counts.append(len(ra))
        return measure_positions(exposure, ra, dec, config)

    monkeypatch.setattr(measuring, "measure_positions", counted)
    return counts
