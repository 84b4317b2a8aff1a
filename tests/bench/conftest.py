"""A small benchmark, run once for all tests."""

import warnings

import pytest

from forcedsql.bench import Options, Report, run

SMALL = Options(
    sizes=(20, 50), psfs=("gaussian", "coadd"), threads=(1, 2), rounds=2, side=220, exposures=2, sql=60
)


@pytest.fixture(scope="session")
def said() -> list[str]:
    """What the small benchmark told while it ran."""
    return []


@pytest.fixture(scope="session")
def report(said) -> Report:
    pytest.importorskip("sep")
    pytest.importorskip("photutils")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours, at their first import
        return run(SMALL, say=said.append)
