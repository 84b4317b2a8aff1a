"""The libdeflate of the package `deflate` is found, or C does without it."""

import sys
from importlib import import_module
from types import SimpleNamespace

import pytest

from forcedsql.native import libdeflate_functions
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")


@pytest.fixture
def anew():
    libdeflate_functions.cache_clear()
    yield
    libdeflate_functions.cache_clear()


def test_it_is_looked_for_once(anew):
    assert libdeflate_functions(loaded()) is libdeflate_functions(loaded())


@pytest.mark.parametrize(
    "module",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(__file__="/no/such/file.so"),
        import_module("forcedsql.native._library") if loaded() else None,
    ],
    ids=["no module", "no file", "not there", "without the functions"],
)
def test_a_package_that_is_built_otherwise_is_left_alone(monkeypatch, anew, module):
    monkeypatch.setitem(sys.modules, "deflate._deflate", module)
    assert libdeflate_functions(loaded()) is None
