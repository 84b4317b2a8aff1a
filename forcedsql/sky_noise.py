"""Level and noise of the sky in an image, measured on its pixels between the sources."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special

from forcedsql.arrays import AnyArray, BoolArray, Float32Array, FloatArray
from forcedsql.exposure import Exposure

NOT_SKY = ("BAD", "SAT", "CR", "INTRP", "EDGE", "NO_DATA", "SUSPECT")
"""Mask planes whose pixels say nothing of the noise of the sky."""

BELIEVABLE = 0.2
"""Part by which the noise of the sky and the stated one may differ before something is wrong."""

_TILE = 64
_CLIP = 3.0
_PASSES = 3
_SOURCE_MARGIN = 3
_FEWEST_PIXELS = 16
_SAMPLE = 1_000_000
_MOST_VARIANCE = 9.0

_SIGMA_PER_DEVIATION = 1.0 / (np.sqrt(2.0) * special.erfinv(0.5))
# What is left of a Gaussian after clipping has a smaller median deviation.
_SIGMA_PER_CLIPPED_DEVIATION = 1.0 / (np.sqrt(2.0) * special.erfinv(0.5 * special.erf(_CLIP / np.sqrt(2.0))))


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """What an image shows between its sources.

    Parameters
    ----------
    residual : ndarray, (ny, nx) float32
        Image minus its background, in the unit of the image.
    level : float
        Median of the background.
    """

    residual: Float32Array
    level: float


def noise_ratio(exposure: Exposure) -> float:
    """Return the noise that the sky of an exposure has, over that which its variance plane states.

    Parameters
    ----------
    exposure : Exposure
        Pixels of the planes `NOT_SKY` are left out, and sources.

    Returns
    -------
    float
        1 for a variance that is right; NaN where too few pixels are left.
    """
    bits = sum(1 << exposure.mask_planes[name] for name in NOT_SKY if name in exposure.mask_planes)
    variance = exposure.variance
    good = ((exposure.mask.astype(np.int64) & bits) == 0) & np.isfinite(exposure.image)
    good &= np.isfinite(variance) & (variance > 0)
    sky = find_sky(exposure.image, good)
    return stated_ratio(sky, variance, good)


def stated_ratio(sky: Sky, variance: AnyArray, good: BoolArray) -> float:
    """Return the noise of a sky over that which a variance plane states; see `noise_ratio`."""
    if not good.any():
        return float("nan")
    # Pixels of very little weight are as good as masked, and mostly hold something else than sky.
    good = good & (variance <= _MOST_VARIANCE * np.median(variance[good]))
    with np.errstate(divide="ignore", invalid="ignore"):
        return robust_rms(sky.residual / np.sqrt(variance), good)


def find_sky(image: AnyArray, good: BoolArray) -> Sky:
    """Take a smooth background off an image.

    The background is the clipped median of tiles of 64 pixels, interpolated linearly.

    Parameters
    ----------
    image : ndarray, (ny, nx)
    good : ndarray, (ny, nx) bool
        Pixels that count: finite, and neither masked nor without weight.

    Returns
    -------
    Sky
        Its level is NaN where no pixel is good.
    """
    grid, centres = _tile_medians(image, good)
    if not np.isfinite(grid).any():
        return Sky(np.array(image, dtype=np.float32), float("nan"))
    level = float(np.nanmedian(grid))
    grid = np.where(np.isfinite(grid), grid, level)
    rows, columns = (_interpolation(n, at) for n, at in zip(image.shape, centres, strict=True))
    background = (rows @ grid @ columns.T).astype(np.float32)
    return Sky((image - background).astype(np.float32), level)


def robust_rms(residual: AnyArray, good: BoolArray) -> float:
    """Return the standard deviation of the noise, whatever sources there are.

    Pixels beyond 3 sigma are left out with those up to 3 pixels from them, and the rest's
    median absolute deviation counts, as that of a Gaussian clipped there.

    Parameters
    ----------
    residual : ndarray, (ny, nx)
        Image without its background; divided by anything that the noise is proportional to.
    good : ndarray, (ny, nx) bool

    Returns
    -------
    float
        NaN where fewer than 16 pixels are left.
    """
    residual, good = _sample(residual), _sample(good)
    values = residual[good]
    if values.size < _FEWEST_PIXELS:
        return float("nan")
    centre = float(np.median(values))
    sigma = _SIGMA_PER_DEVIATION * float(np.median(np.abs(values - centre)))
    for _ in range(_PASSES):
        with np.errstate(invalid="ignore"):
            far = good & (np.abs(residual - centre) > _CLIP * sigma)
        kept = good & ~ndimage.maximum_filter(far, size=2 * _SOURCE_MARGIN + 1)
        values = residual[kept]
        if values.size < _FEWEST_PIXELS:
            break
        centre = float(np.median(values))
        sigma = _SIGMA_PER_CLIPPED_DEVIATION * float(np.median(np.abs(values - centre)))
    return float(sigma)


def _sample(plane: AnyArray) -> AnyArray:
    """Return bands of rows spread over a plane, of about a million pixels if it has more.

    They give the noise to a part in a thousand; neighbours stay neighbours in them.
    """
    height, width = plane.shape
    bands = -(-_SAMPLE // (_TILE * width))
    if height * width <= 2 * _SAMPLE or bands * _TILE >= height:
        return plane
    starts = np.linspace(0, height - _TILE, bands).astype(int)
    return np.concatenate([plane[start : start + _TILE] for start in starts])


def _tile_medians(image: AnyArray, good: BoolArray) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Return clipped medians of tiles, NaN for empty ones, and the tiles' centres along y and x."""
    # A quarter of the pixels gives a tile's median to a few hundredths of the noise.
    step = 2 if image.size > _SAMPLE else 1
    edges = [np.linspace(0, n, max(1, round(n / _TILE)) + 1).astype(int) for n in image.shape]
    medians = np.full([len(e) - 1 for e in edges], np.nan)
    for i, j in np.ndindex(*medians.shape):
        part = (slice(edges[0][i], edges[0][i + 1], step), slice(edges[1][j], edges[1][j + 1], step))
        medians[i, j] = _clipped_median(image[part][good[part]])
    centres = tuple((e[:-1] + e[1:] - 1) / 2.0 for e in edges)
    return medians, (centres[0], centres[1])


def _clipped_median(values: AnyArray) -> float:
    for _ in range(_PASSES):
        if not values.size:
            return float("nan")
        centre = np.median(values)
        deviation = np.abs(values - centre)
        values = values[deviation <= _CLIP * _SIGMA_PER_DEVIATION * np.median(deviation)]
    return float(np.median(values))


def _interpolation(count: int, centres: FloatArray) -> FloatArray:
    """Return weights, (count, m), that interpolate values at m centres linearly to every pixel."""
    unit = np.eye(len(centres))
    at = np.arange(count)
    return np.stack([np.interp(at, centres, column) for column in unit], axis=1)
