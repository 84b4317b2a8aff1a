"""From the unit of an image to nJy: what its header says, and a zero point."""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units

from forcedsql.errors import ConfigError, ReadError
from forcedsql.open_options import OpenOptions
from forcedsql.readers.cards import Cards, number_card
from forcedsql.readers.decoders.calibration import AB_ZERO_POINT_NJY
from forcedsql.wcs import SkyWcs

_NANOMAGGY_NJY = 1e-9 * AB_ZERO_POINT_NJY
_JANSKY_PER_CGS = 1e23
_SPEED_OF_LIGHT = 2.99792458e18
"""Angstrom per second."""

_COUNTS = {"adu", "dn", "count", "counts", "ct", "cts", "dns", "adus"}
_ELECTRONS = {"electron", "electrons", "e", "e-", "photoelectron", "photoelectrons", "photons", "photon"}
_NANOMAGGIES = {"nanomaggy", "nanomaggies", "nmgy", "nanomaggie"}
_PER_SECOND = re.compile(r"(?P<unit>.*?)\s*(?:/\s*(?:s|sec|second)|\s(?:s|sec)(?:\*\*-1|\^-1|-1))$")

_PER_PIXEL = re.compile(r"\s*/\s*(pix|pixel)$", re.IGNORECASE)

# Cards that hold the AB magnitude of one unit; the last that of one unit per second.
_ZERO_POINT_CARDS = ("MAGZERO", "MAGZP", "MAG_ZP", "ZEROPOINT", "ZEROPNT", "PHOTZP", "MAGZPT/s")


@dataclass(frozen=True, slots=True)
class PixelUnit:
    """The unit of the pixels.

    Parameters
    ----------
    name : str
        As astropy spells it, "" where it is not known.
    njy : float or None
        nJy per unit, of flux densities; of surface brightnesses nJy per steradian and unit.
    per_steradian : bool
    electrons : float or None
        Photoelectrons per unit, if that is what is counted.
    per_second : bool
        Whether counts are per second.
    """

    name: str
    njy: float | None = None
    per_steradian: bool = False
    electrons: float | None = None
    per_second: bool = False


@dataclass(frozen=True, slots=True)
class FluxScale:
    """How pixels become nJy.

    Parameters
    ----------
    factor : float or None
        nJy per unit of the image; None where that is not known.
    how : str
        In words.
    """

    factor: float | None
    how: str


def pixel_unit(text: str) -> PixelUnit:
    """Return what the text of a BUNIT card means."""
    plain = " ".join(text.replace("µ", "u").replace("μ", "u").split())
    plain = _PER_PIXEL.sub("", plain)
    lower = plain.lower()
    rate = _PER_SECOND.fullmatch(lower)
    base = rate["unit"] if rate else lower
    if base in _COUNTS:
        name = "adu" if base in ("adu", "adus", "dn", "dns") else "ct"
        return PixelUnit(f"{name} / s" if rate else name, per_second=bool(rate))
    if base in _ELECTRONS:
        return PixelUnit("electron / s" if rate else "electron", electrons=1.0, per_second=bool(rate))
    if base in _NANOMAGGIES:
        return PixelUnit("nmgy", njy=_NANOMAGGY_NJY)
    parsed = _parse(plain)
    if parsed is None:
        return PixelUnit(plain)
    for target, solid in ((units.nJy, False), (units.nJy / units.sr, True)):
        try:
            return PixelUnit(parsed.to_string(), njy=float(parsed.to(target)), per_steradian=solid)
        except units.UnitConversionError:
            continue
    return PixelUnit(parsed.to_string())


def flux_scale(
    unit: PixelUnit, cards: Cards, options: OpenOptions, exposure_time: float | None, pixel_area: float | None
) -> FluxScale:
    """Return the factor to nJy: a zero point that is given, the unit, or what the header has.

    Parameters
    ----------
    unit : PixelUnit
    cards : mapping
        The image's header, with the primary one behind it.
    options : OpenOptions
    exposure_time : float or None
        Seconds, positive.
    pixel_area : float or None
        Steradian, from the sky projection.

    Raises
    ------
    ConfigError
        If the zero point is no magnitude.
    ReadError
        If it is a card that is not there.
    """
    if options.zeropoint != "":
        return _given(options.zeropoint, cards, exposure_time)
    if unit.njy is not None:
        return _of_unit(unit, cards, pixel_area)
    for find in (_of_hst, _of_sdss):
        found = find(cards)
        if found is not None:
            return found
    for name in _ZERO_POINT_CARDS:
        if number_card(cards, name.removesuffix("/s")) is not None:
            if name.endswith("/s") and exposure_time is None and not unit.per_second:
                continue
            return _of_card(name, cards, None if unit.per_second else exposure_time)
    photmjsr = number_card(cards, "PHOTMJSR")
    area = _pixel_area(cards, pixel_area)
    if photmjsr is not None and photmjsr > 0 and area is not None and unit.per_second:
        return FluxScale(photmjsr * 1e15 * area[0], f"PHOTMJSR {photmjsr:g} MJy/sr per unit, {area[1]}")
    return FluxScale(None, "none found: fluxes stay in the unit of the image; give zeropoint (AB)")


def _parse(text: str) -> Any:
    if not text:
        return None
    spellings = (text, text.replace("jy", "Jy").replace("JY", "Jy"), text.replace("microJy", "uJy"))
    for spelling in spellings:
        for form in ("fits", "generic", "cds"):
            parsed = units.Unit(spelling, format=form, parse_strict="silent")
            if not isinstance(parsed, units.UnrecognizedUnit):
                return parsed
    return None


