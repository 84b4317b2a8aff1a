"""Functions of two variables: profiles that kernels sample, and how their coefficients vary."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError
from forcedsql.polynomials import chebyshev_terms, powers


class Function2D(Protocol):
    """A real function of two variables."""

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the function at points.

        Parameters
        ----------
        x, y : ndarray, float64
            Coordinates, of shapes that broadcast.  Any value, NaN and infinity included.

        Returns
        -------
        ndarray, float64
            Values of the broadcast shape; NaN or infinity where the function has no value.
        """
        ...


@dataclass(frozen=True, slots=True)
class GaussianFunction2D:
    """An elliptical Gaussian of unit integral, centred on the origin.

    Parameters
    ----------
    sigma1, sigma2 : float, pixel
        Standard deviations along the first and the second principal axis.
    angle : float, radian
        Angle from the x axis to the first principal axis.

    Notes
    -----
    afw ``include/lsst/afw/math/FunctionLibrary.h``, ``GaussianFunction2``.
    """

    sigma1: float
    sigma2: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        _require_positive("GaussianFunction2D", sigma1=self.sigma1, sigma2=self.sigma2)

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the Gaussian at points; see `Function2D.evaluate`."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            u = (cosine * x + sine * y) / self.sigma1
            v = (cosine * y - sine * x) / self.sigma2
            profile: FloatArray = np.exp(-0.5 * (u * u + v * v))
        return profile / (2.0 * math.pi * self.sigma1 * self.sigma2)


@dataclass(frozen=True, slots=True)
class DoubleGaussianFunction2D:
    """Two concentric round Gaussians, together of unit integral.

    Parameters
    ----------
    sigma1, sigma2 : float, pixel
        Standard deviations of the core and of the wings.
    ampl2 : float
        Central value of the wings over that of the core.

    Notes
    -----
    afw ``include/lsst/afw/math/FunctionLibrary.h``, ``DoubleGaussianFunction2``.
    """

    sigma1: float
    sigma2: float
    ampl2: float

    def __post_init__(self) -> None:
        _require_positive("DoubleGaussianFunction2D", sigma1=self.sigma1, sigma2=self.sigma2)

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the sum of the Gaussians at points; see `Function2D.evaluate`."""
        variance1, variance2 = self.sigma1 * self.sigma1, self.sigma2 * self.sigma2
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            r2 = x * x + y * y
            profile: FloatArray = np.exp(-0.5 * r2 / variance1) + self.ampl2 * np.exp(-0.5 * r2 / variance2)
            return profile / (2.0 * math.pi * (variance1 + self.ampl2 * variance2))


@dataclass(frozen=True, slots=True)
class PolynomialFunction2D:
    """A polynomial in x and y.

    Parameters
    ----------
    coefficients : sequence of float
        By total degree: of 1, x, y, x^2, x y, y^2, x^3, ...; 1, 3, 6, 10, ... of them.

    Notes
    -----
    afw ``include/lsst/afw/math/FunctionLibrary.h``, ``PolynomialFunction2``.
    """

    coefficients: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", _triangle("PolynomialFunction2D", self.coefficients))

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the polynomial at points; see `Function2D.evaluate`."""
        order = _order(len(self.coefficients))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            return _by_total_degree(self.coefficients, powers(x, order), powers(y, order))


@dataclass(frozen=True, slots=True)
class Chebyshev1Function2D:
    """A series of Chebyshev polynomials of the first kind in x and y.

    Parameters
    ----------
    coefficients : sequence of float
        By total degree: of 1, T1(x), T1(y), T2(x), T1(x) T1(y), T2(y), ...
    min_x, min_y, max_x, max_y : float, pixel
        Range that is mapped onto [-1, 1] in each axis (no half-pixel margins).

    Notes
    -----
    afw ``include/lsst/afw/math/FunctionLibrary.h``, ``Chebyshev1Function2``.
    """

    coefficients: Sequence[float]
    min_x: float = -1.0
    min_y: float = -1.0
    max_x: float = 1.0
    max_y: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", _triangle("Chebyshev1Function2D", self.coefficients))
        _require_positive(
            "Chebyshev1Function2D", width=self.max_x - self.min_x, height=self.max_y - self.min_y
        )

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the series at points, extrapolated outside the range; see `Function2D.evaluate`."""
        order = _order(len(self.coefficients))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            tx = (x - 0.5 * (self.min_x + self.max_x)) * (2.0 / (self.max_x - self.min_x))
            ty = (y - 0.5 * (self.min_y + self.max_y)) * (2.0 / (self.max_y - self.min_y))
            return _by_total_degree(self.coefficients, chebyshev_terms(tx, order), chebyshev_terms(ty, order))


def _require_positive(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ConfigError(f"{owner}: {name} must be positive and finite, not {value}")


def _order(count: int) -> int:
    return (math.isqrt(8 * count + 1) - 3) // 2


def _triangle(owner: str, coefficients: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in coefficients)
    order = _order(len(values))
    if not values or (order + 1) * (order + 2) // 2 != len(values):
        raise ConfigError(
            f"{owner}: {len(values)} coefficients, but a full order has 1, 3, 6, 10, ... of them"
        )
    return values


def _by_total_degree(
    coefficients: Sequence[float], x_terms: Sequence[FloatArray], y_terms: Sequence[FloatArray]
) -> FloatArray:
    """Sum c X_i(x) Y_j(y) over i + j = 0, 1, 2, ..., the power of y rising within a degree."""
    total = np.zeros(np.broadcast_shapes(x_terms[0].shape, y_terms[0].shape))
    coefficient = iter(coefficients)
    for degree in range(len(x_terms)):
        for j in range(degree + 1):
            total += next(coefficient) * (x_terms[degree - j] * y_terms[j])
    return total
