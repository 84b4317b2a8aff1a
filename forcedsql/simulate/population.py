"""The objects of a simulated survey over time: what each one's flux and place are on a given night."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.errors import ConfigError
from forcedsql.simulate.sky import FIRST_OBJECT_ID, PIXEL_SCALE, tangent_wcs
from forcedsql.simulate.visits import YEAR, SurveyDesign

CONSTANT, VARIABLE, SUPERNOVA, MOVING = "constant", "variable", "supernova", "high_proper_motion"
"""Kinds of objects."""

KEEP_CLEAR = 15.0
"""Least distance of two objects in pixels: seven sigma of the widest PSF, so that none lights another."""

_FLUX_RANGE = (200.0, 6.0e4)
"""Mean fluxes in nJy, uniform in the logarithm; none saturates."""

_VARIABLE_SHARE = 0.05
_COLOUR_SCATTER = 0.15
_PROPER_MOTION = (900.0, 600.0)
"""mas per year towards east and north."""

_SUPERNOVA_OFFSET, _MOVING_OFFSET = (14.0, -14.0), (-40.0, 20.0)
"""Where the supernova is, and the moving star at the start, in pixels from the middle of the survey."""

_MOVING_FLUX, _SUPERNOVA_FLUX = 2.0e4, 1.2e4
_RISE, _DECLINE = 30.0, 70.0
_DAYS_PER_YEAR, _MJD_OF_J2000 = 365.25, 51544.5


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Stars that stay, vary, move or explode.

    Parameters
    ----------
    ids : ndarray, (n,) int64
    kind : ndarray, (n,) str
        ``constant``, ``variable``, ``supernova`` or ``high_proper_motion``.
    ra, dec : ndarray, (n,) float64, degree
        ICRS positions at `epoch`.
    pm_ra, pm_dec : ndarray, (n,) float64, mas per year
        Proper motions; that in right ascension is along the circle of declination.
    epoch : float
        MJD (TAI) of the positions.
    fluxes : mapping of str to ndarray, (n,) float64, nJy
        Mean flux by band; of a supernova that at its peak.
    amplitude : ndarray, (n,) float64
        Of a variable star's sine, in units of its mean flux.
    period, phase : ndarray, (n,) float64, day and radian
    explosion : float
        MJD of the supernova's first light.
    """

    ids: AnyArray
    kind: AnyArray
    ra: FloatArray
    dec: FloatArray
    pm_ra: FloatArray
    pm_dec: FloatArray
    epoch: float
    fluxes: Mapping[str, FloatArray]
    amplitude: FloatArray
    period: FloatArray
    phase: FloatArray
    explosion: float

    def flux(self, band: str, mjd: float) -> FloatArray:
        """Return every object's flux at a time, (n,) float64 in nJy.

        A supernova rises as the square of time since its first light (Riess et al. 1999, AJ
        118, 2675) and declines exponentially after its peak.
        """
        cycle = 2.0 * np.pi * (mjd - self.epoch) / self.period + self.phase
        level = 1.0 + self.amplitude * np.sin(cycle)
        age = mjd - self.explosion
        rise = (np.clip(age, 0.0, _RISE) / _RISE) ** 2
        level[self.kind == SUPERNOVA] = rise * np.exp(-max(age - _RISE, 0.0) / _DECLINE)
        return self.fluxes[band] * level

    def template_flux(self, band: str) -> FloatArray:
        """Return every object's flux on a template, (n,) float64 in nJy: none of a supernova."""
        return np.where(self.kind == SUPERNOVA, 0.0, self.fluxes[band])

    def position(self, mjd: float) -> tuple[FloatArray, FloatArray]:
        """Return every object's ICRS ra and dec at a time, (n,) float64 in degrees."""
        years = (mjd - self.epoch) / _DAYS_PER_YEAR
        degrees = years / 3.6e6
        return (
            self.ra + self.pm_ra * degrees / np.cos(np.radians(self.dec)),
            self.dec + self.pm_dec * degrees,
        )

    def to_catalogue(self) -> pa.Table:
        """Return one row per object, what a survey's catalogue knows of it; the epoch is a Julian year."""
        columns: dict[str, AnyArray] = {
            "objectId": self.ids,
            "coord_ra": self.ra,
            "coord_dec": self.dec,
            "pm_ra": self.pm_ra,
            "pm_dec": self.pm_dec,
            "ref_epoch": np.full(len(self.ids), 2000.0 + (self.epoch - _MJD_OF_J2000) / _DAYS_PER_YEAR),
        }
        return pa.table(columns)

    def to_table(self) -> pa.Table:
        """Return one row per object, everything that is true of it."""
        columns: dict[str, AnyArray] = {
            "objectId": self.ids,
            "kind": self.kind,
            "ra": self.ra,
            "dec": self.dec,
            "pm_ra": self.pm_ra,
            "pm_dec": self.pm_dec,
            "epoch": np.full(len(self.ids), self.epoch),
            **{f"{band}_flux": flux for band, flux in self.fluxes.items()},
            "amplitude": self.amplitude,
            "period": self.period,
            "phase": self.phase,
            "explosion": np.where(self.kind == SUPERNOVA, self.explosion, np.nan),
        }
        return pa.table(columns)


