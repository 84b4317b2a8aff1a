import numpy as np

from forcedsql.psf.grouping import groups


def test_a_batch_of_one_group_is_a_slice():
    found = list(groups(np.array([3, 3]), np.array([4, 4])))
    assert found == [((3, 4), slice(None))]


def test_every_item_is_in_the_group_of_its_labels():
    first, second = np.random.default_rng(0).integers(0, 3, (2, 50))
    seen = np.zeros(50, dtype=int)
    for (a, b), items in groups(first, second):
        assert (first[items] == a).all()
        assert (second[items] == b).all()
        seen[items] += 1
    assert (seen == 1).all()


def test_an_empty_batch_has_no_groups():
    assert list(groups(np.zeros(0, dtype=np.int64))) == []
