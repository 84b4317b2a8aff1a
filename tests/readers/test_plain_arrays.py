"""Arrays as JSON: to the bit, and refused where they are damaged."""

import json

import numpy as np
import pytest

from forcedsql.readers.plain_arrays import array_of_plain, plain_array


@pytest.mark.parametrize(
    "values", [np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2).T, np.array([True, False])]
)
def test_an_array_comes_back_to_the_bit_in_its_order(values):
    back = array_of_plain(json.loads(json.dumps(plain_array(values))), values.dtype)
    assert back.tobytes("A") == values.tobytes("A")
    assert (back.shape, back.dtype, np.isfortran(back)) == (values.shape, values.dtype, np.isfortran(values))


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [2]},
        {"shape": []},
        {"shape": [0, 3]},
        {"shape": [-3]},
        {"shape": "x"},
        {"data": "?"},
        {"data": 3},
    ],
)
def test_a_damaged_one_is_refused(change):
    with pytest.raises((ValueError, TypeError)):
        array_of_plain(plain_array(np.arange(3.0)) | change, np.float64)


def test_bytes_that_are_neither_true_nor_false_are_refused():
    with pytest.raises(ValueError, match="neither true nor false"):
        array_of_plain(plain_array(np.array([1, 2], np.uint8)), np.bool_)
