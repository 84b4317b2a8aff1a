"""Gzipped rows are unpacked to the same numbers and with the same errors, in C and in Python."""

import gzip
import zlib

import numpy as np
import pytest

from forcedsql.errors import ReadError
from forcedsql.native.library import KERNEL_VARIABLE
from forcedsql.readers.packed_rows import unpack_rows
from tests.native.instruction_sets import loaded

RNG = np.random.default_rng(3)
WIDTH = 70
NOISE = RNG.integers(0, 1 << 32, (40, WIDTH), dtype=np.uint32).view(np.int32)


@pytest.fixture(params=["C", "no kernel", "no libdeflate for C"])
def way(request, monkeypatch):
    """The way that is taken; the two without C are for machines where it is not possible."""
    monkeypatch.setenv(KERNEL_VARIABLE, "numpy" if request.param == "no kernel" else "")
    if request.param == "no libdeflate for C":
        monkeypatch.setattr("forcedsql.readers.packed_rows.libdeflate_functions", lambda library: None)
    if request.param == "C":
        if loaded() is None:
            pytest.skip("forcedsql was installed without its native kernel")
        monkeypatch.setattr("forcedsql.readers.packed_rows.deflate", None)
    return request.param


def stored_bytes(pixels, shuffled):
    """Rows as a tile holds them before it is packed."""
    count, width = pixels.shape
    apart = pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(count, width, -1)
    return [row.tobytes() for row in (apart.transpose(0, 2, 1) if shuffled else apart)]


def unpacked(members, pixels, columns=slice(None), *, shuffled=True):
    filled = np.zeros_like(pixels)
    unpack_rows(b"".join(members), np.array([len(m) for m in members]), filled, columns, shuffled=shuffled)
    return filled


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("columns", [slice(None), slice(20, 50), slice(30, 30)])
def test_numbers_of_every_size_come_back(way, kind, shuffled, columns):
    pixels = NOISE.view(kind)
    members = [gzip.compress(row) for row in stored_bytes(pixels, shuffled)]
    expected = np.zeros_like(pixels)
    expected[:, columns] = pixels[:, columns]
    filled = unpacked(members, pixels, columns, shuffled=shuffled)
    assert filled.tobytes() == expected.tobytes()


def test_rows_of_one_value_come_back(way):
    pixels = np.repeat(np.array([[5], [5], [-1], [1 << 20], [0]], np.int32), 6000, axis=1)
    members = [gzip.compress(row) for row in stored_bytes(pixels, True)]
    assert max(map(len, members)) < 100
    np.testing.assert_array_equal(unpacked(members, pixels), pixels)


def test_pixels_that_are_not_contiguous_are_filled_in():
    members = [gzip.compress(row) for row in stored_bytes(NOISE, True)]
    wide = np.zeros((40, 2 * WIDTH), np.int32)
    unpack_rows(
        b"".join(members), np.array([len(m) for m in members]), wide[:, ::2], slice(None), shuffled=True
    )
    np.testing.assert_array_equal(wide[:, ::2], NOISE)
    assert not wide[:, 1::2].any()


GOOD = [gzip.compress(row, mtime=0) for row in stored_bytes(NOISE[:5], True)]
ROW_BYTES = 4 * WIDTH
TRAILER = (ROW_BYTES).to_bytes(4, "little")
SHORT = gzip.compress(b"x" * 20)
LONG = gzip.compress(b"x" * (ROW_BYTES + 1))


def rotten(member, at):
    return member[:at] + bytes([member[at] ^ 0x55]) + member[at + 1 :]


DAMAGED = {
    "short": (SHORT, "a compressed tile does not hold one row of pixels"),
    "short and says otherwise": (SHORT[:-4] + TRAILER, "a compressed tile is damaged"),
    "long": (LONG, "a compressed tile does not hold one row of pixels"),
    "long and says otherwise": (LONG[:-4] + TRAILER, "a compressed tile is damaged"),
    "two members": (SHORT + GOOD[0], "compressed tiles hold 1140 bytes where 1400 are expected"),
    "no gzip": (zlib.compress(b"x" * ROW_BYTES) + TRAILER, "a compressed tile is damaged"),
    "nothing but a length": (TRAILER, "a compressed tile is damaged"),
    "cut": (GOOD[2][:150] + TRAILER, "a compressed tile is damaged"),
    "cut before its length": (GOOD[2][:-8] + TRAILER, "a compressed tile is damaged"),
    "header": (rotten(GOOD[2], 2), "a compressed tile is damaged"),
    "pixels": (rotten(GOOD[2], 100), "a compressed tile is damaged"),
    "check sum": (rotten(GOOD[2], len(GOOD[2]) - 6), "a compressed tile is damaged"),
}


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("fault", DAMAGED)
def test_a_member_that_is_not_one_row_is_refused(way, fault, place):
    member, said = DAMAGED[fault]
    members = [*GOOD[:place], member, *GOOD[place + 1 :]]
    with pytest.raises(ReadError) as raised:
        unpacked(members, NOISE[:5])
    assert str(raised.value) == said


def test_a_member_does_not_reach_into_the_next_one(way):
    """What it lacks must be in its own bytes, although C may look at those that follow."""
    whole = GOOD[1]
    lengths = np.array([len(GOOD[0]), len(whole) - 8, 8])
    ends_in_the_size = whole[:-12] + TRAILER + whole[-8:-4] + TRAILER
    for member in (whole, ends_in_the_size):
        with pytest.raises(ReadError):
            unpack_rows(GOOD[0] + member, lengths, np.zeros((3, WIDTH), np.int32), slice(None), shuffled=True)


def test_bytes_between_a_member_and_the_length_are_passed_over(way):
    members = [GOOD[0] + b"\0" * 7 + TRAILER, *GOOD[1:]]
    np.testing.assert_array_equal(unpacked(members, NOISE[:5]), NOISE[:5])


def test_members_of_any_bytes_are_judged_alike(monkeypatch):
    """Bits turned at random: the same verdict and, where there is none, the same numbers."""
    if loaded() is None:
        pytest.skip("forcedsql was installed without its native kernel")
    verdicts = {}
    for kernel in ("native", "numpy"):
        monkeypatch.setenv(KERNEL_VARIABLE, kernel)
        turned = np.random.default_rng(8)
        verdicts[kernel] = []
        for _ in range(300):
            packed = np.frombuffer(b"".join(GOOD), np.uint8).copy()
            places = turned.integers(0, len(packed), turned.integers(0, 3))
            packed[places] ^= np.uint8(1 << turned.integers(0, 8))
            lengths = np.array([len(m) for m in GOOD])
            lengths[1:3] += (shift := turned.integers(-1, 2)), -shift
            filled = np.zeros((5, WIDTH), np.int32)
            try:
                unpack_rows(packed.tobytes(), lengths, filled, slice(None), shuffled=True)
            except ReadError as fault:
                verdicts[kernel].append(str(fault))
            else:
                verdicts[kernel].append(filled.tobytes())
    assert verdicts["native"] == verdicts["numpy"]
    assert len(set(verdicts["native"])) > 2
