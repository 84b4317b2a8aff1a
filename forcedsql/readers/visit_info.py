"""When and for how long an exposure was taken, from header cards or an archive object."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from forcedsql.readers.cards import integer_card, number_card, text_card

_ISO_DATE = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d(\.\d{1,12})?)Z?"
)
_MJD_OF_UNIX_EPOCH = 40587
_MJD_OF_ORDINAL_0 = _MJD_OF_UNIX_EPOCH - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_NANOSECONDS_PER_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitInfo:
    """What is known of a visit.

    Parameters
    ----------
    visit : int or None
        Number of the visit.
    exposure_time : float or None
        Seconds.
    mjd : float or None
        Mid-exposure time, MJD (TAI).
    """

    visit: int | None = None
    exposure_time: float | None = None
    mjd: float | None = None


def visit_info_from_cards(cards: Mapping[str, Any]) -> VisitInfo:
    """Return what a header says of the visit (afw ``src/image/VisitInfo.cc``).

    A time counts only where TIMESYS is TAI, as in afw; anything unreadable is left out.
    """
    tai = text_card(cards, "TIMESYS").upper() == "TAI"
    return VisitInfo(
        visit=integer_card(cards, "IDNUM") or None,
        exposure_time=number_card(cards, "EXPTIME"),
        mjd=_mjd_of_date(text_card(cards, "DATE-AVG")) if tai else None,
    )


def mjd_of_nanoseconds(tai: int) -> float | None:
    """Return the MJD (TAI) of nanoseconds since 1970-01-01 TAI; None for afw's missing time."""
    if tai <= -(1 << 63):
        return None
    return tai / _NANOSECONDS_PER_DAY + _MJD_OF_UNIX_EPOCH


def _mjd_of_date(text: str) -> float | None:
    match = _ISO_DATE.fullmatch(text)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match["day"]).toordinal() + _MJD_OF_ORDINAL_0
    except ValueError:
        return None
    seconds = 3600 * int(match["hour"]) + 60 * int(match["minute"]) + float(match["second"])
    return day + seconds / 86400.0
