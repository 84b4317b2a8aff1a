"""The variance plane: from an error image of any kind, or from the image itself."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array
from forcedsql.errors import ReadError
from forcedsql.sky_noise import Sky, robust_rms

_LEAST_OF_SKY = 0.1
_SCALED = ("weight", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseModel:
    """What is known of the noise besides an error image.

    Parameters
    ----------
    kind : str
        Of the error image; see `OpenOptions`.
    electrons : float or None
        Photoelectrons per unit of the image.
    read_variance : float
        Variance of a pixel without light, squared unit of the image; for "counts".
    photon_noise : bool or None
        Whether the photon noise of the sources is added; None for where it is usual.
    """

    kind: str
    electrons: float | None = None
    read_variance: float = 0.0
    photon_noise: bool | None = None

    @property
    def adds_photon_noise(self) -> bool:
        """Whether the photon noise of the sources is added."""
        usual = self.kind in _SCALED and self.electrons is not None
        return usual if self.photon_noise is None else self.photon_noise


@dataclass(frozen=True, slots=True, eq=False)
class NoisePlane:
    """The variance of every pixel, and what it is made of in words.

    Parameters
    ----------
    variance : ndarray, (ny, nx) float32
        Squared unit of the image; infinite where a pixel has no weight.
    how : str
    """

    variance: Float32Array
    how: str


def has_weight(error: AnyArray) -> BoolArray:
    """Tell which pixels an error image of any kind gives weight: it is finite and above 0 there."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.isfinite(error) & (error > 0))


def variance_plane(
    image: AnyArray, error: AnyArray | None, good: BoolArray, sky: Sky, model: NoiseModel
) -> NoisePlane:
    """Make the variance plane.

    Parameters
    ----------
    image : ndarray, (ny, nx)
    error : ndarray, (ny, nx), or None
    good : ndarray, (ny, nx) bool
        Pixels of the sky and of sources: finite, not masked, with weight.
    sky : Sky
        Of the image.
    model : NoiseModel

    Raises
    ------
    ReadError
        If it needs a gain that is not known, or there is no pixel to find the noise by.
    """
    if model.kind == "counts":
        return _of_counts(image, model)
    if error is None:
        variance, how = _of_sky(sky, good)
    else:
        variance, how = _of_image(error, good, sky, model.kind)
    if model.adds_photon_noise:
        if model.electrons is None:
            raise ReadError("photon_noise needs the gain: give gain, in photoelectrons per unit of the image")
        variance = _with_photons(variance, sky, model.electrons)
        how += f", plus photon noise at {model.electrons:g} e- per unit"
    elif model.kind in _SCALED:
        how += ", sources without photon noise (no gain)" if model.electrons is None else ""
    return NoisePlane(variance.astype(np.float32), how)


def _of_counts(image: AnyArray, model: NoiseModel) -> NoisePlane:
    if model.electrons is None:
        raise ReadError(
            "error_kind counts needs the gain: give gain, in photoelectrons per unit of the image"
        )
    # A pixel that noise has brought below zero still has the noise of an empty one.
    variance = np.maximum(image, 0.0) / model.electrons + model.read_variance
    how = f"counts / {model.electrons:g} e- per unit + {model.read_variance:g}"
    return NoisePlane(np.where(variance > 0, variance, np.inf).astype(np.float32), how)


def _of_sky(sky: Sky, good: BoolArray) -> tuple[AnyArray, str]:
    rms = _found(robust_rms(sky.residual, good))
    return np.full(good.shape, rms**2), f"none: the image's own noise, {rms:.4g} per pixel"


def _of_image(error: AnyArray, good: BoolArray, sky: Sky, kind: str) -> tuple[AnyArray, str]:
    weighted = has_weight(error)
    values = np.where(weighted, error, np.nan).astype(np.float64)
    if kind in ("variance", "rms"):
        variance = values if kind == "variance" else values**2
        how = "variance" if kind == "variance" else "rms"
    else:
        variance, how = 1.0 / values, "inverse variance" if kind == "invvar" else "relative weight"
    if kind == "weight":
        scale = _found(robust_rms(sky.residual * np.sqrt(np.where(weighted, error, 0.0)), good))
        variance, how = variance * scale**2, f"{how}, scaled to the image's own noise"
    return np.where(weighted, variance, np.inf), how


def _with_photons(variance: AnyArray, sky: Sky, electrons: float) -> AnyArray:
    """Add the photon noise of what is above the sky.

    Pixels below the sky count with their sign, so that the noise leaves the sum over an aperture
    unbiased; only what would take away most of the variance is held back.
    """
    photons = np.nan_to_num(sky.residual / electrons)
    return np.asarray(variance + np.maximum(photons, -(1.0 - _LEAST_OF_SKY) * variance))


def _found(rms: float) -> float:
    if not (np.isfinite(rms) and rms > 0):
        raise ReadError("the noise of the image cannot be found on its pixels: give an error image")
    return rms
