"""Values of header cards, read tolerantly: a card of the wrong type is as good as none."""

import math
from collections.abc import Mapping
from typing import Any

from forcedsql.errors import ReadError
from forcedsql.readers.limits import MAX_NUMBERED_CARDS

_LONGEST_NUMBER = 68
"""Characters in the value of one card; text goes on over many."""

Cards = Mapping[str, Any]
"""The cards of a FITS header: keyword to value, the first of repeated ones."""


def integer_card(cards: Cards, *names: str) -> int | None:
    """Return the first of these cards that holds a whole number, None if none does."""
    found = (parsed_whole(cards.get(name)) for name in names)
    return next((number for number in found if number is not None), None)


def number_card(cards: Cards, name: str) -> float | None:
    """Return a card's finite number, None if it holds none."""
    return parsed_number(cards.get(name))


def parsed_whole(value: Any) -> int | None:
    """Return the whole number that a value is, or is the text of; None if it is none."""
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parsed_number(value: Any) -> float | None:
    """Return the finite number that a value is, or is the text of, as in afw; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text_card(cards: Cards, *names: str) -> str:
    """Return the first of these cards that holds a string, stripped; "" if none does."""
    for name in names:
        value = cards.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def column_names(cards: Cards) -> list[str]:
    """Return the names of a table's columns by its header, in upper case, "" for those without."""
    count = min(integer_card(cards, "TFIELDS") or 0, MAX_NUMBERED_CARDS)
    return [str(cards.get(f"TTYPE{n}", "")).strip().upper() for n in range(1, count + 1)]


def component_id(cards: Cards, component: str) -> int:
    """Return the archive id of an exposure's component, 0 for none.

    Parameters
    ----------
    cards : mapping
        The exposure's metadata.
    component : str
        Name as in afw ``src/image/ExposureInfo.cc``: "PSF", "SKYWCS", "PHOTOCALIB", ...

    Raises
    ------
    ReadError
        If the card is there and holds no whole number.
    """
    for name in (f"ARCHIVE_ID_{component}", f"{component}_ID"):
        if name in cards:
            value = integer_card(cards, name)
            if value is None:
                raise ReadError(f"header card {name} is {cards[name]!r} where an archive id is expected")
            return value
    return 0
