"""Gzipped rows of pixels, unpacked in C by the libdeflate of the package `deflate`."""

import gzip

import numpy as np
import pytest

from forcedsql.native import libdeflate_functions
from forcedsql.native.packed_rows import unpack_rows
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")


@pytest.fixture
def libdeflate(library):
    found = libdeflate_functions(library)
    if found is None:
        pytest.skip("this build of the package deflate does not show libdeflate's functions")
    return found


def shuffled(pixels):
    count, width = pixels.shape
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"))
    return big_endian.view(np.uint8).reshape(count, width, -1).transpose(0, 2, 1)


def packed(pixels):
    """The gzipped rows in one, and where each ends."""
    members = [gzip.compress(row.tobytes()) for row in shuffled(pixels)]
    return b"".join(members), np.cumsum([len(member) for member in members])


@pytest.mark.parametrize("width", [1, 7, 8, 33, 400])
@pytest.mark.parametrize("kind", [np.int16, np.float32, np.int32, np.float64])
def test_every_instruction_set_puts_the_same_numbers_together(library, libdeflate, threads, width, kind):
    threads(3)
    bits = np.random.default_rng(width).integers(0, 256, (70, width * np.dtype(kind).itemsize), np.uint8)
    pixels = np.zeros((70, width), kind)
    held = unpack_rows(library, libdeflate, *packed(bits.view(kind)), pixels, shuffled=True)
    assert pixels.tobytes() == bits.tobytes()
    assert (held == bits.shape[1]).all()


def test_columns_that_are_not_asked_for_stay_as_they_are(library, libdeflate):
    bits = np.random.default_rng(5).integers(1, 1 << 31, (30, 200)).astype(np.int32)
    for columns in (slice(0, 1), slice(33, 178), slice(199, 200), slice(150, 150)):
        pixels = np.zeros((30, 200), np.int32)
        unpack_rows(library, libdeflate, *packed(bits), pixels, columns, shuffled=True)
        expected = np.zeros_like(bits)
        expected[:, columns] = bits[:, columns]
        assert (pixels == expected).all()


def test_members_of_other_sizes_are_told_and_leave_their_rows_alone(library, libdeflate):
    members = [gzip.compress(b"\1" * size) for size in (20, 12, 20, 21, 0)]
    members[2] = members[2][:12] + b"\xff" + members[2][13:]
    ends = np.cumsum([len(member) for member in members])
    pixels = np.zeros((5, 5), np.int32)
    held = unpack_rows(library, libdeflate, b"".join(members), ends, pixels, shuffled=True)
    assert held.tolist() == [20, 12, -1, -1, 0]
    assert (pixels[0] == 0x01010101).all()
    assert not pixels[1:].any()


def test_no_rows_are_no_work(library, libdeflate):
    held = unpack_rows(
        library, libdeflate, b"", np.zeros(0, np.int64), np.zeros((0, 4), np.int32), shuffled=True
    )
    assert held.shape == (0,)


def test_what_does_not_fit_does_not_reach_c(library, libdeflate):
    data, ends = packed(np.zeros((3, 4), np.int32))
    pixels = np.zeros((3, 4), np.int32)
    for wrong in (ends + 1, ends[::-1], ends - ends[0] - 1):
        with pytest.raises(ValueError, match="do not end in order"):
            unpack_rows(library, libdeflate, data, wrong, pixels, shuffled=True)
    with pytest.raises(ValueError, match="steps of 2"):
        unpack_rows(library, libdeflate, data, ends, pixels, slice(0, 4, 2), shuffled=True)
    with pytest.raises(ValueError, match="shape"):
        unpack_rows(library, libdeflate, data, ends, np.zeros((4, 4), np.int32), shuffled=True)
    with pytest.raises(ValueError, match="contiguous"):
        unpack_rows(library, libdeflate, data, ends, np.zeros((4, 3), np.int32).T, shuffled=True)


def test_without_memory_for_a_decompressor_nothing_is_unpacked(library, libdeflate):
    ffi = library.ffi
    full = ffi.new("forcedsql_libdeflate *", libdeflate[0])
    nothing = ffi.callback("void *(void)", lambda: ffi.NULL)
    full.alloc_decompressor = nothing
    with pytest.raises(MemoryError, match="unpack_rows: no memory left"):
        unpack_rows(
            library, full, *packed(np.ones((3, 4), np.int32)), np.zeros((3, 4), np.int32), shuffled=True
        )
