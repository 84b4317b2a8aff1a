"""Polygons in pixel coordinates: the valid area of an image."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """A closed polygon.

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
