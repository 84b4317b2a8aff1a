"""The command line, run in this process, on a database of the bundled survey."""

import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from forcedsql.cli.main import main
from forcedsql.database import connect, ingest, load_catalog
from forcedsql.resources import data_dir

VISIT = "visit:2024120600102:4"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys) -> Callable[..., Result]:
    def run(*arguments: object) -> Result:
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Result(int(code), out, err)

    return run


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch) -> Callable[[], Terminal]:
    """Make stdout a terminal of 80 columns, from the call on."""

    def redirect() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TERM", "dumb")
        return stream

    return redirect


@pytest.fixture(scope="session")
def survey() -> Path:
    return data_dir() / "survey"


@pytest.fixture(scope="session")
def visit_image(survey) -> Path:
    return next(survey.glob("visit_image*.fits"))


@pytest.fixture(scope="session")
def measured_database(tmp_path_factory, survey, visit_image) -> Path:
    path = tmp_path_factory.mktemp("database") / "survey.duckdb"
    with connect(path) as con:
        assert [file.exposure_id for file in ingest(con, visit_image)] == [VISIT]
        load_catalog(con, "source", survey / "source.parquet")
        con.execute(f"CREATE TABLE measured AS FROM forced_photometry('{VISIT}', source)")
    return path


@pytest.fixture
def database(measured_database, tmp_path) -> Path:
    """A copy, to be changed at will: exposure, source, and source measured as table measured."""
    return Path(shutil.copy(measured_database, tmp_path / "survey.duckdb"))
