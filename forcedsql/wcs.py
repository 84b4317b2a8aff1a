"""Sky projections: parent pixels to ICRS degrees and back."""

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.ast.frame_set import pixel_to_sky_text
from forcedsql.ast.library import AstMapping
from forcedsql.errors import FileLimitError, ReadError

# Numbers beyond these are no position, and projections lose all meaning there.
_LARGEST_RA = 1e6
_LARGEST_PIXEL = 1e12

# A pixel that does not map back to within this of where it came from is a false root of the
# inverse (far side of the sky, polynomial outside its range).  Fitted inverses are a thousand
# times better than this wherever an image is.
_LARGEST_MISMATCH = np.radians(1.0 / 3600.0)

# Highest order of the SIP convention (Shupe et al. 2005, ASP Conf. 347, 491).
_MAX_SIP_ORDER = 9
_MAX_ITERATIONS = 50
_ITERATION_TOLERANCE = 1e-9

_WCS_CARD = re.compile(
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)[12]|(CD|PC)[12]_[12]|PV[12]_\d{1,3}"
    r"|(A|B|AP|BP)_(ORDER|\d_\d)|RADESYS|RADECSYS|EQUINOX|LONPOLE|LATPOLE"
)
_TEXT_CARDS = ("CTYPE", "CUNIT", "RADESYS", "RADECSYS")
_SIP_CARD = re.compile(r"(A|B|AP|BP)_(ORDER|\d_\d)")
_TABLE_DISTORTION = re.compile(r"(CPDIS|CQDIS|D2IMDIS)[12]")


