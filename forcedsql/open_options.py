"""OpenOptions: what a plain FITS image does not say, or says in its own words."""

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from forcedsql.errors import ConfigError
from forcedsql.file_names import exists, is_file
from forcedsql.toml_file import read_toml

ERROR_KINDS = ("variance", "invvar", "weight", "rms", "counts", "none")
MASK_KINDS = ("nonzero", "planes", "bits", "values", "none")
BACKGROUNDS = ("subtracted", "present")

Codes = tuple[tuple[int, str], ...]

_PROFILES = Path(__file__).resolve().parent / "profiles"
_CHOICES = {"error_kind": ERROR_KINDS, "mask_kind": MASK_KINDS, "background": BACKGROUNDS}
_NUMBERS = ("zeropoint", "gain", "read_variance", "saturation", "pedestal")
_LOCATIONS = ("error", "mask", "wcs")
_PSF_FILE = re.compile(r"(?P<kind>[a-z]+:)?(?P<file>[^\[\]]+)(?P<rest>\[[^\[\]]*\])?")
_PSF_PROFILES = ("gaussian:", "moffat:")
_PLANE = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """How a plain FITS image is to be read; what is left empty is found out.

    Locations are ``FILE``, ``FILE[EXT]`` or ``[EXT]`` for an HDU of the image's own file, where
    EXT is a name, ``NAME,VERSION`` or a number from 0.  ``none`` says that there is no such
    image.  In FILE, ``{stem}`` stands for the image's name without ``.fits``, and
    ``{name:a=b}`` for its name with `a` replaced by `b`; such a file lies beside the image.

    Numbers may be given as the name of a header card that holds them.

    Parameters
    ----------
    profile : str
        Name of the survey profile that these options come from.  If it is empty, and the image
        is recognised as one of a survey, its profile stands behind the options; "none" forbids.
    science : str
        HDU of the image.
    error : str
        Location of the error image.
    error_kind : {"variance", "invvar", "weight", "rms", "counts", "none"}
        What it holds.  "weight" is an inverse variance in a unit of its own, scaled so that it
        agrees with the noise of the sky; "none" takes that noise everywhere, "counts" the pixels
        themselves over the gain plus `read_variance`.
    photon_noise : bool
        Whether the photon noise of the sources is added; if not given, to "weight" and "none"
        where a gain is known.
    gain : float or str
        Photoelectrons per unit of the image.
    read_variance : float or str
        Variance of a pixel without light, squared unit of the image.
    mask : str
        Location of the mask.
    mask_kind : {"nonzero", "planes", "bits", "values", "none"}
        "nonzero": whatever is not 0 is BAD; "planes": bits named by MP_ cards; "bits" and
        "values": see `mask_codes`.
    mask_codes : tuple of (int, str)
        Mask plane of each bit number or pixel value; "" for those that are no fault.
    saturation : float or str
        Pixels at and above are SAT, in the unit of the image.
    unit : str
        Unit of the pixels, over the header's BUNIT.
    zeropoint : float or str
        AB magnitude of one unit; a card, also of one unit per second: ``MAGZPT/s``.
    pedestal : float or str
        Taken off every pixel first.
    background : {"subtracted", "present"}
        Whether the sky is still in the image; if not given, its level is looked at.
    psf : str
        As `forcedsql.readers.psf_spec.open_psf` takes it; placeholders as in locations.
    wcs : str
        Location of the header with the sky projection, if not the image's.
    origin : str
        Parent coordinates ``x,y`` of the first pixel, ``0,0`` if not given.
    band : str
        Name of the band, or ``card:KEYWORD``.
    mjd : str
        Card of the mid-exposure time, MJD.
    exposure_time, visit, detector : str
        Cards of the exposure time in seconds, and of the numbers of the exposure and detector.
    """

    profile: str = ""
    science: str = ""
    error: str = ""
    error_kind: str = ""
    photon_noise: bool | None = None
    gain: float | str = ""
    read_variance: float | str = ""
    mask: str = ""
    mask_kind: str = ""
    mask_codes: Codes = ()
    saturation: float | str = ""
    unit: str = ""
    zeropoint: float | str = ""
    pedestal: float | str = ""
    background: str = ""
    psf: str = ""
    wcs: str = ""
    origin: str = ""
    band: str = ""
    mjd: str = ""
    exposure_time: str = ""
    visit: str = ""
    detector: str = ""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value and value not in choices:
                raise ConfigError(f"{name}: {value!r} is not one of {', '.join(choices)}")
        for number, plane in self.mask_codes:
            if number < 0 or (plane and not _PLANE.fullmatch(plane)):
                raise ConfigError(f"mask_codes: {number} = {plane!r} is not a number and a mask plane")
        if self.error_kind not in ("", "none", "counts") and self.error == "none":
            raise ConfigError(f"error_kind is {self.error_kind!r}, and error is none: give its file or HDU")
        if self.origin:
            _ = self.xy0

    @property
    def xy0(self) -> tuple[int, int]:
        """Parent coordinates of the first pixel."""
        match = re.fullmatch(r"\s*([+-]?\d{1,9})\s*,\s*([+-]?\d{1,9})\s*", self.origin or "0,0")
        if match is None:
            raise ConfigError(f"origin: {self.origin!r} is not x,y in whole pixels")
        return int(match[1]), int(match[2])

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "OpenOptions":
        """Return options by name; `mask_codes` may be a table of number to plane.

        Raises
        ------
        ConfigError
            If one is unknown, or has an unusable value.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"{unknown[0]!r} is no option of opening; those are {', '.join(sorted(known))}")
        return cls(**{name: _typed(name, value) for name, value in values.items()})

    @classmethod
    def from_profile(cls, profile: str | Path) -> "OpenOptions":
        """Return the options of a survey: a name of `profile_names`, or a TOML file.

        Raises
        ------
        ConfigError
            If there is no such profile, or it is not usable.
        """
        path = _PROFILES / f"{profile}.toml"
        if str(profile) not in profile_names():
            path = Path(profile)
            if not is_file(path):
                names = ", ".join(profile_names())
                raise ConfigError(f"profile {str(profile)!r} is no file and none of {names}")
        try:
            values = read_toml(path)
            values.pop("recognise", None)
            return cls.from_mapping({"profile": path.stem, **values})
        except (OSError, ValueError) as fault:
            raise ConfigError(f"profile {path}: {fault}") from fault

    @classmethod
    def from_json(cls, text: str) -> "OpenOptions":
        """Return the options that `to_json` wrote; ConfigError if it did not."""
        try:
            return cls.from_mapping(json.loads(text))
        except (ValueError, TypeError, AttributeError, RecursionError) as fault:
            raise ConfigError(f"the options of opening are damaged: {fault}") from fault

    def to_json(self) -> str:
        """Return those that are given as JSON, "{}" if none is."""
        return json.dumps(self.given(), separators=(",", ":"))

    def given(self) -> dict[str, Any]:
        """Return those that are given, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def updated(self, other: "OpenOptions") -> "OpenOptions":
        """Return these with those that `other` gives in their place."""
        return replace(self, **other.given())

    def with_settings(self, settings: Iterable[str]) -> "OpenOptions":
        """Return these with ``option=value`` texts applied, as the command line gives them."""
        values: dict[str, Any] = {}
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals:
                raise ConfigError(f"{setting!r} is not option=value")
            values[name.strip()] = value.strip()
        return self.updated(OpenOptions.from_mapping(values))

    def with_absolute_paths(self) -> "OpenOptions":
        """Return options that mean the same files from whatever folder they are used."""
        changed: dict[str, Any] = {name: _absolute(getattr(self, name)) for name in _LOCATIONS}
        spec = psf_file(self.psf)
        if spec is not None:
            kind, file, rest = spec
            changed["psf"] = kind + _absolute(file) + rest
        return replace(self, **changed)


