"""Band, time and numbers of an exposure, from the cards of a plain image."""

import re
from datetime import UTC, datetime

from forcedsql.exposure import ExposureInfo
from forcedsql.open_options import OpenOptions
from forcedsql.readers.cards import Cards, integer_card, number_card, text_card
from forcedsql.readers.plain.flux_scale import exposure_seconds

_CARD = "card:"
_BAND_CARDS = ("BAND", "FILTER", "FILTNAM", "FILTER1", "FILTER2", "FILTERS")
_EMPTY_FILTERS = re.compile(r"(clear.*|open.*|none|n/a|)", re.IGNORECASE)
_MIDDLE_CARDS = ("MJD-AVG", "MJD-MID", "EXPMID", "MJDMID")
_START_CARDS = ("MJD-OBS", "MJD-BEG", "MJD", "OBSMJD", "EXPSTART")
_MIDDLE_DATES = ("DATE-AVG",)
_START_DATES = ("DATE-BEG", "DATE-OBS")
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d*)?)?")
_SECONDS_PER_DAY = 86400.0
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


def exposure_info(cards: Cards, options: OpenOptions) -> ExposureInfo:
    """Return what the header says of the exposure, by the options' cards or the usual ones.

    The time is that of the middle of the exposure, in TAI; a header without TIMESYS is taken to
    be in UTC, as the FITS standard has it.
    """
    physical, band = _filter(cards, options)
    seconds = exposure_seconds(cards, options)
    return ExposureInfo(
        band=band,
        physical_filter=physical,
        visit=integer_card(cards, options.visit) if options.visit else None,
        detector=integer_card(cards, options.detector) if options.detector else None,
        mjd=_middle(cards, options, seconds),
        exposure_time=seconds,
    )


def _filter(cards: Cards, options: OpenOptions) -> tuple[str, str]:
    """Return the name of the filter and of the band."""
    names: tuple[str, ...] = _BAND_CARDS
    if options.band.startswith(_CARD):
        names = (options.band.removeprefix(_CARD),)
    found = [text_card(cards, name) for name in names]
    physical = next((text for text in found if not _EMPTY_FILTERS.fullmatch(text)), "")
    if options.band and not options.band.startswith(_CARD):
        return physical, options.band
    # "z DECam SDSS c0004 9260.0 1520.0", "ZTF_r"
    return physical, re.sub(r"^(ZTF|SDSS|PS1|HSC)[-_ ]", "", physical).split(" ")[0]


def _middle(cards: Cards, options: OpenOptions, seconds: float | None) -> float | None:
    system = text_card(cards, "TIMESYS").upper() or "UTC"
    for name in (options.mjd,) if options.mjd else _MIDDLE_CARDS:
        middle = number_card(cards, name)
        if middle is not None:
            return _tai(middle, system)
    for name in () if options.mjd else _START_CARDS:
        start = number_card(cards, name)
        if start is not None:
            return _tai(start + (seconds or 0.0) / 2.0 / _SECONDS_PER_DAY, system)
    return None if options.mjd else _middle_of_dates(cards, seconds, system)


def _middle_of_dates(cards: Cards, seconds: float | None, system: str) -> float | None:
    """Return the time by cards of date and time; a date alone may be off by a day, and says nothing."""
    for names, until_middle in ((_MIDDLE_DATES, 0.0), (_START_DATES, (seconds or 0.0) / 2.0)):
        for name in names:
            start = _mjd_of_date(text_card(cards, name))
            if start is not None:
                return _tai(start + until_middle / _SECONDS_PER_DAY, system)
    return None


def _mjd_of_date(text: str) -> float | None:
    if not _DATE_AND_TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _MJD_ZERO).total_seconds() / _SECONDS_PER_DAY


def _tai(mjd: float, system: str) -> float | None:
    if not 0.0 < mjd < 200_000.0:
        return None
    if system == "TAI":
        return mjd
    from astropy.time import Time  # noqa: PLC0415 - slow to import, and often not needed

    scale = system.lower() if system in ("TT", "TDB", "UT1") else "utc"
    if scale == "ut1":
        scale = "utc"  # within a second, and without tables from the network
    return float(Time(mjd, format="mjd", scale=scale).tai.mjd)