class SkyWcs(Protocol):
    """A map between parent pixel coordinates and ICRS sky coordinates.

    Implementations may be called from several threads.
    """

    def sky_to_pixel(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return parent pixel positions of sky positions.

        Parameters
        ----------
        ra, dec : ndarray, (n,) float64, degree
            ICRS; any value, NaN and infinity included.

        Returns
        -------
        x, y : ndarray, (n,) float64, pixel
            NaN where the projection is undefined.
        """
        ...

    def pixel_to_sky(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS (ra in [0, 360), dec) in degrees of parent pixel positions; NaN where undefined."""
        ...


class _Projection(ABC):
    """What projections have in common: which positions they are asked for, and which answers count."""

    def sky_to_pixel(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return parent pixel positions; see `SkyWcs.sky_to_pixel`."""
        x, y = _apply(self._invert, _is_sky(ra, dec), ra, dec)
        return _without_false_roots(self, ra, dec, x, y)

    def pixel_to_sky(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS degrees; see `SkyWcs.pixel_to_sky`."""
        ra, dec = _apply(self._project, _is_pixel(x, y), x, y)
        return _wrapped(ra), dec

    @abstractmethod
    def _invert(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return parent pixels, (2, n), of sky positions in range; NaN or a false root for none."""

    @abstractmethod
    def _project(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return ICRS degrees, (2, n), of pixels in range; right ascensions may be negative."""


class AstWcs(_Projection):
    """The projection that an AST FrameSet describes, as LSST writes it.

    The base frame is parent pixels and the current frame the sky in ICRS (afw
    ``src/geom/SkyWcs.cc``).  What AST gets to see is checked first: `forcedsql.ast.frame_set`.

    Parameters
    ----------
    text : str
        AST dump of a FrameSet (Starlink User Note 211); what precedes ``Begin`` is ignored.

    Raises
    ------
    ReadError
        If the text is damaged, or no invertible map of two pixel axes to ICRS.
    FileLimitError
        If it asks for more than a projection needs.
    UnsupportedError
        If it uses an AST class that forcedsql does not know.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._mapping = AstMapping(pixel_to_sky_text(text), what="sky projection")

    def __repr__(self) -> str:
        return f"AstWcs(<{len(self.text)} characters of AST text>)"

    def __reduce__(self) -> tuple[type["AstWcs"], tuple[str]]:
        return type(self), (self.text,)

    def _invert(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        return self._mapping.inverse(np.radians([np.mod(ra, 360.0), dec]))

    def _project(self, x: FloatArray, y: FloatArray) -> FloatArray:
        return np.degrees(self._mapping.forward(np.array([x, y])))


class FitsWcs(_Projection):
    """The projection that FITS header cards describe, SIP and TPV distortions included.

    Parameters
    ----------
    cards : mapping of str to value, or astropy.wcs.WCS
        A FITS header, of which the celestial cards of axes 1 and 2 are used, or a ready
        two-dimensional WCS.
    xy0 : (int, int)
        Parent coordinates of the header's first pixel (FITS pixel 1, 1).

    Raises
    ------
    ReadError
        If the cards are no celestial projection, or one that cannot be used.
    FileLimitError
        If a distortion polynomial has more than the SIP convention's orders.

    Notes
    -----
    Celestial systems other than ICRS (FK5, FK4, galactic) are converted by astropy.  As in
    LSST, SIP coefficients count only where CTYPE ends in ``-SIP``.
    """

    def __init__(self, cards: Any, xy0: tuple[int, int] = (0, 0)) -> None:
        wcs_class = import_module("astropy.wcs").WCS
        self.wcs = cards if isinstance(cards, wcs_class) else _wcs_from_cards(cards)
        self.xy0 = xy0
        self._lock = threading.Lock()  # wcslib's structures are not safe to share
        self._frame = _other_frame(self.wcs)

    def _invert(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        lon, lat = np.mod(ra, 360.0), dec
        if self._frame is not None:
            lon, lat = _convert(lon, lat, "icrs", self._frame)
        world = np.empty((lon.size, 2))
        world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat] = lon, lat
        with self._lock:
            pixels = self._undistorted(self.wcs.wcs_world2pix(world, 0))
        parent: FloatArray = pixels.T + np.array(self.xy0, dtype=np.float64)[:, None]
        return parent

    def _project(self, x: FloatArray, y: FloatArray) -> FloatArray:
        local = np.column_stack([x - self.xy0[0], y - self.xy0[1]])
        with self._lock:
            world = self.wcs.all_pix2world(local, 0)
        lon, lat = world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat]
        if self._frame is not None:
            lon, lat = _convert(lon, lat, self._frame, "icrs")
        return np.array([lon, lat])

    def _undistorted(self, focal: FloatArray) -> FloatArray:
        """Return the pixels that the distortion moves to `focal`, (n, 2); NaN where none is found.

        astropy's ``all_world2pix`` is not used: it stops the whole call where one position
        diverges.
        """
        if not self.wcs.has_distortion:
            return focal
        pixels = focal.copy()
        active: BoolArray = np.asarray(np.isfinite(focal).all(axis=1))
        with np.errstate(all="ignore"):
            for _ in range(_MAX_ITERATIONS):
                if not active.any():
                    break
                step = self.wcs.pix2foc(pixels[active], 0) - focal[active]
                pixels[active] -= step
                active[active] = ~(np.abs(step).max(axis=1) <= _ITERATION_TOLERANCE)
        pixels[active] = np.nan
        return pixels


def has_sky_cards(header: Mapping[str, Any]) -> bool:
    """Tell whether a FITS header describes a celestial projection on axes 1 and 2."""
    names = {str(header.get(f"CTYPE{axis}", ""))[:4].rstrip("-")[-3:] for axis in (1, 2)}
    return names in ({"RA", "DEC"}, {"LON", "LAT"})


def _wcs_from_cards(header: Mapping[str, Any]) -> Any:
    cards = _projection_cards(header)
    try:
        fits_header = import_module("astropy.io.fits").Header(cards)
        # Without fixes, astropy has nothing to warn about; what they would mend is dropped before.
        wcs = import_module("astropy.wcs").WCS(fits_header, naxis=2, fix=False)
        wcs.wcs.set()
    except (ValueError, TypeError, KeyError, AttributeError, MemoryError) as fault:
        raise ReadError(f"the header's WCS cannot be used: {' '.join(str(fault).split())}") from fault
    return wcs


def _projection_cards(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cards of the celestial projection, checked and in today's spelling."""
    if any(_TABLE_DISTORTION.fullmatch(key) for key in header):
        raise ReadError("the header's WCS has look-up table distortions, which forcedsql cannot read")
    if not has_sky_cards(header):
        types = [header.get(f"CTYPE{axis}") for axis in (1, 2)]
        raise ReadError(f"the header has no celestial WCS: CTYPE1, CTYPE2 are {types}")
    has_sip = str(header["CTYPE1"]).rstrip().endswith("-SIP")
    cards = {}
    for key in header:
        if not _WCS_CARD.fullmatch(key) or (_SIP_CARD.fullmatch(key) and not has_sip):
            continue
        if not _says_degrees(key, header[key]):
            cards[key] = header[key] if key.startswith(_TEXT_CARDS) else _number(key, header[key])
    if "RADECSYS" in cards:
        cards.setdefault("RADESYS", cards.pop("RADECSYS"))
    for key in ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"):
        if not 0 <= cards.get(key, 0) <= _MAX_SIP_ORDER:
            raise FileLimitError(f"{key} is {cards[key]}; forcedsql reads at most {_MAX_SIP_ORDER}")
    return cards


def _number(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as fault:
        raise ReadError(
            f"the header's WCS cannot be used: {key} is {value!r} where a number is expected"
        ) from fault
    return int(number) if number.is_integer() and abs(number) <= 1e9 else number


def _says_degrees(key: str, value: Any) -> bool:
    return key.startswith("CUNIT") and str(value).strip().lower() in {"", "deg", "degree", "degrees"}


def _other_frame(wcs: Any) -> Any:
    """Return astropy's celestial frame of the projection, None for ICRS."""
    try:
        frame = import_module("astropy.wcs.utils").wcs_to_celestial_frame(wcs)
    except ValueError as fault:
        raise ReadError(f"the header's WCS is in no known celestial system: {fault}") from fault
    return None if frame.name == "icrs" else frame


def _convert(lon: FloatArray, lat: FloatArray, source: Any, target: Any) -> tuple[FloatArray, FloatArray]:
    defined = np.isfinite(lon) & np.isfinite(lat)
    sky = import_module("astropy.coordinates").SkyCoord(
        np.where(defined, lon, 0.0), np.where(defined, lat, 0.0), unit="deg", frame=source
    )
    converted = sky.transform_to(target).spherical
    return np.where(defined, converted.lon.deg, np.nan), np.where(defined, converted.lat.deg, np.nan)


def _is_sky(ra: FloatArray, dec: FloatArray) -> BoolArray:
    return np.asarray((np.abs(ra) <= _LARGEST_RA) & (np.abs(dec) <= 90.0))


def _is_pixel(x: FloatArray, y: FloatArray) -> BoolArray:
    return np.asarray((np.abs(x) <= _LARGEST_PIXEL) & (np.abs(y) <= _LARGEST_PIXEL))


def _apply(
    function: Callable[[FloatArray, FloatArray], FloatArray], usable: BoolArray, a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return function(a, b) at the usable positions and NaN at the others."""
    result = np.full((2, usable.size), np.nan)
    if usable.any():
        result[:, usable] = function(a[usable], b[usable])
    return result[0], result[1]


def _wrapped(ra: FloatArray) -> FloatArray:
    turned: FloatArray = np.mod(ra, 360.0)
    # The modulus of a tiny negative number rounds to 360 itself.
    return np.where(turned >= 360.0, 0.0, turned)


def _without_false_roots(
    wcs: SkyWcs, ra: FloatArray, dec: FloatArray, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    found: BoolArray = np.isfinite(x) & np.isfinite(y)
    if not found.any():
        return x, y
    back = np.radians(wcs.pixel_to_sky(x[found], y[found]))
    asked = np.radians([ra[found], dec[found]])
    haversine = (
        np.sin((back[1] - asked[1]) / 2.0) ** 2
        + np.cos(back[1]) * np.cos(asked[1]) * np.sin((back[0] - asked[0]) / 2.0) ** 2
    )
    found[found] = haversine <= np.sin(_LARGEST_MISMATCH / 2.0) ** 2
    return np.where(found, x, np.nan), np.where(found, y, np.nan)
