"""Opened exposures: one opening each, least recently used first out, within the budget."""

import threading
import time

import pytest

from forcedsql.database.cache import OTHER_BYTES, ExposureCache, ExposureKey, size_of

from .conftest import make_exposure

EXPOSURE = make_exposure(size=10)


def key(name: str) -> ExposureKey:
    return ExposureKey(name, f"/{name}.fits", 1, "00")


def test_an_exposure_is_opened_once():
    cache, opened = ExposureCache(), []
    for _ in range(3):
        cache.get(key("a"), lambda: opened.append(1) or EXPOSURE)
    assert len(opened) == 1


def test_threads_that_ask_together_share_one_opening():
    cache, opened = ExposureCache(), []
    start = threading.Barrier(8)

    def open_slowly():
        opened.append(1)
        time.sleep(0.05)
        return EXPOSURE

    def ask():
        start.wait()
        results.append(cache.get(key("a"), open_slowly))

    results: list = []
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert results == [EXPOSURE] * 8


def test_the_least_recently_used_goes_first():
    cache = ExposureCache(budget=2 * size_of(EXPOSURE))
    opened = []
    for name in ("a", "b", "a", "c", "a", "b"):
        cache.get(key(name), lambda name=name: opened.append(name) or EXPOSURE)
    assert opened == ["a", "b", "c", "b"]
    assert cache.size <= cache.budget


def test_an_exposure_larger_than_the_budget_stays_while_it_is_the_last():
    cache, opened = ExposureCache(budget=0), []
    for name in ("a", "a", "b", "a"):
        cache.get(key(name), lambda name=name: opened.append(name) or EXPOSURE)
    assert opened == ["a", "b", "a"]
    assert len(cache) == 1


def test_a_failed_opening_is_tried_again():
    cache = ExposureCache()

    def fail():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        cache.get(key("a"), fail)
    assert cache.get(key("a"), lambda: EXPOSURE) is EXPOSURE


def test_a_changed_file_is_another_key():
    cache, opened = ExposureCache(), []
    for mtime in (1, 2):
        cache.get(key("a")._replace(mtime_ns=mtime), lambda: opened.append(1) or EXPOSURE)
    assert len(opened) == 2


class Growing:
    """Something whose pixels are read after it was opened."""

    nbytes = 0


def test_what_exposures_used_long_ago_hold_is_remembered():
    """An opening looks at those used last only, so that thousands of them cost no more than a few."""
    cache = ExposureCache(budget=300 * OTHER_BYTES)
    entries = {n: cache.get(key(f"{n}"), Growing) for n in range(200)}
    cache.get(key("0"), Growing)
    entries[0].nbytes = entries[199].nbytes = 60 * OTHER_BYTES
    entries[1].nbytes = 10**9
    cache.get(key("another"), Growing)
    # 201 exposures and 120 times as much as one of them: the 21 used longest ago have gone.
    assert [n for n in range(200) if key(f"{n}") not in cache] == list(range(1, 22))
    entries[50].nbytes = 10**12
    cache.trim()
    assert cache.size <= cache.budget


def test_exposures_that_have_grown_are_trimmed():
    cache = ExposureCache(budget=3 * OTHER_BYTES)
    entries = {name: cache.get(key(name), Growing) for name in ("a", "b")}
    assert (len(cache), cache.size) == (2, 2 * OTHER_BYTES)
    entries["a"].nbytes = entries["b"].nbytes = 2 * OTHER_BYTES
    assert cache.size == 6 * OTHER_BYTES
    cache.trim()
    assert key("a") not in cache
    assert key("b") in cache
    assert cache.size <= cache.budget
