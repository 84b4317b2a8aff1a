"""Scalar fields over an image: how calibrations and aperture corrections vary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError
from forcedsql.geometry import Box
from forcedsql.polynomials import chebyshev_terms

_NOWHERE = Box(0, 0, 0, 0)


class BoundedField(Protocol):
    """A scalar function of pixel position, defined over a box of an image."""

    @property
    def bbox(self) -> Box:
        """The box, in parent pixels."""
        ...

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the field at parent pixel positions.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Parent coordinates; NaN gives NaN.

        Returns
        -------
        ndarray, (n,) float64
            Values, extrapolated outside the field's box.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConstantField:
    """The same value everywhere.

    Parameters
    ----------
    value : float
    bbox : Box
        Box that it was made for; empty where that is not known.
    """

    value: float
    bbox: Box = _NOWHERE

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the value once per position; see `BoundedField.evaluate`."""
        return np.full(x.shape, self.value)


@dataclass(frozen=True, slots=True, eq=False)
class ChebyshevField:
    """A two-dimensional Chebyshev polynomial of the first kind over a box.

    Parameters
    ----------
    bbox : Box
        Box that is mapped onto [-1, 1] in both axes, half-pixel margins included.
    coefficients : ndarray, (ny, nx) float64
        Coefficient of ``T_i(x) T_j(y)`` at ``[j, i]``.

    Notes
    -----
    The scaling is that of afw ``src/math/ChebyshevBoundedField.cc``: ``2 (x - xc) / width``.
    """

    bbox: Box
    coefficients: FloatArray

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the polynomial at positions; see `BoundedField.evaluate`."""
        centre_x, centre_y = self.bbox.centre
        ny, nx = self.coefficients.shape
        tx = chebyshev_terms((x - centre_x) * (2.0 / max(self.bbox.width, 1)), nx - 1)
        ty = chebyshev_terms((y - centre_y) * (2.0 / max(self.bbox.height, 1)), ny - 1)
        value = np.zeros(np.shape(x))
        for j in range(ny):
            row = np.zeros(np.shape(x))
            for i in range(nx):
                row += self.coefficients[j, i] * tx[i]
            value += row * ty[j]
        return value


@dataclass(frozen=True, slots=True)
class ProductField:
    """The product of fields (afw ``src/math/ProductBoundedField.cc``).

    Parameters
    ----------
    factors : sequence of BoundedField
        At least one, all over the same box.

    Raises
    ------
    ConfigError
        If there is none, or their boxes differ.
    """

    factors: Sequence[BoundedField]

    def __post_init__(self) -> None:
        _require_one_box(self.factors, owner="ProductField", part="factor")

    @property
    def bbox(self) -> Box:
        """The box of every factor, in parent pixels."""
        return self.factors[0].bbox

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the product of the factors; see `BoundedField.evaluate`."""
        value = np.ones(np.shape(x))
        for factor in self.factors:
            value = value * factor.evaluate(x, y)
        return value


@dataclass(frozen=True, slots=True)
class SumField:
    """The sum of fields (lsst.images ``fields/_sum.py``).

    Parameters
    ----------
    terms : sequence of BoundedField
        At least one, all over the same box.

    Raises
    ------
    ConfigError
        If there is none, or their boxes differ.
    """

    terms: Sequence[BoundedField]

    def __post_init__(self) -> None:
        _require_one_box(self.terms, owner="SumField", part="term")

    @property
    def bbox(self) -> Box:
        """The box of every term, in parent pixels."""
        return self.terms[0].bbox

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the sum of the terms; see `BoundedField.evaluate`."""
        value = np.zeros(np.shape(x))
        for term in self.terms:
            value = value + term.evaluate(x, y)
        return value


def _require_one_box(fields: Sequence[BoundedField], *, owner: str, part: str) -> None:
    if not fields:
        raise ConfigError(f"{owner}: it has no {part}")
    boxes = {field.bbox for field in fields}
    if len(boxes) > 1:
        raise ConfigError(f"{owner}: its {part}s have several boxes, {boxes}")
