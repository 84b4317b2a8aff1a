"""The terms of polynomials, from the lowest degree up, in the order of operations that LSST has."""

import numpy as np

from forcedsql.arrays import FloatArray


def powers(t: FloatArray, degree: int) -> list[FloatArray]:
    """Return 1, t, t^2, ..., t^degree, each of the shape of `t`; 1 for NaN too."""
    terms = [np.ones_like(t)]
    for _ in range(degree):
        terms.append(terms[-1] * t)
    return terms


def chebyshev_terms(t: FloatArray, degree: int) -> list[FloatArray]:
    """Return the Chebyshev polynomials of the first kind, T_0(t) to T_degree(t); T_0 is 1 for NaN too."""
    terms = [np.ones_like(t), t]
    while len(terms) <= degree:
        terms.append(2.0 * t * terms[-1] - terms[-2])
    return terms[: degree + 1]
