"""A small run of the harness, on files made here, and the harness itself on what it must find."""

import sys
import time

import pytest

from forcedsql.errors import ReadError
from tests.fuzz.cases import Case, make_case
from tests.fuzz.failing_worker import fail
from tests.fuzz.harness import Harness
from tests.fuzz.outcome import CRASH, FINE, FOREIGN, HANG, MEMORY, REFUSED
from tests.fuzz.report import bugs, markdown
from tests.fuzz.seeds import KINDS, seeds
from tests.fuzz.worker import try_case, work

RUN = 2026
COUNT = 200
PROFILES_OF_OTHER_IMAGES = {"decam", "jwst", "sdss", "swarp", "ztf"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is looked up in /proc")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return seeds(tmp_path_factory.mktemp("seeds"))


def test_the_files_before_they_are_mutated_open_and_are_measured(good, tmp_path):
    seeds(tmp_path)
    outcomes = [try_case(Case(0, seed, seed.content), tmp_path) for seed in good]
    assert {o.seed for o in outcomes if o.outcome != FINE} == PROFILES_OF_OTHER_IMAGES


def test_mutated_files_are_measured_or_refused_in_one_line(tmp_path):
    outcomes = list(Harness(tmp_path, None, RUN, work=work).outcomes(range(COUNT)))
    assert not bugs(outcomes), markdown(outcomes)
    assert {o.kind for o in outcomes} == set(KINDS)
    refused = sum(o.outcome == REFUSED for o in outcomes)
    assert COUNT / 4 < refused < COUNT


def test_a_number_stands_for_the_same_bytes_every_time(good, tmp_path):
    again = seeds(tmp_path)
    for number in range(40):
        first, second = make_case(good, RUN, number), make_case(again, RUN, number)
        assert first.content == second.content
        assert first.content != first.seed.content


class TestWhatTheHarnessFinds:
    @pytest.fixture
    def outcome(self, good, tmp_path, monkeypatch):
        def of(step):
            monkeypatch.setattr("tests.fuzz.targets.steps", lambda *_: [step])
            return try_case(Case(7, good[0], b"content"), tmp_path)

        return of

    def test_a_foreign_exception(self, outcome):
        found = outcome(lambda: {}["key"])
        assert (found.outcome, found.error) == (FOREIGN, "KeyError")
        assert "test_harness.py" in found.message

    def test_an_error_that_hides_a_lack_of_memory(self, outcome):
        def hides():
            raise ReadError("cannot be read") from MemoryError()

        assert outcome(hides).outcome == MEMORY

    def test_time_and_memory(self, outcome):
        def costly():
            end = time.process_time() + 0.1
            block = bytearray(100 << 20)
            while time.process_time() < end:
                block[::4096] = bytes(len(block[::4096]))

        found = outcome(costly)
        assert found.outcome == FINE
        assert found.seconds > 0.09
        assert found.nbytes > 90 << 20


@pytest.mark.parametrize("what", [CRASH, HANG, MEMORY])
def test_a_worker_that_a_file_was_too_much_for_is_told_and_replaced(tmp_path, monkeypatch, what):
    monkeypatch.setattr("tests.fuzz.harness.WALL_SECONDS", 0.5)
    outcomes = list(Harness(tmp_path, None, RUN, what, work=fail).outcomes(range(3)))
    assert [o.outcome for o in outcomes] == [FINE, what, FINE]
    assert (outcomes[1].kind, outcomes[1].seed) == ("fits", "planes")
    assert f"- {what} case 1 (fits planes)" in markdown(outcomes)