def psf_file(spec: str) -> tuple[str, str, str] | None:
    """Take the file out of a PSF's specification: what is before, the file, and what is after it.

    None for a PSF that is not in a file.
    """
    match = _PSF_FILE.fullmatch(spec)
    if match is None or spec == "none" or spec.startswith(_PSF_PROFILES):
        return None
    return match["kind"] or "", match["file"], match["rest"] or ""


def profile_names() -> tuple[str, ...]:
    """Return the names of the survey profiles that come with forcedsql."""
    return tuple(sorted(path.stem for path in _PROFILES.glob("*.toml")))


def recognised_profile(file_name: str, cards: Mapping[str, Any]) -> str:
    """Return the survey profile of an image by its file's name and header, "" if there is none.

    A profile's table ``recognise`` has a pattern ``file`` and ``cards`` with their values; all
    that it has must fit.
    """
    for name in profile_names():
        marks = _recognition(name)
        wanted = marks.get("cards", {})
        fits = fnmatch.fnmatchcase(file_name, marks.get("file", "*"))
        if marks and fits and all(str(cards.get(k, "")).strip() == v for k, v in wanted.items()):
            return name
    return ""


@cache
def _recognition(name: str) -> dict[str, Any]:
    marks: dict[str, Any] = read_toml(_PROFILES / f"{name}.toml").get("recognise", {})
    return marks


def _absolute(location: str) -> str:
    if not location or location == "none" or location.startswith("[") or "{" in location:
        return location
    file, bracket, ext = location.partition("[")
    # A file that is not here is looked for beside the image.
    return f"{Path(file).resolve()}{bracket}{ext}" if exists(file) else location


def _typed(name: str, value: Any) -> Any:
    if name == "mask_codes":
        return _codes(value)
    if name == "photon_noise":
        return _truth(value)
    if name in _NUMBERS and not isinstance(value, bool):
        return _number_or_card(name, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ConfigError(f"{name}: {value!r} is not text")
    return value


def _number_or_card(name: str, value: Any) -> float | str:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
    except OverflowError as fault:
        raise ConfigError(f"{name}: {value} is too large a number") from fault


def _truth(value: Any) -> bool | None:
    known = {"true": True, "yes": True, "false": False, "no": False, "none": None}
    if isinstance(value, bool) or value is None:
        return value
    if str(value).lower() not in known:
        raise ConfigError(f"photon_noise: {value!r} is not true or false")
    return known[str(value).lower()]


def _codes(value: Any) -> Codes:
    """Return codes from a table {"3": "SAT"}, from pairs, or from the text ``3=SAT,5=CR``."""
    try:
        if isinstance(value, str):
            pairs: list[Any] = [part.split("=") for part in value.split(",") if part.strip()]
        else:
            pairs = list(value.items()) if isinstance(value, Mapping) else list(value)
        return tuple((int(number), str(plane).strip()) for number, plane in pairs)
    except (TypeError, ValueError, AttributeError, OverflowError) as fault:
        raise ConfigError(f"mask_codes: {value!r} is not NUMBER=PLANE, ...") from fault
