"""Boxes and polygons on the pixels of an image, and the rule that ties positions to pixels.

Everywhere in forcedsql pixel coordinates are *parent* coordinates: integers are pixel
centres, and the lower-left pixel of an exposure is its ``xy0`` (LSST's convention, FITS
minus 1 when ``xy0`` is zero).
"""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.errors import ConfigError


def nearest_pixel(position: FloatArray) -> IntArray:
    """Return the index of the pixel that contains each coordinate.

    Halves go up: ``floor(v + 0.5)``, which is LSST's rule (afw
    ``include/lsst/afw/image/ImageUtils.h``) and not Python's ``round``.

    Parameters
    ----------
    position : ndarray, (n,) float64, pixel
        Finite parent coordinates.

    Returns
    -------
    ndarray, (n,) int64, pixel
    """
    return np.floor(position + 0.5).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels in parent coordinates.

    Parameters
    ----------
    x0, y0 : int
        Lower-left pixel.
    width, height : int
        Number of pixels along x and y; zero for an empty box.
    """

    x0: int
    y0: int
    width: int
    height: int

    @property
    def x1(self) -> int:
        """Last column inside the box."""
        return self.x0 + self.width - 1

    @property
    def y1(self) -> int:
        """Last row inside the box."""
        return self.y0 + self.height - 1

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle of the box, in pixels."""
        return (self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0

    def contains(self, x: FloatArray, y: FloatArray) -> BoolArray:
        """Tell which positions lie on the box's pixels, their lower and left edges included.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel

        Returns
        -------
        ndarray, (n,) bool
            False for NaN, and for every position where the box is empty.
        """
        # As `nearest_pixel` has it, which adds first: the last number below 0.5 goes to pixel 1.
        column, row = np.floor(x + 0.5), np.floor(y + 0.5)
        inside: BoolArray = (column >= self.x0) & (column <= self.x1)
        inside &= (row >= self.y0) & (row <= self.y1)
        return inside

    def grid(self, points: int) -> tuple[FloatArray, FloatArray]:
        """Return x and y of points spread evenly over the box, row by row.

        Parameters
        ----------
        points : int
            Number of points along each side.

        Returns
        -------
        x, y : ndarray, (points^2,) float64, pixel
        """
        steps = (np.arange(points) + 0.5) / points
        x, y = np.meshgrid(self.x0 - 0.5 + steps * self.width, self.y0 - 0.5 + steps * self.height)
        return x.ravel(), y.ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """A closed polygon: the valid area of an image.

    Parameters
    ----------
    x, y : ndarray, (k,) float64, pixel
        Vertices in order, parent coordinates; the last is joined to the first, and may repeat it.

    Raises
    ------
    ConfigError
        If there are fewer than three vertices, or one is not finite.
    """

    x: FloatArray
    y: FloatArray

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or len(self.x) < 3:
            raise ConfigError(f"Polygon: {len(self.x)} and {len(self.y)} coordinates; it needs 3 vertices")
        if not (np.isfinite(self.x).all() and np.isfinite(self.y).all()):
            raise ConfigError("Polygon: a vertex is not finite")

    def contains(self, x: FloatArray, y: FloatArray) -> BoolArray:
        """Tell which positions are strictly inside; the boundary is not.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel

        Returns
        -------
        ndarray, (n,) bool
            False for NaN.

        Notes
        -----
        A position is inside where the boundary winds around it, as in ``boost::geometry::within``,
        which afw ``src/geom/polygon/Polygon.cc`` calls (Sunday 2021, *Practical Geometry
        Algorithms*, winding number).
        """
        winding = np.zeros(np.shape(x), dtype=np.int64)
        on_boundary = np.zeros(np.shape(x), dtype=np.bool_)
        for x0, y0, x1, y1 in zip(self.x, self.y, np.roll(self.x, -1), np.roll(self.y, -1), strict=True):
            # Positive where the position is to the left of the edge.
            side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
            winding += (y0 <= y) & (y < y1) & (side > 0.0)
            winding -= (y1 <= y) & (y < y0) & (side < 0.0)
            on_boundary |= (
                (side == 0.0)
                & (x >= min(x0, x1))
                & (x <= max(x0, x1))
                & (y >= min(y0, y1))
                & (y <= max(y0, y1))
            )
        inside: BoolArray = (winding != 0) & ~on_boundary
        return inside
