"""Noise replacement: the other listed positions hidden under noise while one is measured.

LSST does this one source after the other (meas_base ``python/lsst/meas/base/noiseReplacer.py``).
Here all sources that are too far apart to see each other are uncovered and measured together,
and every pixel has its own deviate: the result does not depend on the order of the
catalogue, and equal seeds give equal fluxes.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from forcedsql.arrays import Float32Array, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.measure.footprint_shape import footprint_quadrupole
from forcedsql.measure.spans import Groups, Spans, clipped_statistics, ellipse_spans

_SMALLEST_REACH = 64.0
"""Pixels around a position that any measurement may look at; large apertures look further."""


def uncovered_in_turn(
    exposure: Exposure, x: FloatArray, y: FloatArray, config: MeasurementConfig
) -> Iterator[tuple[IntArray, Exposure]]:
    """Yield rows and the exposure on which they are to be measured, until every row had its turn.

    Parameters
    ----------
    exposure : Exposure
        It is not changed.
    x, y : ndarray, (n,) float64, pixel
        Parent coordinates of every listed position on the image, all finite.
    config : MeasurementConfig

    Yields
    ------
    rows : ndarray, (m,) int64
    exposure : Exposure
        The footprints of all positions hold noise, but for those of `rows`; see
        `footprint_quadrupole`.
    """
    x0, y0 = exposure.xy0
    psf_shapes = None if exposure.psf is None else exposure.psf.shapes(x, y)
    quadrupole = footprint_quadrupole(psf_shapes, len(x), config)
    footprints = ellipse_spans(x - x0, y - y0, quadrupole, exposure.image.shape)
    covered = exposure.image.copy()
    noise = noise_plane(exposure, config)
    for _, row, column in footprints.blocks():
        covered[row, column] = noise[row, column]
    for rows in _groups_out_of_sight(x, y, _reach(config) + _largest_radius(quadrupole)):
        image = covered.copy()
        for _, row, column in _some(footprints, rows).blocks():
            image[row, column] = exposure.image[row, column]
        yield rows, replace(exposure, image=image)


def noise_plane(exposure: Exposure, config: MeasurementConfig) -> Float32Array:
    """Return the noise that hides sources, (ny, nx) float32, in the unit of the image.

    Its mean and width follow `noise_source`: "measure", the clipped mean and scatter of the
    whole image; "variance", the square root of each pixel's variance; "variance_median",
    that of the median variance; "meta", the square root of the background that the file
    states (BGMEAN), or "measure" where it states none.  `noise_offset` is added.
    """
    mean, sigma = _mean_and_sigma(exposure, config.noise_source)
    deviates = np.random.default_rng(config.noise_seed).standard_normal(exposure.image.shape, np.float32)
    return np.asarray(deviates * sigma + np.float32(mean + config.noise_offset), dtype=np.float32)


def _mean_and_sigma(exposure: Exposure, source: str) -> tuple[float, Float32Array]:
    if source == "variance":
        positive = np.isfinite(exposure.variance) & (exposure.variance > 0.0)
        return 0.0, np.sqrt(np.where(positive, exposure.variance, np.float32(0.0)))
    if source == "variance_median":
        finite = exposure.variance[np.isfinite(exposure.variance)]
        return 0.0, np.sqrt(np.float32(max(float(np.median(finite)), 0.0) if finite.size else 0.0))
    background = exposure.info.background_mean
    if source == "meta" and background is not None and background > 0.0:
        return 0.0, np.sqrt(np.float32(background))
    values = np.sort(exposure.image[np.isfinite(exposure.image)])
    everything = Groups(values, np.zeros(1, np.int64), np.array([len(values)]))
    mean, sigma = clipped_statistics(everything, sigmas=3.0, iterations=3)
    return float(np.nan_to_num(mean[0])), np.nan_to_num(sigma[0]).astype(np.float32)


def _reach(config: MeasurementConfig) -> float:
    """Return how many pixels from its position a measurement may look."""
    return max(*config.radii, _SMALLEST_REACH) + 1.0


def _largest_radius(quadrupole: FloatArray) -> float:
    """Return how many pixels from its position a footprint may reach."""
    widths = quadrupole[:, :2][np.isfinite(quadrupole[:, :2])]
    return float(np.sqrt(widths.max(initial=0.0))) + 1.0


def _some(spans: Spans, rows: IntArray) -> Spans:
    wanted = np.zeros(spans.count, np.bool_)
    wanted[rows] = True
    kept = wanted[spans.owner]
    return Spans(spans.count, spans.owner[kept], spans.row[kept], spans.left[kept], spans.right[kept])


def _groups_out_of_sight(x: FloatArray, y: FloatArray, distance: float) -> Iterator[IntArray]:
    """Split positions into groups whose members are further than a distance from each other.

    Each group is as large as it can be made with what the groups before have left: rounds of
    Luby's algorithm (1986, SIAM J. Comput. 15, 1036), with fixed priorities.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    n = len(x)
    a, b = cKDTree(np.stack([x, y], axis=1)).query_pairs(distance, output_type="ndarray").T
    priority = np.random.default_rng(0).permutation(n)
    left = np.ones(n, np.bool_)
    while left.any():
        chosen, undecided = np.zeros(n, np.bool_), left.copy()
        while undecided.any():
            live = undecided[a] & undecided[b]
            rival = np.full(n, -1)
            np.maximum.at(rival, a[live], priority[b[live]])
            np.maximum.at(rival, b[live], priority[a[live]])
            won = undecided & (priority > rival)
            chosen |= won
            undecided &= ~won
            undecided[b[won[a]]] = False
            undecided[a[won[b]]] = False
        left &= ~chosen
        kept = left[a] & left[b]
        a, b = a[kept], b[kept]
        yield np.flatnonzero(chosen)
