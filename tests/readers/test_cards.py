"""Values of cards, whatever their type."""

import pytest

from forcedsql.readers.cards import integer_card, number_card


@pytest.mark.parametrize(
    ("value", "integer"),
    [
        (3, 3),
        (-3, -3),
        (3.0, 3),
        (" 12 ", 12),
        (10**400, 10**400),
        (True, None),
        (3.5, None),
        (float("nan"), None),
        (float("inf"), None),
        ("9" * 5000, None),
        ("1e3", None),
        (None, None),
        ((1, 2), None),
    ],
)
def test_whole_numbers(value, integer):
    assert integer_card({"A": value}, "A") == integer


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        ("2.5", 2.5),
        (10**400, None),
        ("1e400", None),
        (float("nan"), None),
        (False, None),
        ("x", None),
        (None, None),
    ],
)
def test_numbers(value, number):
    assert number_card({"A": value}, "A") == number
