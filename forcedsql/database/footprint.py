"""The outline of an exposure on the sky, and the HEALPix cells that it touches.

Everything is done with unit vectors, so that the poles and right ascension 0 are places like
any other.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.exposure import Exposure
from forcedsql.geometry import Box

COVERAGE_ORDER = 9
"""HEALPix order of the coverage table: cells of 6.9 arcmin, about 11 for an LSST detector."""

_SAMPLES_PER_EDGE = 33
_LARGEST_RADIUS = np.deg2rad(80.0)


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """The part of the sky that an exposure covers, as a convex polygon of four edges.

    Parameters
    ----------
    centre : ndarray, (2,) float64, degree
        (ra, dec) of the middle of the image.
    corners : ndarray, (4, 2) float64, degree
        (ra, dec) of the outer corners of the corner pixels, in pixel order: lower left,
        lower right, upper right, upper left.
    edges : ndarray, (4, 4) float64
        Half spaces (nx, ny, nz, d): a unit vector v is inside where ``n.v >= d`` for all.
        The great circles through the corners are moved out where a distorted edge bulges,
        so that no pixel is left outside.
    """

    centre: FloatArray
    corners: FloatArray
    edges: FloatArray

    @property
    def region(self) -> str:
        """The corners as an STC-S polygon, as ObsCore's ``s_region`` has it."""
        return "POLYGON ICRS " + " ".join(f"{value:.8f}" for value in self.corners.ravel())

    def contains(self, ra: FloatArray, dec: FloatArray) -> BoolArray:
        """Say which sky positions, (n,) degrees, are inside."""
        return _inside(unit_vectors(ra, dec), self.edges, 0.0)

    def healpix_cells(self, order: int = COVERAGE_ORDER) -> IntArray:
        """Return nested HEALPix cells that together hold every position inside.

        Cells that merely come close may be among them.
        """
        from astropy import units as u  # noqa: PLC0415 - loads in 0.3 s
        from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415
        from cdshealpix import nested  # noqa: PLC0415

        cell_radius = largest_cell_radius(order)
        middle = unit_vectors(self.centre[:1], self.centre[1:])
        reach = _angle(unit_vectors(self.corners[:, 0], self.corners[:, 1]), middle).max()
        reach += cell_radius - self.edges[:, 3].min()
        cells, _, _ = nested.cone_search(
            Longitude(self.centre[0], u.deg), Latitude(self.centre[1], u.deg), reach * u.rad, order, flat=True
        )
        lon, lat = nested.healpix_to_lonlat(cells, order)
        near = _inside(unit_vectors(lon.deg, lat.deg), self.edges, cell_radius)
        return np.asarray(cells[near], dtype=np.int64)


def footprint_of(exposure: Exposure) -> Footprint | None:
    """Return the outline of an exposure; None where it has no usable sky projection."""
    if exposure.wcs is None:
        return None
    x, y = _boundary(exposure.bbox)
    ra, dec = exposure.wcs.pixel_to_sky(x, y)
    centre_x, centre_y = (np.array([value]) for value in exposure.bbox.centre)
    centre = np.array(exposure.wcs.pixel_to_sky(centre_x, centre_y)).ravel()
    if not (np.isfinite(ra).all() and np.isfinite(dec).all() and np.isfinite(centre).all()):
        return None
    points = unit_vectors(ra, dec)
    middle = unit_vectors(centre[:1], centre[1:])
    if _angle(points, middle).max() > _LARGEST_RADIUS:
        return None
    first = slice(None, None, _SAMPLES_PER_EDGE)
    return Footprint(centre, np.column_stack([ra[first], dec[first]]), _half_spaces(points, middle[0]))


def unit_vectors(ra: FloatArray, dec: FloatArray) -> FloatArray:
    """Return (n, 3) unit vectors of sky positions in degrees."""
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def largest_cell_radius(order: int) -> float:
    """Return the largest angle (radians) between the centre and a corner of a HEALPix cell.

    Formula: ``max_pixrad`` of the HEALPix C++ library (Gorski et al. 2005, ApJ 622, 759).
    """
    nside = 2**order
    z_corner = 1.0 - (1.0 - 1.0 / nside) ** 2 / 3.0
    centre = unit_vectors(np.array([180.0 / (4 * nside)]), np.rad2deg(np.arcsin(np.array([2.0 / 3.0]))))
    corner = unit_vectors(np.array([0.0]), np.rad2deg(np.arcsin(np.array([z_corner]))))
    return float(_angle(centre, corner)[0])


def _boundary(box: Box) -> tuple[FloatArray, FloatArray]:
    """Return points along the outer edge of a box; every 33rd, from the first, is a corner."""
    left, right = box.x0 - 0.5, box.x1 + 0.5
    bottom, top = box.y0 - 0.5, box.y1 + 0.5
    step = np.arange(_SAMPLES_PER_EDGE) / _SAMPLES_PER_EDGE
    xs, ys = [left, right, right, left, left], [bottom, bottom, top, top, bottom]
    x = [a + (b - a) * step for a, b in pairwise(xs)]
    y = [a + (b - a) * step for a, b in pairwise(ys)]
    return np.concatenate(x), np.concatenate(y)


def _half_spaces(points: FloatArray, middle: FloatArray) -> FloatArray:
    corners = points[::_SAMPLES_PER_EDGE]
    normals = np.cross(corners, np.roll(corners, -1, axis=0))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals *= np.where(normals @ middle < 0.0, -1.0, 1.0)[:, None]
    lowest = np.minimum((normals @ points.T).min(axis=1), 0.0)
    return np.column_stack([normals, lowest])


def _inside(vectors: FloatArray, edges: FloatArray, margin: float) -> BoolArray:
    inside = (vectors @ edges[:, :3].T >= edges[:, 3] - margin).all(axis=1)
    return np.asarray(inside, dtype=np.bool_)


def _angle(a: FloatArray, b: FloatArray) -> FloatArray:
    angle: FloatArray = 2.0 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=1) / 2.0, 0.0, 1.0))
    return angle
