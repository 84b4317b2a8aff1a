"""Where the images that went into a coadd lie, and which of them cover a position."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.geometry import Box, Polygon
from forcedsql.wcs import SkyWcs

_GRID = 9
_MARGIN_PIXELS, _MARGIN_FRACTION = 10.0, 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """The part of the sky that an image covers.

    Parameters
    ----------
    wcs : SkyWcs
    bbox : Box
        The image, in its own parent pixels.
    valid_polygon : Polygon or None
        The part of it that counts, in the same pixels; None for all.
    """

    wcs: SkyWcs
    bbox: Box
    valid_polygon: Polygon | None = None

    def contains(self, x: FloatArray, y: FloatArray) -> BoolArray:
        """Tell, (n,) bool, which positions in the image's own pixels are in box and polygon."""
        inside = self.bbox.contains(x, y)
        if self.valid_polygon is not None and inside.any():
            inside &= self.valid_polygon.contains(x, y)
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """The positions of a batch that one footprint covers.

    Parameters
    ----------
    index : int
        Number of the footprint.
    rows : ndarray, (m,) int64
        The positions that it covers.
    x, y : ndarray, (m,) float64, pixel
        Where they are in the footprint's own image.
    """

    index: int
    rows: IntArray
    x: FloatArray
    y: FloatArray


class CoaddFootprints:
    """The footprints of a coadd's inputs, to be asked which of them cover coadd positions.

    Parameters
    ----------
    coadd_wcs : SkyWcs
    footprints : sequence of Footprint

    Notes
    -----
    Membership is that of afw ``src/table/Exposure.cc``: through the sky into the input's pixels,
    inside the half-open box and strictly inside the polygon; an undefined projection is outside.
    """

    def __init__(self, coadd_wcs: SkyWcs, footprints: Sequence[Footprint]) -> None:
        self.coadd_wcs = coadd_wcs
        self.footprints = tuple(footprints)

    def covers(self, x: FloatArray, y: FloatArray) -> Iterator[Cover]:
        """Yield, in the footprints' order, those that cover any of the positions.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Parent pixels of the coadd; NaN is covered by none.
        """
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.any():
            return
        ra, dec = self.coadd_wcs.pixel_to_sky(x, y)
        low_x, low_y, high_x, high_y = self._reach.T
        near = (low_x <= x[finite].max()) & (high_x >= x[finite].min())
        near &= (low_y <= y[finite].max()) & (high_y >= y[finite].min())
        for index in np.flatnonzero(near):
            left, bottom, right, top = self._reach[index]
            rows = np.flatnonzero((x >= left) & (x <= right) & (y >= bottom) & (y <= top))
            if len(rows):
                own_x, own_y = self.footprints[index].wcs.sky_to_pixel(ra[rows], dec[rows])
                inside = self.footprints[index].contains(own_x, own_y)
                if inside.any():
                    yield Cover(int(index), rows[inside], own_x[inside], own_y[inside])

    @cached_property
    def _reach(self) -> FloatArray:
        """Coadd pixels beyond which a footprint has no part: x, y low and high, (k, 4).

        It spares the projection of positions that are far from a footprint, nothing else: it is
        wider than the footprint, and without bounds where that cannot be told.
        """
        return np.array([self._reach_of(footprint) for footprint in self.footprints]).reshape(-1, 4)

    def _reach_of(self, footprint: Footprint) -> tuple[float, float, float, float]:
        box = footprint.bbox
        along_x = np.linspace(box.x0 - 0.5, box.x1 + 0.5, _GRID)
        along_y = np.linspace(box.y0 - 0.5, box.y1 + 0.5, _GRID)
        grid_x, grid_y = (axis.reshape(-1) for axis in np.meshgrid(along_x, along_y))
        x, y = self.coadd_wcs.sky_to_pixel(*footprint.wcs.pixel_to_sky(grid_x, grid_y))
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return -np.inf, -np.inf, np.inf, np.inf
        margin_x = _MARGIN_PIXELS + _MARGIN_FRACTION * np.ptp(x)
        margin_y = _MARGIN_PIXELS + _MARGIN_FRACTION * np.ptp(y)
        return x.min() - margin_x, y.min() - margin_y, x.max() + margin_x, y.max() + margin_y