def random_population(design: SurveyDesign, rng: np.random.Generator) -> Population:
    """Return the objects of a survey; the first is its supernova, the second its moving star.

    Both are in the first field, 20 and 45 pixels from its middle.  No two objects come
    closer than `KEEP_CLEAR` pixels.

    Parameters
    ----------
    design : SurveyDesign
    rng : numpy.random.Generator

    Raises
    ------
    ConfigError
        If that many objects do not fit into the survey's area.
    """
    x, y = _positions(design, rng)
    n = len(x)
    ra, dec = tangent_wcs(design.centre, (0.0, 0.0)).pixel_to_sky(x, y)
    kind = np.where(rng.random(n) < _VARIABLE_SHARE, VARIABLE, CONSTANT).astype("<U18")
    faint, bright = np.log10(_FLUX_RANGE)
    mean = 10.0 ** rng.uniform(faint, bright, n)
    kind[0], mean[0] = SUPERNOVA, _SUPERNOVA_FLUX
    pm = np.zeros((2, n))
    if n > 1:
        kind[1], mean[1] = MOVING, _MOVING_FLUX
        pm[:, 1] = _PROPER_MOTION
    fluxes = {band: mean * 10.0 ** (_COLOUR_SCATTER * rng.standard_normal(n)) for band in design.bands}
    varies = kind == VARIABLE
    return Population(
        ids=FIRST_OBJECT_ID + np.arange(n, dtype=np.int64),
        kind=kind,
        ra=ra,
        dec=dec,
        pm_ra=pm[0],
        pm_dec=pm[1],
        epoch=design.start,
        fluxes=fluxes,
        amplitude=np.where(varies, rng.uniform(0.1, 0.8, n), 0.0),
        period=10.0 ** rng.uniform(-0.3, 2.3, n),
        phase=rng.uniform(0.0, 2.0 * np.pi, n),
        explosion=design.start + _explosion_day(design.years),
    )


def _positions(design: SurveyDesign, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return positions in pixels from the middle of the survey, the two special ones first."""
    track = np.linspace((0.0, 0.0), _path(design), 50) + _MOVING_OFFSET
    special = np.array([_SUPERNOVA_OFFSET, _MOVING_OFFSET])[: design.objects]
    wanted = design.objects - len(special)
    middles, jitter = _free_cells(design, wanted, np.concatenate([[_SUPERNOVA_OFFSET], track]))
    places = middles[np.sort(rng.choice(len(middles), wanted, replace=False))]
    places = places + rng.uniform(-jitter, jitter, places.shape)
    x, y = np.concatenate([special, places]).T
    return x, y


def _free_cells(design: SurveyDesign, wanted: int, taken: FloatArray) -> tuple[FloatArray, float]:
    """Return squares of the survey's area that hold one object each, as large as they may be.

    Parameters
    ----------
    design : SurveyDesign
    wanted : int
        Least number of squares.
    taken : ndarray, (n, 2) float64, pixel
        Places to keep clear of.

    Returns
    -------
    middles : ndarray, (m, 2) float64, pixel
    jitter : float, pixel
        How far off the middle an object may be along each axis.
    """
    fields = design.field_offsets()
    low = fields.min(axis=0) - design.size / 2.0
    high = fields.max(axis=0) + design.size / 2.0
    side = float(np.sqrt(np.prod(high - low) / (wanted + 1)))
    while side > KEEP_CLEAR:
        jitter = (side - KEEP_CLEAR) / 2.0
        axes = (np.arange(a + side / 2.0, b, side) for a, b in zip(low, high, strict=True))
        middles = np.column_stack([axis.ravel() for axis in np.meshgrid(*axes)])
        from_field = np.abs(middles[:, None, :] - fields).max(axis=2).min(axis=1)
        from_taken = np.abs(middles[:, None, :] - taken).max(axis=2).min(axis=1)
        free = (from_field < (design.size - side) / 2.0) & (from_taken > KEEP_CLEAR + jitter)
        if np.count_nonzero(free) >= wanted:
            return middles[free], jitter
        side *= 0.98
    raise ConfigError(
        f"{design.objects} objects do not fit into {design.fields} fields of {design.size} x {design.size} "
        "pixels without touching; give fewer objects, or more or larger fields"
    )


def _explosion_day(years: float) -> float:
    """Return the day of the supernova's first light: early in the season in the middle of a survey."""
    return YEAR * int(years / 2.0) + 0.2 * YEAR * min(years, 1.0)


def _path(design: SurveyDesign) -> tuple[float, float]:
    """Return how far the moving star goes during the survey, in pixels; east is to the left."""
    arcsec = np.array(_PROPER_MOTION) * design.years / 1000.0
    return -float(arcsec[0]) / PIXEL_SCALE, float(arcsec[1]) / PIXEL_SCALE
