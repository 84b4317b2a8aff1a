"""``forcedsql run`` from the command line: words, exit codes, Ctrl-C and full disks."""

import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from forcedsql.cli.run import SHOWN_NAMES, summarise
from forcedsql.cli.run_progress import RunProgress
from forcedsql.database import connect, ingest
from forcedsql.runs import RunReport
from tests.cli.conftest import VISIT, Terminal

QUICK = ("--executor", "thread", "--workers", "1", "--set", "radii=12")


@pytest.fixture
def two_exposures(database, survey) -> Path:
    with connect(database) as con:
        ingest(con, next(survey.glob("deep_coadd*.fits")))
    return database


def rows_of(folder: Path) -> int:
    return len(duckdb.read_parquet(f"{folder}/**/*.parquet"))


def run_process(*arguments: object, **options) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "forcedsql", "run", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **options)


def test_a_run_accounts_for_everything_and_does_it_once(cli, two_exposures, tmp_path):
    command = ("run", two_exposures, "--positions", "source", "--out", tmp_path / "out", *QUICK)
    first, again = cli(*command, "--timings"), cli(*command)
    assert (first.code, first.out, again.code, again.out) == (0, "", 0, "")
    assert f"{rows_of(tmp_path / 'out'):,} rows on 2 exposures measured into {tmp_path / 'out'}" in first.err
    assert "positions on no exposure" in first.err
    for phase in ("planning", "reading", "psf", "measuring", "writing", "storing"):
        assert re.search(rf"^{phase} +\d+\.\d\d +\d+\.\d%$", first.err, re.MULTILINE)
    assert "nothing to measure" in again.err
    assert "2 exposures measured before, and unchanged" in again.err


def test_rows_go_into_forced_source_by_default(cli, database):
    assert cli("run", database, "--positions", "source", *QUICK[:4]).code == 0
    measured = cli(
        "sql", database, "SELECT count(*) AS n FROM forced_source WHERE psfFlux > 0", "--format", "csv"
    )
    assert int(measured.out.split()[1]) > 100


def test_an_exposure_that_fails_is_named_and_the_code_is_1(cli, two_exposures, survey, tmp_path):
    moved = Path(shutil.copy2(next(survey.glob("visit*.fits")), tmp_path))
    assert cli("ingest", two_exposures, moved).code == 0
    moved.unlink()
    command = ("run", two_exposures, "--positions", "source", "--out", tmp_path / "out", *QUICK)
    result = cli(*command)
    assert result.code == 1
    assert f"forcedsql: {VISIT} failed: cannot read {moved}: No such file or directory" in result.err
    assert "on 1 exposure measured" in result.err
    again = cli(*command)
    assert again.code == 1
    assert "1 exposure failed before, left alone (--retry-failed tries again):" in again.err
    shutil.copy2(next(survey.glob("visit*.fits")), tmp_path)
    assert cli(*command, "--retry-failed").code == 0


def test_a_database_that_another_process_has_open_is_code_3(cli, database, tmp_path):
    hold = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        result = cli("run", database, "--positions", "source", "--out", tmp_path / "out")
    finally:
        holder.communicate()
    assert result.code == 3
    assert result.err.count("\n") == 1
    assert "is open in python" in result.err
    assert f"process {holder.pid}; close it there" in result.err


def test_a_folder_that_cannot_be_written_to_is_code_3(cli, database, tmp_path):
    (tmp_path / "file").touch()
    result = cli("run", database, "--positions", "source", "--out", tmp_path / "file" / "out", *QUICK)
    assert result.code == 3
    assert result.err == (
        f"forcedsql: cannot write to {tmp_path}/file/out: Not a directory; "
        "name a folder of your own with --out\n"
    )


