"""Pixels whose bytes are stored apart, put together in C as NumPy does it."""

import numpy as np
import pytest

from forcedsql.native import join_bytes
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")


def shuffled(pixels):
    count, width = pixels.shape
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"))
    return big_endian.view(np.uint8).reshape(count, width, 4).transpose(0, 2, 1).copy()


@pytest.mark.parametrize("width", [1, 7, 8, 33, 400])
@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_every_instruction_set_puts_the_same_numbers_together(library, width, kind):
    bits = np.random.default_rng(width).integers(0, 1 << 32, (70, width), dtype=np.uint32)
    pixels = np.zeros((70, width), kind)
    join_bytes(library, shuffled(bits.view(kind)), pixels)
    assert (pixels.view(np.uint32) == bits).all()


def test_columns_that_are_not_asked_for_stay_as_they_are(library):
    bits = np.random.default_rng(5).integers(1, 1 << 32, (30, 200), dtype=np.uint32)
    for columns in (slice(0, 1), slice(33, 178), slice(199, 200), slice(150, 150)):
        pixels = np.zeros((30, 200), np.int32)
        join_bytes(library, shuffled(bits.view(np.int32)), pixels, columns)
        expected = np.zeros_like(bits)
        expected[:, columns] = bits[:, columns]
        assert (pixels.view(np.uint32) == expected).all()


def test_bytes_of_another_number_of_pixels_are_refused(library):
    with pytest.raises(ValueError, match="shape"):
        join_bytes(library, np.zeros((2, 4, 5), np.uint8), np.zeros((2, 6), np.float32))
