"""A disk that is really full, where this process may mount one; see also tests/cli/test_run.py."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forcedsql.database import connect
from forcedsql.errors import OutputError
from forcedsql.runs import run
from tests.runs.conftest import EXPOSURES, SmallSurvey, content_hash, folder_rows, table_rows

QUICK = {"executor": "thread", "workers": 2}


@pytest.fixture
def disk(survey: SmallSurvey, tmp_path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A file system with room for the database and little else, and what gives it more."""
    if shutil.which("mount") is None or os.name != "posix" or os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    room = (survey.folder / "survey.duckdb").stat().st_size + 100_000
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("to", ["into", "out"])
def test_a_full_disk_loses_nothing(survey, disk, tmp_path, to):
    folder, make_room = disk
    database = survey.copy_to(folder)
    options = {"into": "forced_source"} if to == "into" else {"out": folder / "out"}
    with connect(database) as con, pytest.raises(OutputError, match=r"No space left on device.*make room"):
        run(con, "object", **options, **QUICK)
    make_room()
    with connect(database) as con:
        run(con, "object", out=tmp_path / "expected", **QUICK)
        report = run(con, "object", **options, **QUICK)
        assert report.measured + report.unchanged == EXPOSURES
        rows = table_rows(con) if to == "into" else folder_rows(folder / "out")
        assert content_hash(rows) == content_hash(folder_rows(tmp_path / "expected"))