def _given(zeropoint: float | str, cards: Cards, exposure_time: float | None) -> FluxScale:
    if isinstance(zeropoint, str):
        return _of_card(zeropoint, cards, exposure_time)
    return FluxScale(_njy_of_magnitude(zeropoint), f"{zeropoint:g} (AB)")


def _of_card(name: str, cards: Cards, exposure_time: float | None) -> FluxScale:
    keyword, per_second = name.removesuffix("/s"), name.endswith("/s")
    value = number_card(cards, keyword)
    if value is None:
        raise ReadError(f"zeropoint: the header has no number {keyword}")
    how = f"{keyword} {value:g} (AB)"
    if not per_second or exposure_time is None:
        return FluxScale(_njy_of_magnitude(value), how + (" of one unit per second" if per_second else ""))
    factor = _njy_of_magnitude(value) / exposure_time
    return FluxScale(factor, f"{how} of one unit per second, {exposure_time:g} s")


def _njy_of_magnitude(zeropoint: float) -> float:
    if not math.isfinite(zeropoint) or not abs(zeropoint) < 100:
        raise ConfigError(f"zeropoint: {zeropoint} is no magnitude")
    return float(AB_ZERO_POINT_NJY * 10.0 ** (-0.4 * zeropoint))


def _of_unit(unit: PixelUnit, cards: Cards, pixel_area: float | None) -> FluxScale:
    if unit.njy is None or not unit.per_steradian:
        return FluxScale(unit.njy, f"the unit of the image, {unit.name}")
    area = _pixel_area(cards, pixel_area)
    if area is None:
        return FluxScale(None, f"{unit.name} needs the area of a pixel: PIXAR_SR or a sky projection")
    return FluxScale(unit.njy * area[0], f"the unit of the image, {unit.name}, and {area[1]}")


def _pixel_area(cards: Cards, pixel_area: float | None) -> tuple[float, str] | None:
    card = number_card(cards, "PIXAR_SR")
    if card is not None and card > 0:
        return card, f"PIXAR_SR {card:.6g} sr"
    if pixel_area is not None and pixel_area > 0:
        return pixel_area, f"{pixel_area:.6g} sr per pixel at the image's centre"
    return None


def _of_hst(cards: Cards) -> FluxScale | None:
    """PHOTFNU in Jy, or PHOTFLAM in erg/s/cm2/Angstrom at the pivot wavelength PHOTPLAM."""
    flam, pivot = number_card(cards, "PHOTFLAM"), number_card(cards, "PHOTPLAM")
    if flam is not None and pivot is not None and flam > 0 and pivot > 0:
        factor = flam * pivot**2 / _SPEED_OF_LIGHT * _JANSKY_PER_CGS * 1e9
        return FluxScale(factor, f"PHOTFLAM {flam:.6g} at PHOTPLAM {pivot:g} Angstrom")
    fnu = number_card(cards, "PHOTFNU")
    if fnu is not None and fnu > 0:
        return FluxScale(fnu * 1e9, f"PHOTFNU {fnu:.6g} Jy")
    return None


def _of_sdss(cards: Cards) -> FluxScale | None:
    """FLUX20: counts of magnitude 20 (SDSS fpC)."""
    flux = number_card(cards, "FLUX20")
    if flux is None or not flux > 0:
        return None
    return FluxScale(AB_ZERO_POINT_NJY * 1e-8 / flux, f"FLUX20 {flux:g} counts of magnitude 20")


def pixel_area_at(wcs: SkyWcs | None, x: float, y: float) -> float | None:
    """Return the solid angle of the pixel at a parent position, steradian; None without a projection."""
    if wcs is None:
        return None
    ra, dec = wcs.pixel_to_sky(np.array([x - 0.5, x + 0.5, x, x]), np.array([y, y, y - 0.5, y + 0.5]))
    ra, dec = np.radians(ra), np.radians(dec)
    at = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    area = float(np.linalg.norm(np.cross(at[1] - at[0], at[3] - at[2])))
    return area if math.isfinite(area) and area > 0 else None


def exposure_seconds(cards: Cards, options: OpenOptions) -> float | None:
    """Return the exposure time that the header has."""
    names = (
        (options.exposure_time,) if options.exposure_time else ("EXPTIME", "XPOSURE", "EFFEXPTM", "EXPOSURE")
    )
    for name in names:
        value = number_card(cards, name)
        if value is not None and value > 0:
            return value
    return None


def number_option(value: float | str, cards: Cards, name: str) -> float | None:
    """Return an option's number, or that of the card which it names; None where not given.

    Raises
    ------
    ReadError
        If there is no such card, or it holds no number.
    """
    if value == "" or isinstance(value, float):
        return None if value == "" else float(value)
    found = number_card(cards, str(value))
    if found is None:
        raise ReadError(f"{name}: {value!r} is neither a number nor a card of the header that holds one")
    return found


def electrons_per_unit(unit: PixelUnit, cards: Cards, options: OpenOptions) -> float | None:
    """Return the photoelectrons per unit of the image; None where that is not known.

    The header's GAIN counts for images in counts, or counts per second with the exposure time.
    """
    given = number_option(options.gain, cards, "gain")
    if given is not None:
        if not given > 0:
            raise ConfigError(f"gain: {given} is not positive")
        return given
    seconds = exposure_seconds(cards, options) if unit.per_second else 1.0
    if unit.electrons is not None and seconds is not None:
        return unit.electrons * seconds
    gain = number_card(cards, "GAIN")
    if (
        unit.name.partition(" ")[0] not in ("", "adu", "ct")
        or gain is None
        or not gain > 0
        or seconds is None
    ):
        return None
    return gain * seconds