def no_files_above(size: int):
    """Let a process write no file larger than this many bytes: what a full disk or a quota does."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_file_system_that_takes_no_more_ends_the_run_and_loses_nothing(cli, two_exposures, tmp_path):
    command = [two_exposures, "--positions", "source", "--out", tmp_path / "out", "--workers", "1"]
    process = run_process(*command, preexec_fn=no_files_above(20_000))
    _, narration = process.communicate()
    assert process.returncode == 3
    assert re.search(
        r"^forcedsql: cannot write \S+: File too large; make room or name another", narration, re.MULTILINE
    )
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert cli("run", *command, "--executor", "thread").code == 0
    assert rows_of(tmp_path / "out") > 0


def test_ctrl_c_ends_at_once_and_says_how_to_go_on(cli, two_exposures, tmp_path):
    command = [two_exposures, "--positions", "source", "--out", tmp_path / "out", "--workers", "1"]
    process = run_process(*command, "--set", "radii=3,6", start_new_session=True)
    assert process.stderr is not None
    assert process.stderr.readline().endswith("to measure on 2 exposures\n")
    os.killpg(process.pid, signal.SIGINT)
    pressed = time.monotonic()
    narration = process.stderr.readline()
    answered = time.monotonic() - pressed
    _, rest = process.communicate()
    assert (process.returncode, rest.strip()) == (130, "")
    words = "interrupted; what is finished is kept; go on with: forcedsql run"
    assert narration == f"{words} {' '.join(map(str, command))} --set radii=3,6\n"
    assert answered < 1.0
    assert cli("run", *command, "--set", "radii=3,6", "--executor", "thread").code == 0


def test_the_command_that_goes_on_is_quoted_for_a_shell(cli, database, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("forcedsql.runs.run", interrupt)
    command = ["run", database, "--positions", "FROM source", "--exposures", "band = 'i'"]
    more = ["--workers", "3", "--retry-failed", "--set", "radii=3", "--set", "do_ap_corr=false"]
    result = cli(*command, *more)
    assert result.code == 130
    words = shlex.split(result.err.split("go on with: ")[1])
    assert words == [str(word) for word in ("forcedsql", *command, *more)]


def test_progress_has_rate_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr("forcedsql.cli.run_progress.LINE_INTERVAL", 0.0)
    with RunProgress() as progress:
        progress.planned(3, 3000)
        progress._started -= 10.0
        progress.finished("a", 1000, "")
        progress.finished("b", 1000, "no sky")
    said = capsys.readouterr().err
    assert said.startswith("3,000 rows to measure on 3 exposures\n")
    assert re.search(r"1/3 exposures, (99|100) rows/s, 0:00:(19|20|21) left", said)
    assert "forcedsql: b failed: no sky\n" in said
    assert "2/3 exposures, 1 failed, " in said


def test_a_terminal_gets_a_bar(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with RunProgress() as progress:
        progress.planned(2, 100)
        progress.finished("a", 50, "")
        time.sleep(0.2)  # the bar is drawn ten times a second
    assert "1/2 exposures" in stream.getvalue()
    assert "rows/s" in stream.getvalue()


def test_a_summary_names_some_of_many_exposures_and_counts_the_empty_ones(capsys):
    report = RunReport(
        run_id="r",
        destination="out",
        requested=9,
        uncovered=2,
        unplaced=1,
        measured=1,
        rows=7,
        unchanged=0,
        failed={f"visit:{i}:4": "damaged" for i in range(SHOWN_NAMES + 2)},
        failed_before={},
        without_psf=(),
        without_sky=(),
        empty=3,
        outdated=(),
    )
    summarise(report)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:4] == [
        "2 of 9 positions on no exposure, 1 of them without usable coordinates",
        "3 exposures without any of the positions",
        f"{SHOWN_NAMES + 2} exposures failed:",
    ]
    assert lines[4] == "  visit:0:4: damaged"
    assert lines[-1] == "  and 2 more; FROM measurement_task lists them"
    assert len(lines) == 4 + SHOWN_NAMES + 1
