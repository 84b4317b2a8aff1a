"""A small simulated survey in files, and what results are compared by."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forcedsql.database import connect, ingest, load_catalog
from forcedsql.simulate import SurveyDesign, simulate_epochs
from forcedsql.tables import read_table

EXPOSURES = 5
DESIGN = SurveyDesign(exposures=EXPOSURES, objects=120, size=200, fields=2, bands=("g", "r"))
OUTSIDE = 7
"""Positions added to the catalogue that are on no exposure; two of them have no coordinates."""


@dataclass(frozen=True)
class SmallSurvey:
    """A folder with a database of exposures and the table `object`; copied before it is changed."""

    folder: Path
    ids: tuple[str, ...]
    paths: tuple[Path, ...]
    positions: int

    def copy_to(self, folder: Path) -> Path:
        return Path(shutil.copy(self.folder / "survey.duckdb", folder / "survey.duckdb"))


def with_positions_outside(objects: pa.Table) -> pa.Table:
    beside = np.linspace(60.0, 61.0, OUTSIDE - 2)
    added = {
        "objectId": np.arange(OUTSIDE, dtype=np.int64),
        "coord_ra": np.concatenate([beside, [np.nan, 53.1]]),
        "coord_dec": np.concatenate([beside - 70.0, [-28.1, 95.0]]),
    }
    assert pc.min(objects["objectId"]).as_py() > OUTSIDE
    return pa.concat_tables([objects.select(list(added)), pa.table(added)], promote_options="default")


@pytest.fixture(scope="session")
def survey(tmp_path_factory) -> SmallSurvey:
    folder = tmp_path_factory.mktemp("survey")
    files = simulate_epochs(folder, DESIGN)
    catalogue = with_positions_outside(read_table(files.objects))
    with connect(folder / "survey.duckdb") as con:
        ingested = ingest(con, files.exposures)
        assert [file.status for file in ingested] == ["added"] * EXPOSURES
        load_catalog(con, "object", catalogue)
    return SmallSurvey(
        folder, tuple(file.exposure_id for file in ingested), files.exposures, catalogue.num_rows
    )


@pytest.fixture
def database(survey, tmp_path) -> Path:
    return survey.copy_to(tmp_path)


@pytest.fixture
def con(database) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(database) as connection:
        yield connection


def folder_rows(folder: Path) -> pa.Table:
    """Return all rows of a results folder in canonical order, without the id of the run."""
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
        if pa.types.is_string(column.type):
            digest.update(repr(column.to_pylist()).encode())
        else:
            digest.update(column.to_numpy().tobytes())
    return digest.hexdigest()
