"""Turns alternate, and what takes too long is shortened."""

import time
from types import SimpleNamespace

import pytest

from forcedsql.bench import timing
from forcedsql.bench.timing import Turns, affordable_turns, interleaved, limited_threads
from forcedsql.native import thread_limit


def test_contestants_take_turns_and_preparation_is_not_timed():
    order = []

    def prepare(name):
        time.sleep(0.02)
        return lambda: order.append(name)

    turns = {"a": Turns(10, 2), "b": Turns(5, 1), "c": Turns(10, 2)}
    timings = interleaved({name: lambda n=name: prepare(n) for name in turns}, turns)
    assert order == ["a", "b", "c", "a", "c"]
    assert [len(timings[name].seconds) for name in turns] == [2, 1, 2]
    assert max(max(each.seconds) for each in timings.values()) < 0.02


def test_a_cost_is_that_of_the_median_turn():
    assert timing.Timing(1000, (9.0, 2.0, 3.0), (0.0, 0.0, 0.0)).us_each == pytest.approx(3000.0)


def contestant(monkeypatch, *, first, each, turn_seconds=6.0, one_round=False):
    """A contestant of a known cost: nothing is run."""
    made = SimpleNamespace(turn_seconds=turn_seconds, one_round=one_round)
    monkeypatch.setattr(timing, "_seconds", lambda _contestant, _catalogue, count: first + each * count)
    return made


@pytest.mark.parametrize(
    ("first", "each", "count", "expected"),
    [
        (0.0, 1e-5, 100_000, Turns(100_000, 3)),
        (0.0, 3.6e-4, 10_000, Turns(10_000, 2)),
        (0.0, 3.6e-4, 100_000, Turns(10_000, 2)),
        (1.5, 1e-5, 100_000, Turns(100_000, 3)),  # the part that comes once is not multiplied
        (0.0, 2.0e-2, 10_000, Turns(1000, 1)),
        (0.0, 2.0e-2, 300, Turns(300, 1)),
        (0.0, 0.0, 1, Turns(1, 3)),
    ],
)
def test_turns_are_shortened_to_what_their_time_affords(monkeypatch, first, each, count, expected):
    slow = contestant(monkeypatch, first=first, each=each)
    assert affordable_turns(slow, None, count, 3) == expected


def test_a_slow_contestant_has_one_round(monkeypatch):
    assert affordable_turns(contestant(monkeypatch, first=0, each=0, one_round=True), None, 9, 3).rounds == 1


def test_threads_are_limited_for_a_while():
    before = thread_limit()
    with limited_threads(3):
        assert thread_limit() == 3
    assert thread_limit() == before
