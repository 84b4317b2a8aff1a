"""Maps from the pixels of one image to those of another, and what they look like from near."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.ast.frame_set import transform_text
from forcedsql.ast.library import AstMapping
from forcedsql.wcs import SkyWcs

PointMap = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From positions (x, y), each (n,) float64 pixels, to positions; NaN where there is none."""

_STEP = 0.5


class Transform(Protocol):
    """A map from source pixels to destination pixels that can be inverted.

    Implementations may be called from several threads.
    """

    def forward(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return destination positions of source positions, (n,) float64 pixels; NaN for none."""
        ...

    def inverse(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return source positions of destination positions, (n,) float64 pixels; NaN for none."""
        ...


class AstTransform:
    """The map that the text of an AST Mapping or FrameSet describes.

    Parameters
    ----------
    text : str
        AST dump, as a TransformPoint2ToPoint2 holds it; what precedes ``Begin`` is ignored.

    Raises
    ------
    ReadError
        If the text is damaged, or no invertible map of two axes to two.
    FileLimitError, UnknownAstClassError
        As `forcedsql.ast.frame_set.transform_text`.
    """

    def __init__(self, text: str) -> None:
        self._mapping = AstMapping(transform_text(text, axes=(2, 2)), what="transform")

    def forward(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return destination positions; see `Transform.forward`."""
        moved_x, moved_y = self._mapping.forward(np.array([x, y]))
        return moved_x, moved_y

    def inverse(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return source positions; see `Transform.inverse`."""
        moved_x, moved_y = self._mapping.inverse(np.array([x, y]))
        return moved_x, moved_y


@dataclass(frozen=True, slots=True)
class SkyTransform:
    """The map between two images of the same sky.

    Parameters
    ----------
    source, destination : SkyWcs
    """

    source: SkyWcs
    destination: SkyWcs

    def forward(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return destination positions; see `Transform.forward`."""
        return self.destination.sky_to_pixel(*self.source.pixel_to_sky(x, y))

    def inverse(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return source positions; see `Transform.inverse`."""
        return self.source.sky_to_pixel(*self.destination.pixel_to_sky(x, y))


@dataclass(frozen=True, slots=True, eq=False)
class LocalMaps:
    """What maps from source to destination pixels look like near n points.

    Parameters
    ----------
    x, y : ndarray, (n,) float64, pixel
        Source positions of the points.
    matrix : ndarray, (n, 2, 2) float64
        Derivative of destination (x, y) by source (x, y).
    inverse : ndarray, (n, 2, 2) float64
        Derivative of source (x, y) by destination (x, y).
    """

    x: FloatArray
    y: FloatArray
    matrix: FloatArray
    inverse: FloatArray

    @property
    def valid(self) -> BoolArray:
        """Whether position and derivatives exist, (n,) bool."""
        defined: BoolArray = np.isfinite(self.x) & np.isfinite(self.y)
        defined &= np.isfinite(self.matrix).all(axis=(1, 2)) & np.isfinite(self.inverse).all(axis=(1, 2))
        return defined


def local_maps(forward: PointMap, x: FloatArray, y: FloatArray) -> LocalMaps:
    """Return derivatives of a map from source to destination at source positions.

    Parameters
    ----------
    forward : callable
        The map.
    x, y : ndarray, (n,) float64, pixel
        Source positions.

    Notes
    -----
    Central differences over one pixel.  LSST takes AST's own numerical derivative (afw
    ``include/lsst/afw/geom/Transform.h``), one point at a time; on sky projections the two agree
    to some 1e-7.  The inverse is taken of the matrix: a polynomial's inverse may be iterative,
    slow and rough.
    """
    count = len(x)
    steps_x = np.concatenate([x + _STEP, x - _STEP, x, x])
    steps_y = np.concatenate([y, y, y + _STEP, y - _STEP])
    moved = np.stack(forward(steps_x, steps_y)).reshape(2, 2, 2, count)
    # Axes: destination axis, source axis, point.
    differences = (moved[:, :, 0] - moved[:, :, 1]) / (2.0 * _STEP)
    (a, b), (c, d) = differences
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        determinant = a * d - b * c
        inverse = np.array([[d, -b], [-c, a]]) / determinant
    return LocalMaps(x, y, differences.transpose(2, 0, 1), inverse.transpose(2, 0, 1))
