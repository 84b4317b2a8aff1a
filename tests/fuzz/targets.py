"""What is done with a mutated file of each kind: everything that a user could do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.errors import ForcedSQLError
from forcedsql.exposure import Exposure
from forcedsql.measure.positions import find_positions
from forcedsql.open_options import OpenOptions
from forcedsql.readers import archive_classes, open_exposure
from forcedsql.readers.lazy import open_lazily
from forcedsql.readers.psf_spec import open_psf
from forcedsql.tables.reading import read_table
from tests.fuzz.seeds import Seed

CONFIG = MeasurementConfig(radii=(3.0, 12.0))
_ELSEWHERE = (53.1, -28.1)
Step = Callable[[], object]


def steps(seed: Seed, path: Path, folder: Path) -> Iterator[Step]:
    """Yield what to do with a file, in order; each may refuse it without stopping the others."""
    yield from _STEPS.get(seed.kind, _exposure_steps)(seed, path, folder)


def measured(exposure: Exposure) -> pa.Table:
    """Measure in the image, off it and nowhere; every position has its row."""
    height, width = exposure.shape
    x = np.array([0.5, 0.0, -0.01, 40.0]) * width + exposure.xy0[0]
    y = np.array([0.5, 0.99, 0.5, 0.5]) * height + exposure.xy0[1]
    ra, dec = (np.full(4, value) for value in _ELSEWHERE)
    if exposure.wcs is not None:
        ra, dec = exposure.wcs.pixel_to_sky(x, y)
    positions = {"id": range(6), "ra": [*ra, np.nan, _ELSEWHERE[0]], "dec": [*dec, 0.0, _ELSEWHERE[1]]}
    table = forcedsql.measure(exposure, pa.table(positions), config=CONFIG)
    if table.num_rows != len(positions["id"]):
        raise AssertionError(f"{table.num_rows} rows for {len(positions['id'])} positions")
    return table


def _exposure_steps(seed: Seed, path: Path, folder: Path) -> Iterator[Step]:
    original = folder / f"original_of_{seed.name.replace('/', '_')}{seed.suffix}"
    options = OpenOptions(psf="gaussian:4.0") if seed.kind == "fits" else None
    layouts: list[str] = []

    def lazily() -> object:
        opened = open_lazily(path, options=options)
        layouts.append(opened.layout)
        return measured(opened.exposure)

    yield lambda: measured(open_exposure(path, options=options))
    yield lazily
    if any(layouts):
        yield lambda: measured(open_lazily(path, layouts[0]).exposure)
    if path.stat().st_size == len(seed.content):
        yield lambda: measured(open_lazily(path, _layout_of(seed, original), options).exposure)
    if seed.kind != "fits":
        yield lambda: archive_classes(path)


_LAYOUTS: dict[str, str] = {}


def _layout_of(seed: Seed, original: Path) -> str:
    """The layout of the good file, which the mutated one may not fit."""
    if original.name not in _LAYOUTS:
        original.write_bytes(seed.content)
        try:
            _LAYOUTS[original.name] = open_lazily(original).layout
        except ForcedSQLError:
            _LAYOUTS[original.name] = ""
    return _LAYOUTS[original.name]


def _layout_steps(seed: Seed, path: Path, folder: Path) -> Iterator[Step]:
    text = path.read_bytes().decode("utf-8", "replace")
    yield lambda: measured(open_lazily(folder / f"{seed.name}.fits", text).exposure)


def _psf_steps(seed: Seed, path: Path, _: Path) -> Iterator[Step]:
    x, y = np.array([10.0, 33.3, -5.0, np.nan, 1e9]), np.array([10.0, 40.2, 5.0, 1.0, 1e9])

    def drawn(kind: str) -> object:
        marks = {"merged": "[row=0]", "psfex": "[row=0]", "psField": "[band=r]"}
        row = next((option for mark, option in marks.items() if mark in seed.name), "")
        psf = open_psf(f"{kind}{path}{row}", shape=(64, 64))
        return psf.images(x, y), psf.shapes(x, y)

    for kind in ("", "psfex:", "sdss:", "grid:", "stamp:"):
        yield lambda kind=kind: drawn(kind)


def _table_steps(_: Seed, path: Path, folder: Path) -> Iterator[Step]:
    def measured_table() -> object:
        table = read_table(path)
        find_positions(table)
        exposure = open_exposure(folder / "layout_of_gaussian.fits")
        if forcedsql.measure(exposure, table, config=CONFIG).num_rows != table.num_rows:
            raise AssertionError("not one row per position")
        return forcedsql.to_astropy(table)

    yield measured_table


def _profile_steps(_: Seed, path: Path, folder: Path) -> Iterator[Step]:
    def opened() -> object:
        options = OpenOptions.from_profile(path)
        return measured(open_exposure(folder / "planes.fits", options=options))

    yield opened


_STEPS = {"layout": _layout_steps, "psf": _psf_steps, "table": _table_steps, "profile": _profile_steps}
