"""When and where a simulated survey looks, and through what sky: the schedule of its exposures."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError
from forcedsql.simulate.sky import PIXEL_SCALE, tangent_wcs

DETECTOR = 4
"""Detector of every exposure."""

VISITS_PER_BAND = 2
"""Visits of a night in each band, which is what makes nightly means worth taking."""

_FIELD_SPACING = 0.94
"""Distance of neighbouring fields, of the side of an image: they overlap."""

_DITHER = 0.04
"""Largest offset of a pointing from its field along each axis, of the side of an image."""

_ROTATION = 5.0
YEAR, _SEASON = 365, 240
"""Days from one season's beginning to the next, and of a season."""

_MIDNIGHT = 0.2
"""Local midnight in Chile, as a fraction of a day of MJD."""

_NIGHT = 0.32
"""Days between the first and the last visit of a night."""

_MJD_EPOCH = date(1858, 11, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyDesign:
    """Size of a survey of many visits.

    Half of the nights go to the first field, which is in the middle; the other fields share
    the rest.  A year has a season of 240 days.

    Parameters
    ----------
    exposures, objects : int
        How many.
    size : int, pixel
        Side of an image.
    fields : int
        Fields, side by side with a little overlap.
    bands : tuple of str
        Bands, which every night goes through in turn.
    start : float
        First night, MJD (TAI).
    years : float
        From the first night to the last.
    centre : (float, float), degree
        ICRS position of the middle of the survey.
    """

    exposures: int = 200
    objects: int = 20_000
    size: int = 640
    fields: int = 20
    bands: tuple[str, ...] = ("g", "r", "i")
    start: float = 60645.0
    years: float = 2.0
    centre: tuple[float, float] = (53.13, -28.10)

    def __post_init__(self) -> None:
        for name in ("exposures", "objects", "fields"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)} is not 1 or more")
        if self.size < 100:
            raise ConfigError(f"size: {self.size} pixels is too small for an image; give 100 or more")
        if not self.bands or self.years <= 0.0:
            raise ConfigError("a survey needs at least one band and a time above 0 years")

    def field_offsets(self) -> FloatArray:
        """Return the middles of the fields, (fields, 2) in pixels from that of the survey.

        The fields of a square grid that are nearest to its middle, the nearest first.
        """
        half = int(np.ceil(np.sqrt(self.fields)))
        steps = np.arange(-half, half + 1)
        x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
        nearest = np.argsort(np.hypot(x, y), kind="stable")[: self.fields]
        spacing = _FIELD_SPACING * self.size
        return np.column_stack([x[nearest] * spacing, y[nearest] * spacing])


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One exposure: when, where and how it was taken.

    Parameters
    ----------
    visit : int
        Number: the night as YYYYMMDD, then five digits within it.
    band : str
    field : int
    mjd : float
        Middle of the exposure, MJD (TAI).
    ra, dec : float, degree
        ICRS position of the middle of the image.
    rotation : float, degree
    fwhm : float, pixel
        Full width at half maximum of the PSF.
    background : float, adu
        Sky per pixel, which is subtracted and leaves its noise.
    njy_per_adu : float
        Calibration: larger under thin cloud.
    """

    visit: int
    band: str
    field: int
    mjd: float
    ra: float
    dec: float
    rotation: float
    fwhm: float
    background: float
    njy_per_adu: float


def schedule(design: SurveyDesign, rng: np.random.Generator) -> tuple[Visit, ...]:
    """Return the visits of a survey in order of time.

    Parameters
    ----------
    design : SurveyDesign
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Visit
        ``design.exposures`` of them, with dithers of 4 % of an image, seeing of 0.7 to 1.1
        arcsec, a sky that changes by a factor of 3 and a transparency that scatters by 10 %.
    """
    middle = tangent_wcs(design.centre, (0.0, 0.0))
    offsets = design.field_offsets()
    visits: list[Visit] = []
    wide = 0
    for number, (day, count) in enumerate(_nights(design, rng)):
        moments = day + _MIDNIGHT + _NIGHT * (np.arange(count) / max(count - 1, 1) - 0.5)
        for i, mjd in enumerate(moments):
            field = 0
            if number % 2 and design.fields > 1:
                field = 1 + (wide // len(design.bands)) % (design.fields - 1)
                wide += 1
            where = offsets[field] + design.size * rng.uniform(-_DITHER, _DITHER, 2)
            ra, dec = middle.pixel_to_sky(where[:1], where[1:])
            visits.append(
                Visit(
                    visit=_visit_number(mjd, i + 1),
                    band=design.bands[i % len(design.bands)],
                    field=field,
                    mjd=float(mjd),
                    ra=float(ra[0]),
                    dec=float(dec[0]),
                    rotation=rng.uniform(-_ROTATION, _ROTATION),
                    fwhm=rng.uniform(0.7, 1.1) / PIXEL_SCALE,
                    background=rng.uniform(600.0, 1800.0),
                    njy_per_adu=float(10.0 ** (0.4 * rng.normal(0.0, 0.1))),
                )
            )
    return tuple(visits)


def _nights(design: SurveyDesign, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Return the MJD of each night's beginning and how many visits it has."""
    days = np.arange(max(int(design.years * YEAR), 1))
    days = days[days % YEAR < _SEASON]
    wanted = int(np.ceil(design.exposures / (VISITS_PER_BAND * len(design.bands))))
    nights = [rng.choice(part) for part in np.array_split(days, min(wanted, len(days)))]
    parts = np.array_split(np.arange(design.exposures), len(nights))
    return [(design.start + float(night), len(part)) for night, part in zip(nights, parts, strict=True)]


def _visit_number(mjd: float, sequence: int) -> int:
    # LSST's day of observation changes at noon UTC minus 12 hours, in the middle of a day in Chile.
    day = _MJD_EPOCH + timedelta(days=int(np.floor(mjd - 0.5)))
    return int(f"{day:%Y%m%d}{sequence:05d}")
