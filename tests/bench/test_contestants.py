"""Contestants do the same work on the same positions, and say when they cannot."""

import dataclasses
import os

import numpy as np
import pytest

from forcedsql.bench import contestants
from forcedsql.bench.agreement import agreement
from forcedsql.bench.catalogue import make_catalogue
from forcedsql.bench.contestants import CONTESTANTS, chosen_kernel
from forcedsql.native.library import KERNEL_VARIABLE

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def catalogue():
    return make_catalogue("gaussian", side=260, positions=40)


@pytest.fixture(scope="module")
def measured(catalogue):
    return CONTESTANTS["forcedsql numpy"].prepare(catalogue, 40)()


@pytest.mark.parametrize("name", CONTESTANTS)
def test_a_contestants_fluxes_agree_with_ours(name, catalogue, measured):
    contestant = CONTESTANTS[name]
    if contestant.why_missing():
        pytest.skip(contestant.why_missing())
    found = agreement(contestant, catalogue, measured)
    # Pixel sums differ by the order of additions; photutils draws the PSF by a cubic spline where LSST
    # shifts it by Lanczos-5, which is parts in a thousand of stars of up to 1,500 sigma.
    limit = 5.0 if name == "photutils PSF" else 1e-6
    assert found.largest < limit, str(found)


def test_a_package_that_is_not_there_is_named(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(contestants, "import_module", absent)
    assert CONTESTANTS["sep apertures"].why_missing() == "not installed: pip install sep"
    assert CONTESTANTS["forcedsql numpy"].why_missing() == ""


def test_a_kernel_that_is_not_there_is_explained(monkeypatch):
    monkeypatch.setattr("forcedsql.native.library._load", lambda: (None, "no compiler"))
    assert "no compiler" in CONTESTANTS["forcedsql native"].why_missing()


@pytest.mark.parametrize("before", [None, "numpy"])
def test_the_choice_of_a_kernel_ends_with_the_turn(monkeypatch, before):
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    if before is not None:
        monkeypatch.setenv(KERNEL_VARIABLE, before)
    with chosen_kernel("native"):
        assert os.environ[KERNEL_VARIABLE] == "native"
    assert os.environ.get(KERNEL_VARIABLE) == before


def test_a_difference_of_one_sigma_is_reported_as_that(catalogue, measured):
    class Shifted:
        @staticmethod
        def compared(_catalogue, count):
            return lambda: {"psfFlux": (measured["psfFlux"] + measured["psfFluxErr"])[:count]}

    found = agreement(Shifted, catalogue, measured)
    assert found.what == "psfFlux"
    np.testing.assert_allclose((found.median, found.largest), 1.0, rtol=1e-6)


def test_a_contestant_without_a_flux_of_ours_has_no_agreement(catalogue, measured):
    other = dataclasses.replace(CONTESTANTS["forcedsql numpy"], compared=lambda *_: dict)
    assert agreement(other, catalogue, measured) is None
