"""Sums over circles in which a pixel counts by the part of it that the circle covers.

This is the meaning of `Kernel.overlap_sums`.  Geometry as in photutils'
``CircularAperture(method="exact")``, sep's ``subpix=0`` and, but for its sampling of the rim,
SExtractor.
"""

import math
from collections.abc import Sequence

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.geometry import nearest_pixel
from forcedsql.measure.kernels.cutouts import batches, cutouts
from forcedsql.measure.kernels.protocol import Planes


def overlap_sums(
    planes: Planes, x: FloatArray, y: FloatArray, radii: Sequence[float]
) -> tuple[FloatArray, FloatArray]:
    """Return flux and variance in circles, (n, radii) float64 each; see `Kernel.overlap_sums`."""
    flux, variance = np.empty((2, len(x), len(radii)))
    for index, radius in enumerate(radii):
        half = math.ceil(radius)
        size = 2 * half + 1
        for part in batches(len(x), size * size):
            column, row = nearest_pixel(x[part]) - half, nearest_pixel(y[part]) - half
            weights, touched = (
                values.reshape(len(row), -1)
                for values in overlap_weights(column - x[part], row - y[part], size, radius)
            )
            image, noise = (
                cutouts(plane, column, row, size, size).reshape(weights.shape)
                for plane in (planes.image, planes.variance)
            )
            flux[part, index] = np.where(touched, weights * image, 0.0).sum(axis=1)
            variance[part, index] = np.where(touched, weights * weights * noise, 0.0).sum(axis=1)
    return flux, variance


def overlap_weights(
    left: FloatArray, bottom: FloatArray, size: int, radius: float
) -> tuple[FloatArray, BoolArray]:
    """Return the part of each pixel that a circle around the origin covers.

    Parameters
    ----------
    left, bottom : ndarray, (n,) float64, pixel
        Centre of the first pixel of each box, as seen from the circle's centre.
    size : int
        Side of the boxes.
    radius : float, pixel

    Returns
    -------
    weights : ndarray, (n, size, size) float64
        0 for pixels outside, 1 for pixels inside, in between on the rim.
    touched : ndarray, (n, size, size) bool
        Which pixels the circle touches at all, decided without rounding of areas.

    Notes
    -----
    A pixel is the difference of four rectangles that reach from the centre to its corners.
    The circle covers ``a b`` of the rectangle to (a, b) if that corner is inside, and otherwise
    half of ``P(a) + P(b)`` with ``P(c) = c sqrt(r^2 - c^2) + r^2 (asin(c / r) - pi / 4)``.
    """
    across, along = (start[:, None] - 0.5 + np.arange(size + 1) for start in (left, bottom))
    u, v = (np.clip(edges, -radius, radius) for edges in (across, along))
    inside = np.square(u)[:, None, :] + np.square(v)[:, :, None] <= radius * radius
    # P of a negative edge is minus that of the positive one, and so is a rectangle's area.
    sign_u, sign_v = np.sign(u), np.sign(v)
    part_u, part_v = _segment(u, sign_u, radius), _segment(v, sign_v, radius)
    cut = 0.5 * (part_u[:, None, :] * sign_v[:, :, None] + part_v[:, :, None] * sign_u[:, None, :])
    corners = np.where(inside, u[:, None, :] * v[:, :, None], cut)
    weights = np.diff(np.diff(corners, axis=1), axis=2)
    near_u, near_v = (np.maximum(np.maximum(e[:, :-1], -e[:, 1:]), 0.0) for e in (across, along))
    touched = np.square(near_u)[:, None, :] + np.square(near_v)[:, :, None] < radius * radius
    return np.where(touched, np.clip(weights, 0.0, 1.0), 0.0), touched


def _segment(edge: FloatArray, sign: FloatArray, radius: float) -> FloatArray:
    chord = edge * np.sqrt(np.maximum(radius * radius - edge * edge, 0.0))
    return np.asarray(chord + radius * radius * (np.arcsin(edge / radius) - sign * (np.pi / 4.0)))
