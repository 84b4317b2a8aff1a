"""Masks of every kind become planes of LSST's names."""

import numpy as np
import pytest

from forcedsql.errors import ConfigError, FileLimitError, ReadError
from forcedsql.readers.plain.mask import MaskPlanes, read_mask

VALUES = np.array([[0, 1, 2], [5, 8, 33]])


def set_pixels(found, plane):
    return found.planes.has(plane).astype(int).tolist()


def test_what_is_not_zero_is_bad_and_the_values_are_told():
    found = read_mask(VALUES, {}, "", ())
    assert set_pixels(found, "BAD") == [[0, 1, 1], [1, 1, 1]]
    assert "values 1, 2, 5, 8, 33" in found.how


def test_mp_cards_name_the_bits():
    found = read_mask(VALUES, {"MP_SAT": 0, "MP_CR": 1, "MP_MINE": 5, "MP_X": 2, "MP_Y": 3}, "", ())
    assert set_pixels(found, "SAT") == [[0, 1, 0], [1, 0, 1]]
    assert set_pixels(found, "CR") == [[0, 0, 1], [0, 0, 0]]
    assert set_pixels(found, "MINE") == [[0, 0, 0], [0, 0, 1]]
    assert not found.planes.has("BAD").any()


def test_codes_of_bits():
    found = read_mask(VALUES, {}, "bits", ((0, "BAD"), (1, "SAT"), (2, ""), (3, "CR")))
    assert set_pixels(found, "SAT") == [[0, 0, 1], [0, 0, 0]]
    assert set_pixels(found, "CR") == [[0, 0, 0], [0, 1, 0]]
    # Bit 5 has no code: it is bad until somebody says that it is not.
    assert set_pixels(found, "BAD") == [[0, 1, 0], [1, 0, 1]]
    assert "bits without a code are BAD: 5" in found.how


def test_codes_of_values():
    found = read_mask(VALUES, {}, "values", ((1, "BAD"), (5, "CR"), (8, "SUSPECT"), (2, "")))
    assert set_pixels(found, "CR") == [[0, 0, 0], [1, 0, 0]]
    assert set_pixels(found, "SUSPECT") == [[0, 0, 0], [0, 1, 0]]
    assert set_pixels(found, "BAD") == [[0, 1, 0], [0, 0, 1]]
    assert "values without a code are BAD (values 33)" in found.how


def test_the_highest_bits_of_unsigned_masks_count():
    values = np.array([[2**31, 0, 1]], np.uint32)
    found = read_mask(values, {}, "bits", ((31, "EDGE"), (0, "BAD")))
    assert set_pixels(found, "EDGE") == [[1, 0, 0]]
    signed = np.array([[-(2**15), 1]], np.int16)
    assert set_pixels(read_mask(signed, {}, "bits", ((15, "SAT"), (0, "BAD"))), "SAT") == [[1, 0]]


def test_whole_numbers_stored_as_floats_are_a_mask_and_others_are_not():
    assert set_pixels(read_mask(VALUES.astype(np.float32), {}, "", ()), "BAD")[0] == [0, 1, 1]
    with pytest.raises(ReadError, match="whole numbers are expected"):
        read_mask(VALUES + 0.5, {}, "", ())


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("planes", ReadError, "has no MP_ cards"),
        ("bits", ConfigError, "needs mask_codes"),
        ("values", ConfigError, "needs mask_codes"),
    ],
)
def test_kinds_need_their_codes(kind, error, message):
    with pytest.raises(error, match=message):
        read_mask(VALUES, {}, kind, ())


def test_there_are_no_more_planes_than_bits():
    with pytest.raises(FileLimitError, match="mask planes: 33"):
        MaskPlanes((2, 2), tuple(f"P{n}" for n in range(24)))


def test_standard_planes_have_lssts_bits():
    assert dict(MaskPlanes((1, 1)).planes) == {
        "BAD": 0,
        "SAT": 1,
        "INTRP": 2,
        "CR": 3,
        "EDGE": 4,
        "DETECTED": 5,
        "DETECTED_NEGATIVE": 6,
        "SUSPECT": 7,
        "NO_DATA": 8,
    }


def test_a_mask_without_any_fault_says_so():
    found = read_mask(np.zeros((2, 3), np.uint8), {}, "", ())
    assert found.how == "all that is not 0 is BAD (no pixel is)"
