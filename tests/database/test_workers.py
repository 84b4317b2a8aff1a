"""Work in threads: all of it in order, bounded, and the first error."""

import threading

import pytest

from forcedsql.database.workers import map_in_threads
from forcedsql.native import limit_threads


@pytest.fixture(params=[1, 3])
def threads(request):
    limit_threads(request.param)
    yield request.param
    limit_threads(None)


def test_results_come_in_order(threads):
    assert map_in_threads(lambda n: n * n, range(50)) == [n * n for n in range(50)]


def test_no_work_is_no_result(threads):
    assert map_in_threads(lambda n: n, []) == []


def test_no_more_at_a_time_than_threads(threads):
    busy, most, lock = 0, 0, threading.Lock()
    pause = threading.Event()

    def work(_):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        pause.wait(0.005)
        with lock:
            busy -= 1

    map_in_threads(work, range(12))
    assert most == threads


def test_the_first_error_in_order_is_raised(threads):
    def work(n):
        if n in (4, 9):
            raise ValueError(f"item {n}")
        return n

    with pytest.raises(ValueError, match="item 4"):
        map_in_threads(work, range(12))
