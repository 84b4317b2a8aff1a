"""Variance scaling: a variance plane that agrees with the scatter of the sky."""

from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array
from forcedsql.errors import ConfigError
from forcedsql.exposure import Exposure
from forcedsql.measure.background import background_image

MASK_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT", "NO_DATA", "INTRP")
"""Planes whose pixels are no sky."""

BIN_SIZE, LARGEST_FACTOR = 32, 10.0

_SIGMA_PER_IQR = 0.74


@dataclass(frozen=True, slots=True, eq=False)
class ScaledExposure:
    """An exposure with its variance scaled, and the factor."""

    exposure: Exposure
    factor: float


_scaled: WeakKeyDictionary[Exposure, ScaledExposure] = WeakKeyDictionary()
_scaled_lock = Lock()


def scale_variance(exposure: Exposure) -> ScaledExposure:
    """Return an exposure whose variance agrees with the scatter of its sky; made once per exposure.

    The exposure that is given keeps its own variance plane.

    Raises
    ------
    ConfigError
        If the variance would have to be multiplied by more than 10.
    """
    with _scaled_lock:
        scaled = _scaled.get(exposure)
        if scaled is None:
            factor = variance_factor(exposure)
            variance = exposure.variance * np.float32(factor)
            scaled = ScaledExposure(replace(exposure, variance=variance), factor)
            _scaled[exposure] = scaled
    return scaled


def variance_factor(exposure: Exposure) -> float:
    """Return the factor that makes the variance plane agree with the sky's scatter.

    A background is taken off first.  The factor is the squared width of image over
    sqrt(variance), from the interquartile range; if that is beyond 10, of the image itself
    over the median variance (meas_algorithms ``python/lsst/meas/algorithms/scaleVariance.py``).

    Raises
    ------
    ConfigError
        If both are beyond 10.
    """
    bad = masked_as_no_sky(exposure)
    background = background_image(exposure.image, bad, bin_size=BIN_SIZE).astype(np.float32)
    sky = exposure.image - background
    good = ~bad & np.isfinite(sky) & np.isfinite(exposure.variance) & (exposure.variance > 0)
    if np.count_nonzero(good) < 2:
        return 1.0
    factor = _squared_width(sky[good] / np.sqrt(exposure.variance[good]))
    if factor > LARGEST_FACTOR:
        factor = _squared_width(sky[good]) / float(np.median(exposure.variance[good]))
    if factor > LARGEST_FACTOR:
        raise ConfigError(
            f"do_scale_variance: the variance would be multiplied by {factor:.3g}, and no more than "
            f"{LARGEST_FACTOR:g} is believable; look at the exposure, or measure it without the option"
        )
    return factor


def masked_as_no_sky(exposure: Exposure) -> BoolArray:
    """Tell, (ny, nx) bool, which pixels have a plane of `MASK_PLANES`, of those that the exposure has."""
    bits = sum(1 << exposure.mask_planes[plane] for plane in MASK_PLANES if plane in exposure.mask_planes)
    return np.asarray((exposure.mask.astype(np.int64) & bits) != 0)


def _squared_width(values: Float32Array) -> float:
    low, high = np.percentile(values, (25, 75))
    return float((_SIGMA_PER_IQR * (high - low)) ** 2)
