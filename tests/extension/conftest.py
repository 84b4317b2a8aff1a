"""A database of the bundled survey, the stock DuckDB shell, and what they leave behind."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, ingest, load_catalog
from forcedsql.errors import ForcedSQLError
from forcedsql.extension.descriptor import Descriptor
from forcedsql.extension.files import install_extension, packaged_extension
from forcedsql.extension.loading import give_descriptor
from forcedsql.extension.questions import Answer
from forcedsql.extension.stock_shell import find_shell
from forcedsql.resources import data_dir
from tests.extension import echo_worker

VISIT = "visit:2024120600102:4"
COADD = "coadd:5063:14:i"


@pytest.fixture(scope="session")
def extension() -> Path:
    """The extension as it was compiled, with sanitizers or without."""
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


@pytest.fixture(scope="session")
def installed(extension, tmp_path_factory) -> Path:
    """The extension as ``forcedsql extension install`` puts it, for one worker."""
    return install_extension(MeasurementConfig(), tmp_path_factory.mktemp("installed") / extension.name)


@dataclass
class StockShell:
    """Starts the stock shell, as people do who know where the extension is.

    Parameters
    ----------
    program, extension : Path
    home : Path
        For logs and the like; the current folder too.
    """

    program: Path
    extension: Path
    home: Path
    environment: dict[str, str] = field(default_factory=lambda: {"FORCEDSQL_WORKERS": "1"})

    def start(self, *command: object, **options) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, "HOME": str(self.home), **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            **options,
        )

    def open(self, database: Path | str, **options) -> "subprocess.Popen[str]":
        load = f"LOAD '{self.extension}'"
        return self.start(self.program, "-unsigned", "-csv", "-bail", database, "-cmd", load, **options)

    def run(self, database: Path | str, *statements: str) -> "subprocess.CompletedProcess[str]":
        process = self.open(database)
        out, err = process.communicate("".join(f"{statement};\n" for statement in statements), timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def shell(stock_shell, installed, tmp_path) -> StockShell:
    (tmp_path / "home").mkdir()
    return StockShell(stock_shell, installed, tmp_path / "home")


def workers_of(parent: int) -> list[int]:
    """Return the worker processes of a process, and those of nobody."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        is_worker = re.search(rb"bootstrap\.py|echo_worker\.py", command) and fields[0] != "Z"
        if is_worker and int(fields[1]) in (parent, 1):
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


def echo_descriptor(folder: Path, workers: int = 1) -> Descriptor:
    """A descriptor of the functions of echo_worker.py."""
    command = (sys.executable, "-P", str(Path(echo_worker.__file__).resolve()))
    functions = echo_worker.described()
    return Descriptor(command, folder / "workers.log", workers, ("", ""), (), functions, MeasurementConfig())


def open_echo(extension: Path, descriptor: Descriptor) -> duckdb.DuckDBPyConnection:
    """A connection of this process with the functions of a descriptor."""
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    give_descriptor(extension, descriptor.encode(), "a test", lambda _question: Answer({}, {}))
    con.execute(f"LOAD '{extension}'")
    return con


@pytest.fixture
def echo(extension, tmp_path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_echo(extension, echo_descriptor(tmp_path)) as con:
        yield con


@pytest.fixture
def echo_shell(stock_shell, extension, tmp_path) -> StockShell:
    """The stock shell with the functions of echo_worker.py."""
    home = tmp_path / "echo"
    home.mkdir()
    copied = Path(shutil.copy(extension, home / extension.name))
    (home / f"{extension.name}.descriptor").write_bytes(echo_descriptor(home).encode())
    return StockShell(stock_shell, copied, home)
