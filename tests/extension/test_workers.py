"""Worker processes: what a query says when one dies, and that none is left behind."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

import duckdb
import pytest

from tests.conftest import ROOT
from tests.extension.conftest import StockShell, echo_descriptor, open_echo, workers_of

STARTS = int(os.environ.get("FORCEDSQL_TEST_STARTS", "5"))
"""How often the shell is started and left; 100 take minutes."""


NAP = "SELECT nap(20.0 * i) FROM range(1, 2) r(i)"
"""Twenty seconds; not a constant, which DuckDB would try once before it runs the query."""


def shared_memory() -> set[str]:
    """Return the names in shared memory that are this project's."""
    return {path.name for path in Path("/dev/shm").glob("*forcedsql*")}  # noqa: S108 - where they would be


class Terminal:
    """A person at a terminal who types into the stock shell."""

    def __init__(self, shell: StockShell) -> None:
        self._shell = shell
        self._seen = ""

    def __enter__(self) -> Self:
        load = f"LOAD '{self._shell.extension}'"
        # -dark-mode: it would ask the terminal for its colours, and wait for an answer.
        command = [str(self._shell.program), "-dark-mode", "-unsigned", "-csv", "-cmd", load]
        environment = {**os.environ, "HOME": str(self._shell.home), "TERM": "dumb", "FORCEDSQL_WORKERS": "1"}
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.execve(command[0], command, environment)  # noqa: S606
        self.wait_for("D ")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)  # the terminal is gone, and the shell with it
        os.waitpid(self._pid, 0)

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def wait_for(self, pattern: str, seconds: float = 30.0) -> None:
        """Read what the terminal shows until a pattern is there, and forget what was before."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self._seen)):
            ready, _, _ = select.select([self._file], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{pattern} is not in {self._seen!r}"
            self._seen += os.read(self._file, 4096).decode(errors="replace")
        self._seen = self._seen[found.end() :]


class TestDeath:
    def test_a_killed_worker_is_one_error_and_the_next_query_works(self, echo, tmp_path):
        ((pid,),) = echo.sql("SELECT process(1)").fetchall()
        threading.Timer(0.3, os.kill, [pid, signal.SIGKILL]).start()
        expected = rf"worker \(process {pid}\) was killed by signal 9 during the query; the next query starts"
        with pytest.raises(duckdb.Error, match=expected) as caught:
            echo.sql(NAP).fetchall()
        assert str(tmp_path / "workers.log") in str(caught.value)
        ((other,),) = echo.sql("SELECT process(1)").fetchall()
        assert other != pid
        assert workers_of(os.getpid()) == [other]

    def test_a_worker_that_died_meanwhile_is_replaced_without_a_word(self, echo, wait_until):
        ((pid,),) = echo.sql("SELECT process(1)").fetchall()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: Path(f"/proc/{pid}/status").read_text().find("zombie") > 0)
        assert echo.sql("SELECT process(1)").fetchall() != [(pid,)]

    @pytest.mark.parametrize(
        ("number", "how"), [(-1, "ended with code 7"), (6, "was killed by signal 6"), (11, "signal 11")]
    )
    def test_its_end_is_told_and_its_words_are_in_the_log(self, echo, tmp_path, number, how):
        with pytest.raises(duckdb.Error, match=how):
            echo.sql(f"SELECT die({number})").fetchall()
        assert "last words" in (tmp_path / "workers.log").read_text()
        assert echo.sql("SELECT echo_double(1.5)").fetchall() == [(1.5,)]

    def test_an_exception_is_one_line_and_the_worker_lives_on(self, echo, tmp_path):
        ((pid,),) = echo.sql("SELECT process(1)").fetchall()
        with pytest.raises(duckdb.Error, match="ValueError: a fault of two lines"):
            echo.sql("SELECT fail(1)").fetchall()
        assert "Traceback" in (tmp_path / "workers.log").read_text()
        assert echo.sql("SELECT process(1)").fetchall() == [(pid,)]

    @pytest.mark.parametrize("command", [("/no/such/python",), (sys.executable, "-c", "import nosuch")])
    def test_one_that_cannot_start_says_where_to_read_why(self, extension, tmp_path, command):
        log = tmp_path / "workers.log"
        made = echo_descriptor(tmp_path)
        with open_echo(extension, replace(made, command=command)) as con:
            for _ in range(2):
                with pytest.raises(duckdb.Error, match=f"while it was started.*{log}"):
                    con.sql("SELECT process(1)").fetchall()
        assert "cannot be started" in log.read_text() or "No module named 'nosuch'" in log.read_text()

    def test_an_outdated_descriptor_says_what_to_do(self, extension, tmp_path):
        made = echo_descriptor(tmp_path)
        command = (sys.executable, "-P", str(ROOT / "forcedsql" / "extension" / "bootstrap.py"))
        with (
            open_echo(extension, replace(made, command=command)) as con,
            pytest.raises(duckdb.Error, match="run: forcedsql extension install"),
        ):
            con.sql("SELECT process(1)").fetchall()


class TestMany:
    def test_there_are_as_many_as_asked_for_and_threads_share_them(self, extension, tmp_path):
        with open_echo(extension, echo_descriptor(tmp_path, workers=2)) as con:
            query = "SELECT count(*), min(process(i)), max(process(i)) FROM range(20_000) r(i)"
            ((count, first, last),) = con.sql(query).fetchall()
            assert count == 20_000
            assert {first, last} == set(workers_of(os.getpid()))
            assert len(workers_of(os.getpid())) == min(2, len(os.sched_getaffinity(0)))

    def test_queries_of_many_threads_get_their_own_answers(self, extension, tmp_path):
        failures: list[str] = []

        def ask(con: duckdb.DuckDBPyConnection, number: int) -> None:
            for _ in range(20):
                query = f"SELECT sum(echo_double(i + {number})) FROM range(3000) r(i)"
                if con.sql(query).fetchall() != [(3000 * 2999 / 2 + 3000 * number,)]:
                    failures.append(query)

        with open_echo(extension, echo_descriptor(tmp_path, workers=2)) as con:
            threads = [threading.Thread(target=ask, args=(con.cursor(), n)) for n in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not failures

    def test_every_exposure_keeps_its_worker(self, extension, tmp_path):
        with open_echo(extension, echo_descriptor(tmp_path, workers=2)) as con:
            query = "SELECT sum(exposure('e' || i % 50, i)) FROM range(10_000) r(i)"
            assert con.sql(query).fetchall() == [(10_000 * 9_999 / 2,)]

    def test_one_worker_is_enough(self, echo):
        assert echo.sql("SELECT count(DISTINCT process(i)) FROM range(10_000) r(i)").fetchall() == [(1,)]

    def test_they_stand_in_the_root_folder(self, echo):
        assert echo.sql("SELECT folder(1)").fetchall() == [("/",)]


class TestInterrupts:
    @pytest.mark.parametrize("query", [NAP, NAP.replace("nap(20.0", "compute(4.0")])
    def test_ctrl_c_returns_the_prompt_within_a_second_and_the_next_query_works(self, echo_shell, query):
        with Terminal(echo_shell) as terminal:
            terminal.type("SELECT 'p' || process(1) AS p;\r")
            terminal.wait_for(r"p\d+")
            terminal.type(f"{query};\r")
            time.sleep(1.0)
            terminal.type("\x03")
            started = time.monotonic()
            terminal.wait_for(r"\^C[^^]* D ")  # the prompt
            assert time.monotonic() - started < 1.0
            terminal.type("SELECT 'q' || process(1) AS q;\r")
            terminal.wait_for(r"q\d+")

    def test_the_worker_is_ready_for_the_next_query(self, echo):
        ((pid,),) = echo.sql("SELECT process(1)").fetchall()
        threading.Timer(0.3, os.kill, [pid, signal.SIGINT]).start()
        with pytest.raises(duckdb.Error, match="interrupted"):
            echo.sql(NAP).fetchall()
        assert echo.sql("SELECT process(1)").fetchall() == [(pid,)]

    def test_a_signal_while_nothing_is_computed_is_forgotten(self, echo):
        ((pid,),) = echo.sql("SELECT process(1)").fetchall()
        os.kill(pid, signal.SIGINT)
        time.sleep(0.2)
        assert echo.sql("SELECT nap(0.1), process(1)").fetchall() == [(0.1, pid)]


class TestNothingIsLeft:
    def test_the_connections_end_is_the_workers_end(self, extension, tmp_path):
        before = shared_memory()
        with open_echo(extension, echo_descriptor(tmp_path)) as con:
            assert workers_of(os.getpid()) == []  # none before the first call
            con.sql("SELECT process(1)").fetchall()
            assert len(workers_of(os.getpid())) == 1
        assert workers_of(os.getpid()) == []
        assert shared_memory() == before

    def test_a_shell_that_is_killed_leaves_no_worker(self, echo_shell, wait_until):
        process = echo_shell.open(":memory:")
        process.stdin.write("SELECT process(1) AS p;\nSELECT nap(60.0);\n")
        process.stdin.flush()
        assert process.stdout.readline() == "p\n"
        pid = int(process.stdout.readline())
        process.kill()
        process.communicate()
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 5)

    def test_starts_and_exits_leave_nothing(self, echo_shell):
        before = shared_memory()
        files = set(echo_shell.home.iterdir())
        temporary = echo_shell.home.parent / "temporary"
        temporary.mkdir()
        echo_shell.environment["TMPDIR"] = str(temporary)
        for _ in range(STARTS):
            pid = int(echo_shell.run(":memory:", "SELECT process(1) AS p").stdout.split()[1])
            assert not Path(f"/proc/{pid}").exists()
        assert shared_memory() == before
        assert not list(temporary.iterdir())
        assert set(echo_shell.home.iterdir()) - files == {echo_shell.home / "workers.log"}

    def test_a_forked_process_keeps_its_hands_off(self, extension, tmp_path):
        # In a process of its own: a fork of pytest's would inherit its threads' locks.
        done = subprocess.run(
            [sys.executable, "-c", FORK, str(extension), str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout.split("\n")[:2] == ["belong to the process that was forked", "same worker"], (
            done.stderr
        )


FORK = """
import os, sys
from pathlib import Path
from typing import Self
from tests.extension.conftest import echo_descriptor, open_echo
con = open_echo(Path(sys.argv[1]), echo_descriptor(Path(sys.argv[2])))
con.execute("SET threads = 1")
before = con.sql("SELECT process(1)").fetchall()
child = os.fork()
if child == 0:
    try:
        con.sql("SELECT process(1)").fetchall()
    except Exception as error:
        wanted = "belong to the process that was forked"
        print(wanted if wanted in str(error) else error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("same worker" if con.sql("SELECT process(1)").fetchall() == before else "another", flush=True)
con.close()
"""
