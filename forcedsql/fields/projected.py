"""Fields that need a sky projection: of coadds, of pixel areas, of transforms."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.ast.frame_set import transform_text
from forcedsql.ast.library import AstMapping
from forcedsql.fields.bounded_field import BoundedField
from forcedsql.footprints import CoaddFootprints, Footprint
from forcedsql.geometry import Box, Polygon
from forcedsql.wcs import SkyWcs


@dataclass(frozen=True, slots=True, eq=False)
class CoaddFieldElement:
    """What one input contributes to a field over a coadd.

    Parameters
    ----------
    field : BoundedField
        In the input's own pixels; it counts within its box only.
    wcs : SkyWcs
        Of the input.
    valid_polygon : Polygon or None
        In the input's pixels.
    weight : float
    """

    field: BoundedField
    wcs: SkyWcs
    valid_polygon: Polygon | None
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class CoaddField:
    """The weighted mean of the fields of those inputs that cover a position.

    Parameters
    ----------
    bbox : Box
        Of the coadd, in its parent pixels.
    coadd_wcs : SkyWcs
    elements : sequence of CoaddFieldElement
    default : float
        Value where no input has any.

    Notes
    -----
    meas_algorithms ``src/CoaddBoundedField.cc``.  After a file, LSST never throws where data are
    missing: that switch is not stored.
    """

    bbox: Box
    coadd_wcs: SkyWcs
    elements: Sequence[CoaddFieldElement]
    default: float = 0.0
    _footprints: CoaddFootprints = field(init=False)

    def __post_init__(self) -> None:
        footprints = [Footprint(part.wcs, part.field.bbox, part.valid_polygon) for part in self.elements]
        object.__setattr__(self, "_footprints", CoaddFootprints(self.coadd_wcs, footprints))

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the mean over inputs; see `BoundedField.evaluate`."""
        total, weights = np.zeros(np.shape(x)), np.zeros(np.shape(x))
        for cover in self._footprints.covers(x, y):
            part = self.elements[cover.index]
            with np.errstate(over="ignore", invalid="ignore"):
                total[cover.rows] += part.weight * part.field.evaluate(cover.x, cover.y)
                weights[cover.rows] += part.weight
        missing = weights == 0.0
        value = np.where(missing, self.default, total / np.where(missing, 1.0, weights))
        return np.where(np.isfinite(x) & np.isfinite(y), value, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class PixelAreaField:
    """The area of a pixel on the sky, times a constant.

    Parameters
    ----------
    bbox : Box
    wcs : SkyWcs
    scaling : float
        Of an area in steradians.

    Notes
    -----
    The parallelogram of a position and its neighbours one pixel away along x and y, as in afw
    ``src/math/PixelAreaBoundedField.cc``.
    """

    bbox: Box
    wcs: SkyWcs
    scaling: float

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return scaled pixel areas; see `BoundedField.evaluate`."""
        ra, dec = np.radians(
            self.wcs.pixel_to_sky(np.concatenate([x, x + 1.0, x]), np.concatenate([y, y, y + 1.0]))
        )
        vectors = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
        corner, right, above = vectors.reshape(3, len(x), 3)
        area: FloatArray = np.linalg.norm(np.cross(right - corner, above - corner), axis=1)
        return self.scaling * area


class TransformField:
    """A field given by an AST mapping from two axes to one.

    Parameters
    ----------
    bbox : Box
    text : str
        AST dump (afw ``src/math/TransformBoundedField.cc``).

    Raises
    ------
    ReadError, FileLimitError, UnknownAstClassError
        As `forcedsql.ast.frame_set.transform_text`.
    """

    def __init__(self, bbox: Box, text: str) -> None:
        self.bbox = bbox
        self._mapping = AstMapping(transform_text(text, axes=(2, 1)), what="field", invertible=False)

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the mapping's values; see `BoundedField.evaluate`."""
        value: FloatArray = self._mapping.forward(np.array([x, y]))[0]
        return value
