"""Files with something changed: each gives an exposure or a ReadError, and nothing else."""

import copy
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.errors import ForcedSQLError, ReadError
from forcedsql.readers import open_exposure
from tests.readers.lsst_images.small_files import small_file
from tests.readers.lsst_images_file import with_tree

JUNK = [None, True, -1, 0, 3, 2**70, 1e308, float("nan"), "", "x", "fits:IMAGE", "fits:NONE[7]"]
JUNK += [[], [[1], [2, 3]], {}, {"data": ["a"]}, [None] * 3]


def places(value, way=()):
    """Ways to every value of a tree."""
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*way, key))


def with_junk(tree, rng):
    """A tree in which one value is another, or missing."""
    changed = copy.deepcopy(tree)
    ways = [way for way in places(changed) if way]
    *way, last = ways[rng.integers(len(ways))]
    parent = changed
    for key in way:
        parent = parent[key]
    if rng.uniform() < 0.2:
        del parent[last]
    else:
        parent[last] = JUNK[rng.integers(len(JUNK))]
    return changed


def open_and_measure(path):
    """Tell whether the file opens; of errors, only one line of this package's may come out."""
    exposure = fault_of(open_exposure, path, allowed=ReadError)
    if isinstance(exposure, ReadError):
        assert str(exposure).startswith(f"{path}: ")
        return False
    positions = pa.table({"id": [1, 2, 3], "ra": [55.0, 55.01, 55.005], "dec": [-30.0, -30.01, -30.0]})
    measure = partial(forcedsql.measure, config=MeasurementConfig(radii=(3.0,)))
    fault_of(measure, exposure, positions, allowed=ForcedSQLError)
    return True


def fault_of(function, *arguments, allowed):
    """What a function returns, or the fault of an allowed kind that it raises."""
    try:
        return function(*arguments)
    except allowed as fault:
        if "\n" in str(fault):
            raise
        return fault


@pytest.mark.parametrize("which", ["coadd", "visit"])
def test_trees_with_one_value_changed_give_an_exposure_or_a_read_error(tmp_path, which):
    rng, path, file = np.random.default_rng(2026), tmp_path / "mutated.fits", small_file(which)
    content = file.write(path).read_bytes()
    opened = 0
    for _ in range(100):
        path.write_bytes(with_tree(content, with_junk(file.tree, rng)))
        opened += open_and_measure(path)
    # Most of a tree is not needed, or has a value that is as good.
    assert 0 < opened < 100


@pytest.mark.parametrize("which", ["coadd", "visit"])
def test_files_with_some_bytes_changed_give_an_exposure_or_a_read_error(tmp_path, which):
    rng = np.random.default_rng(2027)
    content = np.frombuffer(small_file(which).write(tmp_path / "whole.fits").read_bytes(), np.uint8)
    opened = 0
    for _ in range(60):
        mutated = content.copy()
        at = rng.integers(mutated.size, size=rng.integers(1, 30))
        mutated[at] = rng.integers(256, size=at.size)
        path = tmp_path / "mutated.fits"
        path.write_bytes(mutated[: rng.integers(1, mutated.size)] if rng.uniform() < 0.1 else mutated)
        opened += open_and_measure(path)
    assert opened < 60


def test_a_whole_file_of_either_kind_opens(tmp_path):
    for which in ("coadd", "visit"):
        assert open_and_measure(small_file(which).write(tmp_path / f"{which}.fits"))
