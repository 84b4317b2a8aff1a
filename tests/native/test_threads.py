"""How many threads a call may use."""

import os

import pytest

from forcedsql.errors import ConfigError
from forcedsql.native import limit_threads, thread_limit


def test_every_usable_processor_counts_by_default(monkeypatch):
    monkeypatch.delenv("FORCEDSQL_THREADS", raising=False)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert thread_limit() == usable


def test_the_environment_sets_the_limit_and_a_call_overrides_it(monkeypatch, threads):
    monkeypatch.setenv("FORCEDSQL_THREADS", "3")
    assert thread_limit() == 3
    threads(5)
    assert thread_limit() == 5
    threads(None)
    assert thread_limit() == 3


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1e3", "99999999", " 2"])
def test_a_limit_that_is_no_number_of_threads_is_refused(monkeypatch, text):
    monkeypatch.setenv("FORCEDSQL_THREADS", text)
    with pytest.raises(ConfigError, match=r"FORCEDSQL_THREADS=.* is not a whole number from 1"):
        thread_limit()


def test_no_threads_at_all_are_refused():
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        limit_threads(0)


@pytest.mark.parametrize(("processors", "threads_used"), [(6, 6), (None, 1)])
def test_where_the_system_does_not_say_which_processors_are_usable_all_count(
    monkeypatch, processors, threads_used
):
    monkeypatch.delenv("FORCEDSQL_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert thread_limit() == threads_used
