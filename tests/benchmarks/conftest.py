"""Benchmarks run only when asked for: ``pytest tests/benchmarks --benchmark``."""

import pytest


def pytest_collection_modifyitems(config, items):
    if config.getoption("--benchmark"):
        return
    for item in items:
        if "benchmark" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="measures speed; ask for it with --benchmark"))
