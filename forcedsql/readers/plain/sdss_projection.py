"""The astrometric solution of an SDSS frame: great circle coordinates with cubic corrections."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import FloatArray

_HALF_PIXEL = 0.5
_STEPS = 8
_FURTHEST = 1e5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftScanWcs:
    """A sky projection as asTrans and tsField files hold it, for one frame and band.

    Rows and columns are corrected by cubics of the column, and become great circle longitude mu
    and latitude nu of the scan by a linear map (Pier et al. 2003, AJ 125, 1559, section 5; SDSS
    data model, asTrans).  The terms that depend on the colour of an object are left out.

    Parameters
    ----------
    node, inclination : float, degree
        Ascending node and inclination of the great circle, ICRS.
    linear : ndarray, (2, 3) float64, degree and degree per pixel
        a, b, c of mu = a + b row + c column; d, e, f of nu.
    row_terms, column_terms : ndarray, (4,) float64, pixel
        Coefficients of the corrections, constant first.
    """

    node: float
    inclination: float
    linear: FloatArray
    row_terms: FloatArray
    column_terms: FloatArray

    def pixel_to_sky(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS degrees; see `forcedsql.wcs.SkyWcs.pixel_to_sky`."""
        usable = (np.abs(x) <= _FURTHEST) & (np.abs(y) <= _FURTHEST)
        column, row = (np.where(usable, v, np.nan) + _HALF_PIXEL for v in (x, y))
        corrected = np.stack(
            [
                np.ones_like(row),
                row + np.polynomial.polynomial.polyval(column, self.row_terms),
                column + np.polynomial.polynomial.polyval(column, self.column_terms),
            ]
        )
        mu, nu = np.radians(self.linear @ corrected)
        return _rotated(mu, nu, np.radians(self.node), np.radians(self.inclination))

    def sky_to_pixel(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return parent pixels, NaN far from the frame; see `forcedsql.wcs.SkyWcs.sky_to_pixel`."""
        node = np.radians(self.node)
        ra, dec = np.radians(ra), np.radians(np.where(np.abs(dec) <= 90.0, dec, np.nan))
        mu, nu = _rotated(ra, dec, node, -np.radians(self.inclination))
        # Whole turns are taken so that mu is near that of the frame's first pixel.
        mu = self.linear[0, 0] + (mu - self.linear[0, 0] + 180.0) % 360.0 - 180.0
        offsets = np.stack([mu - self.linear[0, 0], nu - self.linear[1, 0]])
        row, target = np.linalg.solve(self.linear[:, 1:], offsets)
        near = (np.abs(row) <= _FURTHEST) & (np.abs(target) <= _FURTHEST)
        row, target = np.where(near, row, np.nan), np.where(near, target, np.nan)
        column = target.copy()
        for _ in range(_STEPS):
            # The correction changes by some 1e-4 per pixel: each step gains as many digits.
            column = target - np.polynomial.polynomial.polyval(column, self.column_terms)
        row = row - np.polynomial.polynomial.polyval(column, self.row_terms)
        return column - _HALF_PIXEL, row - _HALF_PIXEL


def _rotated(
    longitude: FloatArray, latitude: FloatArray, node: float, inclination: float
) -> tuple[FloatArray, FloatArray]:
    """Turn a sphere about its node; radians in, degrees out, the longitude from 0 to 360."""
    from_node = longitude - node
    x = np.cos(from_node) * np.cos(latitude)
    y = np.sin(from_node) * np.cos(latitude)
    z = np.sin(latitude)
    turned_y = y * np.cos(inclination) - z * np.sin(inclination)
    turned_z = y * np.sin(inclination) + z * np.cos(inclination)
    turned = np.degrees(np.arctan2(turned_y, x) + node) % 360.0
    return np.where(turned >= 360.0, 0.0, turned), np.degrees(np.arctan2(turned_z, np.hypot(x, turned_y)))
