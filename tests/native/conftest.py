"""The compiled library, and every instruction set of this machine in turn."""

import pytest

from forcedsql.native import limit_threads
from tests.native.instruction_sets import available, loaded


@pytest.fixture(params=available())
def library(request):
    compiled = loaded()
    if compiled is None:
        pytest.skip("forcedsql was installed without its native kernel")
    default = compiled.instruction_set
    compiled.lib.forcedsql_use_instruction_set(request.param.encode())
    yield compiled
    compiled.lib.forcedsql_use_instruction_set(default.encode())


@pytest.fixture
def threads():
    """Set the thread limit during a test."""
    yield limit_threads
    limit_threads(None)
