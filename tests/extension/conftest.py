"""A database of the bundled survey, the stock DuckDB shell, and what they leave behind."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from forcedsql.database import connect, ingest, load_catalog
from forcedsql.errors import ForcedSQLError
from forcedsql.extension.files import packaged_extension
from forcedsql.extension.stock_shell import find_shell
from forcedsql.resources import data_dir
from tests.conftest import ROOT

VISIT = "visit:2024120600102:4"
COADD = "coadd:5063:14:i"


@pytest.fixture(scope="session")
def extension() -> Path:
    """The compiled extension."""
    try:
        return packaged_extension()
    except ForcedSQLError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stock_shell(extension) -> Path:
    shell = find_shell()
    if shell is None:
        pytest.skip("there is no DuckDB shell; pip install duckdb-cli")
    return shell


@pytest.fixture(scope="session")
def survey_database(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("survey") / "survey.duckdb"
    survey = data_dir() / "survey"
    with connect(path) as con:
        assert {file.exposure_id for file in ingest(con, sorted(survey.glob("*.fits")))} == {VISIT, COADD}
        load_catalog(con, "source", survey / "source.parquet")
        load_catalog(con, "object", survey / "object.parquet")
    return path


@pytest.fixture
def database(survey_database, tmp_path) -> Path:
    """A copy, to be changed at will."""
    return Path(shutil.copy(survey_database, tmp_path / "survey.duckdb"))


@dataclass
class ShellRuns:
    """Starts ``forcedsql shell`` as a person does, with a home of its own.

    Parameters
    ----------
    home : Path
        For logs and the like.
    """

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, database: Path | str, *arguments: str, **options) -> "subprocess.Popen[str]":
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "PYTHONPATH": str(ROOT),
            **self.environment,
        }
        command = [sys.executable, "-m", "forcedsql", "shell", str(database), "--", "-csv", *arguments]
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            **options,
        )

    def run(self, database: Path | str, *statements: str) -> "subprocess.CompletedProcess[str]":
        shell = self.start(database)
        out, err = shell.communicate("".join(f"{statement};\n" for statement in statements), timeout=120)
        return subprocess.CompletedProcess(shell.args, shell.returncode, out, err)

    @property
    def log(self) -> Path:
        return self.home / "state" / "forcedsql" / "workers.log"


@pytest.fixture
def shell(stock_shell, tmp_path) -> ShellRuns:
    (tmp_path / "home").mkdir()
    return ShellRuns(tmp_path / "home")


def workers_of(parent: int) -> list[int]:
    """Return the worker processes of a process, and those of nobody."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if b"bootstrap.py" in command and fields[0] != "Z" and int(fields[1]) in (parent, 1):
            found.append(int(status.parent.name))
    return found


@pytest.fixture
def wait_until() -> Iterator[Callable[..., None]]:
    def wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s"
            time.sleep(0.02)

    return wait
