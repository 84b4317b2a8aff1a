"""Hashes of rows: of what they depend, and of what not."""

import numpy as np
import pyarrow as pa

from forcedsql.runs.row_digests import row_digests

ROWS = {"id": pa.array([1, 2, 3]), "ra": pa.array([1.0, 2.0, np.nan]), "dec": pa.array([1.0, 2.0, 3.0])}

KNOWN = [0x9415B98256A52A31, 0xA04636B4F992D9FD, 0x6E9B090375A3E4B1]


def test_equal_rows_have_equal_digests_wherever_they_are():
    again = {name: column.take(pa.array([2, 0, 1, 0])) for name, column in ROWS.items()}
    first, second = row_digests(ROWS), row_digests(again)
    assert second.tolist() == first[[2, 0, 1, 0]].tolist()


def test_one_bit_of_any_value_changes_the_digest():
    for name, column in ROWS.items():
        values = column.to_numpy().copy()
        values[0] = values[0] + 1 if name == "id" else np.nextafter(values[0], 2.0)
        changed = row_digests(ROWS | {name: pa.array(values)})
        assert (changed != row_digests(ROWS)).tolist() == [True, False, False]


def test_values_do_not_change_places_unseen():
    swapped = {"id": ROWS["id"], "ra": ROWS["dec"], "dec": ROWS["ra"]}
    assert row_digests(ROWS)[2] != row_digests(swapped)[2]
    assert row_digests(ROWS | {"ra": pa.array([2.0, 1.0, 0.0])})[0] != row_digests(ROWS)[0]


def test_what_is_missing_leaves_nothing_behind():
    nothing = pa.nulls(3, pa.float64())
    assert row_digests(ROWS | {"pm_ra": nothing}).tolist() == row_digests(ROWS).tolist()
    some = row_digests(ROWS | {"pm_ra": pa.array([0.0, None, None])})
    assert (some != row_digests(ROWS)).tolist() == [True, False, False]


def test_every_nan_and_every_zero_is_the_same():
    nans = np.array([0x7FF8000000000000, 0xFFF8000000000001], np.uint64).view(np.float64)
    assert len(set(row_digests({"ra": pa.array(nans)}).tolist())) == 1
    assert len(set(row_digests({"ra": pa.array([0.0, -0.0])}).tolist())) == 1


def test_the_digests_are_those_of_every_version():
    # A run after an update must not take all positions for changed ones.
    assert row_digests(ROWS).tolist() == KNOWN


def test_random_rows_rarely_share_a_digest():
    values = np.random.default_rng(1).uniform(0, 360, (2, 100_000))
    digests = row_digests({"ra": pa.array(values[0]), "dec": pa.array(values[1])})
    assert len(np.unique(digests)) == 100_000
    # Each of the 64 bits is set in half of the rows, to five standard deviations.
    shares = [np.mean(digests >> np.uint64(bit) & np.uint64(1)) for bit in range(64)]
    np.testing.assert_allclose(shares, 0.5, atol=5 * 0.5 / np.sqrt(100_000))
