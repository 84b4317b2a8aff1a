"""Chunks of Arrow columns to arrays and back."""

import numpy as np
import pyarrow as pa

from forcedsql.database.chunks import (
    MeasuredChunk,
    Structs,
    floats,
    groups_by_id,
    image_lists,
    in_rows,
)
from forcedsql.database.images import ImageStack


def grouped(ids):
    return {name: rows.tolist() for name, rows in groups_by_id(pa.chunked_array([ids], pa.string()))}


def test_null_becomes_nan():
    np.testing.assert_array_equal(
        floats(pa.chunked_array([[1.0, None, float("nan")]])), [1.0, np.nan, np.nan]
    )


def test_rows_are_grouped_by_id_in_order():
    assert grouped(["b", "a", "b", None, "a"]) == {"b": [0, 2], "a": [1, 4]}


def test_one_id_is_one_group():
    assert grouped(["a"] * 4) == {"a": [0, 1, 2, 3]}


def test_rows_without_an_id_are_in_no_group():
    assert grouped([None, None]) == {}
    assert grouped([]) == {}


def test_several_arrow_chunks_are_one():
    column = pa.chunked_array([["a", "b"], ["b"]])
    assert [(name, rows.tolist()) for name, rows in groups_by_id(column)] == [("a", [0]), ("b", [1, 2])]


def test_structs_have_the_names_and_types_of_their_fields():
    structs = Structs.of([("place", "x", pa.float64()), ("f", "flag", pa.bool_())])
    array = structs.array({"flag": np.array([True, False]), "x": np.array([1.0, 2.0]), "y": np.zeros(2)})
    assert array.to_pylist() == [{"place": 1.0, "f": True}, {"place": 2.0, "f": False}]
    assert array.type == structs.type == pa.struct([("place", pa.float64()), ("f", pa.bool_())])


def test_values_come_to_the_rows_that_they_are_for_and_others_are_null():
    parts = [(np.array([4, 0]), pa.array([1, 2])), (np.array([3]), pa.array([3]))]
    assert in_rows(5, parts, pa.int64()).to_pylist() == [2, None, None, 3, 1]
    assert in_rows(2, [], pa.int64()).to_pylist() == [None, None]
    assert in_rows(2, [(np.array([0, 1]), pa.array([5, 6]))], pa.int64()).to_pylist() == [5, 6]


def test_images_of_different_sizes_are_cut_out_of_their_block():
    values = np.arange(12.0).reshape(2, 2, 3)
    stack = ImageStack(values, np.array([1, 2]), np.array([3, 1]))
    assert image_lists(3, [(np.array([2, 0]), stack)]).to_pylist() == [
        [[6.0], [9.0]],
        None,
        [[0.0, 1.0, 2.0]],
    ]


def test_an_image_of_no_height_is_null():
    stack = ImageStack(np.zeros((1, 1, 1)), np.array([0]), np.array([0]))
    assert image_lists(1, [(np.array([0]), stack)]).to_pylist() == [None]


class TestMeasuredChunk:
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, 100), rng.uniform(-90, 90, 100)
    ra[7] = np.nan
    chunk = MeasuredChunk(ra, dec, {})

    def test_a_subset_is_found(self):
        wanted = np.array([3, 7, 50, 50, 99])
        np.testing.assert_array_equal(self.chunk.rows_of(self.ra[wanted], self.dec[wanted]), wanted)

    def test_one_new_position_makes_it_another_chunk(self):
        assert self.chunk.rows_of(np.append(self.ra[:5], 1.0), np.append(self.dec[:5], 1.0)) is None

    def test_ra_and_dec_swapped_are_another_position(self):
        assert self.chunk.rows_of(self.dec[:3], self.ra[:3]) is None

    def test_no_rows_match_nothing(self):
        assert self.chunk.rows_of(np.empty(0), np.empty(0)) is None
