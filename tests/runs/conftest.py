"""A small simulated survey in files: eight exposures side by side, overlapping, and a catalogue."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql.database import connect, ingest, load_catalog
from forcedsql.exposure import ExposureInfo
from forcedsql.geometry import Box
from forcedsql.simulate import Conditions, Setting, Sources, expose, tangent_wcs, varying_psf
from forcedsql.writer import write_exposure

SIDE = 300
STEP = 200
EXPOSURES = 8
OUTSIDE = 7
"""Positions of the catalogue that are on no exposure; two of them have no coordinates."""


@dataclass(frozen=True)
class Survey:
    """A database with the exposures and the catalogue `object`, to be copied before use."""

    folder: Path
    ids: tuple[str, ...]
    positions: int

    def copy_to(self, folder: Path) -> Path:
        return Path(shutil.copy(self.folder / "survey.duckdb", folder / "survey.duckdb"))


def exposure_path(folder: Path, number: int) -> Path:
    return folder / f"visit_{number}.fits"


def write_survey(folder: Path) -> pa.Table:
    """Write the files of the exposures, and return their stars and some positions beside them."""
    rng = np.random.default_rng(5)
    width = STEP * (EXPOSURES - 1) + SIDE
    count = 400
    x, y = rng.uniform(5, width - 5, count), rng.uniform(5, SIDE - 5, count)
    flux = 10.0 ** rng.uniform(2.5, 4.5, count)
    wcs = tangent_wcs((53.1, -28.1), (width / 2, SIDE / 2))
    for number in range(EXPOSURES):
        origin = (number * STEP, 0)
        near = (x > origin[0] - 20) & (x < origin[0] + SIDE + 20)
        setting = Setting(
            shape=(SIDE, SIDE),
            xy0=origin,
            psf=varying_psf(Box(*origin, SIDE, SIDE)),
            wcs=wcs,
            info=ExposureInfo(
                band="gri"[number % 3],
                visit=100 + number,
                detector=1,
                mjd=60000.0 + number,
                exposure_time=30.0,
            ),
            conditions=Conditions(sky_sigma=10.0),
        )
        sources = Sources(x[near], y[near], flux[near], np.zeros(int(near.sum())))
        write_exposure(expose(sources, setting, seed=number).exposure, exposure_path(folder, number))
    ra, dec = wcs.pixel_to_sky(x, y)
    beside = np.linspace(60.0, 61.0, OUTSIDE - 2)
    return pa.table(
        {
            "objectId": np.arange(count + OUTSIDE),
            "ra": np.concatenate([ra, beside, [np.nan, 53.1]]),
            "dec": np.concatenate([dec, beside - 70.0, [-28.1, 95.0]]),
        }
    )


@pytest.fixture(scope="session")
def survey(tmp_path_factory) -> Survey:
    folder = tmp_path_factory.mktemp("survey")
    catalogue = write_survey(folder)
    with connect(folder / "survey.duckdb") as con:
        files = ingest(con, [exposure_path(folder, n) for n in range(EXPOSURES)])
        assert [file.status for file in files] == ["added"] * EXPOSURES
        load_catalog(con, "object", catalogue)
    return Survey(folder, tuple(file.exposure_id for file in files), catalogue.num_rows)


@pytest.fixture
def database(survey, tmp_path) -> Path:
    return survey.copy_to(tmp_path)


@pytest.fixture
def con(database) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(database) as connection:
        yield connection


def folder_rows(folder: Path) -> pa.Table:
    """Return all rows of a results folder, without the id of the run, in canonical order."""
    with duckdb.connect() as con:
        return _canonical(con.sql(f"FROM read_parquet('{folder}/**/*.parquet', hive_partitioning=false)"))


def table_rows(con: duckdb.DuckDBPyConnection, table: str = "forced_source") -> pa.Table:
    """Return the same of a table."""
    return _canonical(con.sql(f"FROM {table}"))


def _canonical(rows: duckdb.DuckDBPyRelation) -> pa.Table:
    columns = ", ".join(f'"{name}"' for name in rows.columns if name != "run_id")
    return rows.project(columns).order('exposure_id, id, ra, "dec"').to_arrow_table().combine_chunks()


def content_hash(rows: pa.Table) -> str:
    """Return a hash of names and values, bit by bit."""
    digest = sha256(" ".join(rows.column_names).encode())
    for column in rows.columns:
        values = column.to_pylist() if pa.types.is_string(column.type) else column.to_numpy().tobytes()
        digest.update(values if isinstance(values, bytes) else repr(values).encode())
    return digest.hexdigest()
