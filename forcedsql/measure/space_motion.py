"""Positions moved by proper motion and parallax to the time of an exposure."""

from dataclasses import dataclass
from functools import lru_cache

import erfa
import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.errors import MissingComponentError
from forcedsql.exposure import Exposure

_MAS = np.deg2rad(1.0 / 3.6e6)
_JULIAN_YEAR = 365.25
_J2000, _MJD_0 = 2451545.0, 2400000.5
_TT_LESS_TAI = 32.184 / 86400.0


@dataclass(frozen=True, slots=True, eq=False)
class SpaceMotion:
    """How positions move; NaN or 0 for what is not known of a source.

    Parameters
    ----------
    pm_ra, pm_dec : ndarray, (n,) float64, mas / yr
        Proper motion in ICRS; `pm_ra` includes the factor cos(dec).
    parallax : ndarray, (n,) float64, mas
    ref_epoch : ndarray, (n,) float64, Julian year
        Time at which a source with a proper motion is where its position says.
    """

    pm_ra: FloatArray
    pm_dec: FloatArray
    parallax: FloatArray
    ref_epoch: FloatArray

    @property
    def drifts(self) -> BoolArray:
        """Which sources have a proper motion, (n,) bool."""
        return np.asarray((_zero_for_nan(self.pm_ra) != 0.0) | (_zero_for_nan(self.pm_dec) != 0.0))

    @property
    def moves(self) -> BoolArray:
        """Which sources are not always where their positions say, (n,) bool."""
        return np.asarray(self.drifts | (_zero_for_nan(self.parallax) != 0.0))


def position_at(
    ra: FloatArray, dec: FloatArray, motion: SpaceMotion, mjd: float
) -> tuple[FloatArray, FloatArray]:
    """Return where sources are seen from the Earth at a time.

    Sources move uniformly, without radial velocity; a parallax shifts them by the Earth's
    barycentric position (IAU SOFA ``pmpx``, ``epv00``).  Aberration and light deflection are
    those of all neighbours, and in the exposure's projection.

    Parameters
    ----------
    ra, dec : ndarray, (n,) float64, degree
        ICRS at `SpaceMotion.ref_epoch`; NaN for a missing coordinate.
    motion : SpaceMotion
    mjd : float
        MJD (TAI).

    Returns
    -------
    ra, dec : ndarray, (n,) float64, degree
        Those of sources that do not move are the given ones to the bit.  NaN where a proper
        motion has no epoch.
    """
    rows = np.flatnonzero(motion.moves & np.isfinite(ra) & np.isfinite(dec))
    moved_ra, moved_dec = ra.astype(np.float64), dec.astype(np.float64)
    if not len(rows):
        return moved_ra, moved_dec
    pm_ra, pm_dec, parallax = (_zero_for_nan(v[rows]) for v in (motion.pm_ra, motion.pm_dec, motion.parallax))
    years = (mjd + _MJD_0 + _TT_LESS_TAI - _J2000) / _JULIAN_YEAR - (motion.ref_epoch[rows] - 2000.0)
    # Without a parallax the Earth is as good as at the barycentre.
    observer = np.where((parallax != 0.0)[:, None], _earth(mjd), 0.0)
    direction = erfa.pmpx(
        np.deg2rad(ra[rows]),
        np.deg2rad(dec[rows]),
        pm_ra * _MAS / np.cos(np.deg2rad(dec[rows])),
        pm_dec * _MAS,
        parallax * 1e-3,
        0.0,
        np.where(motion.drifts[rows], years, 0.0),
        observer,
    )
    moved_ra[rows], moved_dec[rows] = (np.rad2deg(angle) for angle in erfa.c2s(direction))
    moved_ra[rows] %= 360.0
    return moved_ra, moved_dec


def position_on(
    exposure: Exposure, ra: FloatArray, dec: FloatArray, motion: SpaceMotion | None
) -> tuple[FloatArray, FloatArray]:
    """Return where sources are seen in the middle of an exposure; see `position_at`.

    Raises
    ------
    MissingComponentError
        If a source moves and the exposure does not say when it was taken.
    """
    if motion is None or not motion.moves.any():
        return ra, dec
    if exposure.info.mjd is None:
        raise MissingComponentError(
            "the exposure does not say when it was taken, and positions have proper motions or parallaxes; "
            "leave those columns out, or set space_motion=never"
        )
    return position_at(ra, dec, motion, exposure.info.mjd)


@lru_cache(maxsize=1024)
def _earth(mjd: float) -> FloatArray:
    """Return the Earth's barycentric position, (3,) float64 in au, ICRS, at an MJD (TAI)."""
    _, barycentric = erfa.epv00(_MJD_0, mjd + _TT_LESS_TAI)
    return np.array(barycentric["p"], np.float64)


def _zero_for_nan(values: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), 0.0, values)
