"""The simulated sky: projections, and stars and galaxies on it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.fields.calibration import AB_ZERO_POINT
from forcedsql.wcs import AstWcs, SkyWcs
from forcedsql.writer.projection import FitsProjection

PIXEL_SCALE = 0.2
"""Arcseconds per pixel, as of the LSST cameras."""

FIRST_OBJECT_ID = 611253629533290496
"""Id of the first object of every simulated survey, of the size of DP1's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMix:
    """What sources there are.

    Parameters
    ----------
    bright, faint : float, mag
        Range of AB magnitudes.
    slope : float
        Number counts grow as 10^(slope m).
    galaxy_fraction : float
        Share of galaxies; the others are stars.
    galaxy_sigma : (float, float), pixel
        Range of galaxy sizes (sigma of a round Gaussian).
    cell : float, pixel
        There is one source in each square of this side, somewhere in its middle.
    keep_clear : float, pixel
        Least distance between the sources of two squares.
    companion_fraction : float
        Share of sources with a companion 4 to 9 pixels away: the blends.
    """

    bright: float = 17.0
    faint: float = 24.8
    slope: float = 0.2
    galaxy_fraction: float = 0.25
    galaxy_sigma: tuple[float, float] = (0.8, 2.5)
    cell: float = 33.0
    keep_clear: float = 15.0
    companion_fraction: float = 0.07


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """Sources on the sky.

    Parameters
    ----------
    ra, dec : ndarray, (n,) float64, degree
        ICRS.
    flux : ndarray, (n,) float64, nJy
    sigma : ndarray, (n,) float64, pixel
        Size of galaxies; 0 for stars.
    blended : ndarray, (n,) bool
        Whether the source has a companion.
    """

    ra: FloatArray
    dec: FloatArray
    flux: FloatArray
    sigma: FloatArray
    blended: BoolArray


def tangent_wcs(
    sky: tuple[float, float],
    pixel: tuple[float, float],
    *,
    rotation: float = 0.0,
    a: Mapping[tuple[int, int], float] | None = None,
    b: Mapping[tuple[int, int], float] | None = None,
) -> AstWcs:
    """Return a tangent projection of 0.2 arcsec pixels, east to the left when not rotated.

    Parameters
    ----------
    sky : (float, float), degree
        ICRS position of the tangent point.
    pixel : (float, float), pixel
        Its parent position.
    rotation : float, degree
        Of the image, counter-clockwise.
    a, b : mapping of (int, int) to float, optional
        SIP distortion; see `FitsProjection`.
    """
    cosine, sine = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    scale = PIXEL_SCALE / 3600.0
    cd = scale * np.array([[-cosine, sine], [sine, cosine]])
    projection = FitsProjection(crval=sky, crpix=pixel, cd=cd, a=a or {}, b=b or {})
    return AstWcs(projection.ast_text())


def random_sky(
    wcs: SkyWcs,
    centre: tuple[float, float],
    half_width: float,
    mix: SourceMix,
    rng: np.random.Generator,
) -> Sky:
    """Return sources in a square on the sky.

    Parameters
    ----------
    wcs : SkyWcs
        Projection in whose pixels the square lies.
    centre : (float, float), pixel
    half_width : float, pixel
    mix : SourceMix
    rng : numpy.random.Generator

    Returns
    -------
    Sky
    """
    x, y, blended = _positions(half_width, mix, rng)
    ra, dec = wcs.pixel_to_sky(centre[0] + x, centre[1] + y)
    # Inverse of the cumulative counts, which are a power of ten of the magnitude.
    low, high = 10.0 ** (mix.slope * np.array([mix.bright, mix.faint]))
    magnitude = np.log10(rng.uniform(low, high, len(x))) / mix.slope
    galaxy = rng.random(len(x)) < mix.galaxy_fraction
    sigma = np.where(galaxy, rng.uniform(*mix.galaxy_sigma, len(x)), 0.0)
    return Sky(ra, dec, 10.0 ** (0.4 * (AB_ZERO_POINT - magnitude)), sigma, blended)


def _positions(
    half_width: float, mix: SourceMix, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, BoolArray]:
    count = int(2.0 * half_width / mix.cell)
    corners = (np.arange(count) + 0.5) * mix.cell - half_width
    x, y = (axis.ravel() for axis in np.meshgrid(corners, corners))
    jitter = (mix.cell - mix.keep_clear) / 2.0
    x = x + rng.uniform(-jitter, jitter, x.size)
    y = y + rng.uniform(-jitter, jitter, y.size)
    paired = rng.random(x.size) < mix.companion_fraction
    distance = rng.uniform(4.0, 9.0, paired.sum())
    angle = rng.uniform(0.0, 2.0 * np.pi, paired.sum())
    x = np.concatenate([x, x[paired] + distance * np.cos(angle)])
    y = np.concatenate([y, y[paired] + distance * np.sin(angle)])
    return x, y, np.concatenate([paired, np.ones(len(distance), dtype=bool)])
