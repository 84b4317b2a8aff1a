"""What a survey's pipeline would catalogue: fluxes of single sources, without their neighbours.

A catalogued flux is that of the source's own light and of the noise, weighted as the
measurement weights pixels, at the catalogued position.  It is made from the simulation's
parts (truth and noise are known apart), never from `forcedsql.measure`: the light of
neighbours is absent, as after a perfect deblending.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import j1

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.psf.protocol import PsfImages
from forcedsql.schema import PIXEL_FLAGS
from forcedsql.simulate.scene import MASK_PLANES, Setting, SimulatedExposure, Sources
from forcedsql.simulate.stamps import aligned, broadened, cut_out, distances, on_plane, square_frames

_FOOTPRINT_SIGMAS = 3.0
_SMALLEST_CENTROID_ERROR = 0.002


@dataclass(frozen=True, slots=True, eq=False)
class PsfFluxes:
    """Aperture-corrected PSF fluxes, their errors (nJy), and whether the stamp is cut off; each (n,)."""

    flux: FloatArray
    error: FloatArray
    correction: FloatArray
    edge: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class ApertureFluxes:
    """Fluxes in a circle and their errors (nJy), NaN where it leaves the image; each (n,)."""

    flux: FloatArray
    error: FloatArray


def psf_fluxes(
    sources: Sources, x: FloatArray, y: FloatArray, setting: Setting, noise: FloatArray, variance: FloatArray
) -> PsfFluxes:
    """Return the least-squares PSF amplitude of each source alone, aperture-corrected.

    Parameters
    ----------
    sources : Sources
        n sources, at their true positions.
    x, y : ndarray, (n,) float64, pixel
        Positions at which they are measured.
    setting : Setting
    noise, variance : ndarray, (ny, nx), nJy and nJy^2
        Noise image and variance of the exposure.

    Notes
    -----
    flux = c sum(m d) / sum(m^2), error = c sqrt(sum(m^2 v)) / sum(m^2), with the PSF m at the
    position, c the aperture correction, d the source's own light plus the noise.
    """
    model = setting.psf.images(x, y)
    inside = on_plane(noise.shape, setting.xy0, model)
    m = np.where(inside, model.values, 0.0)
    data = aligned(_own_light(sources, setting), model) + cut_out(noise, setting.xy0, model)
    correction = setting.correction(x, y)
    norm = np.sum(m * m, axis=(1, 2))
    flux = correction * np.sum(m * data, axis=(1, 2)) / norm
    spread = np.sum(m * m * cut_out(variance, setting.xy0, model), axis=(1, 2))
    error = correction * np.sqrt(spread) / norm
    return PsfFluxes(flux, error, correction, np.any(~inside, axis=(1, 2)))


def aperture_fluxes(
    sources: Sources,
    x: FloatArray,
    y: FloatArray,
    radius: float,
    setting: Setting,
    noise: FloatArray,
    variance: FloatArray,
) -> ApertureFluxes:
    """Return the flux of each source alone in a circle; parameters as for `psf_fluxes`.

    The own light is the exact integral of the band-limited profile (Bickerton & Lupton 2013,
    MNRAS 431, 1275); the noise is summed with weights that fall from 1 to 0 over the pixel on
    the circle.
    """
    frames = square_frames(x, y, int(radius) + 1)
    weights = np.clip(radius + 0.5 - distances(frames, x, y), 0.0, 1.0)
    profile = broadened(setting.psf.kernel_images(sources.x, sources.y), sources.sigma)
    amplitude = sources.flux / setting.correction(sources.x, sources.y)
    enclosed = np.tensordot(profile.values, circle_weights(profile, radius), axes=2)
    flux = amplitude * enclosed + np.sum(weights * cut_out(noise, setting.xy0, frames), axis=(1, 2))
    error = np.sqrt(np.sum(weights**2 * cut_out(variance, setting.xy0, frames), axis=(1, 2)))
    whole = on_plane(noise.shape, setting.xy0, frames).all(axis=(1, 2))
    return ApertureFluxes(np.where(whole, flux, np.nan), np.where(whole, error, np.nan))


def circle_weights(profile: PsfImages, radius: float) -> FloatArray:
    """Return pixel weights, (h, w), whose sum over a centred image is its flux in a circle.

    They are the circle's sharp edge limited to the frequencies that pixels can carry: its
    transform is r J1(2 pi k r) / k.
    """
    _, height, width = profile.values.shape
    side = 4 * max(height, width, int(2 * radius))
    k = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    k[0, 0] = 1.0
    transform = radius * j1(2.0 * np.pi * k * radius) / k
    transform[0, 0] = np.pi * radius**2
    weights = np.fft.fftshift(np.fft.ifft2(transform).real)
    row, column = side // 2 + int(profile.y0[0]), side // 2 + int(profile.x0[0])
    return weights[row : row + height, column : column + width]


def measured_positions(
    sources: Sources, error: FloatArray, setting: Setting, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return positions with the errors of a centroid: sqrt(2) sigma / (signal to noise) per axis.

    Parameters
    ----------
    sources : Sources
    error : ndarray, (n,) float64, nJy
        Error of the PSF flux at the true position.
    setting : Setting
    rng : numpy.random.Generator

    Returns
    -------
    x, y : ndarray, (n,) float64, pixel
    """
    width = np.hypot(psf_sigma(setting, sources.x, sources.y), sources.sigma)
    scatter = np.maximum(np.sqrt(2.0) * width * error / sources.flux, _SMALLEST_CENTROID_ERROR)
    step_x, step_y = rng.standard_normal((2, len(sources)))
    return sources.x + scatter * step_x, sources.y + scatter * step_y


def pixel_flags(
    simulated: SimulatedExposure, x: FloatArray, y: FloatArray, setting: Setting
) -> dict[str, BoolArray]:
    """Return pixel flags by their name without prefix: ``saturated``, ``saturatedCenter``.

    The footprint is a circle of three PSF sigmas around the position, the centre the 3x3
    pixels around its pixel.
    """
    sigma = psf_sigma(setting, x, y)
    frames = square_frames(x, y, int(np.ceil(_FOOTPRINT_SIGMAS * sigma.max())) + 1)
    footprint = distances(frames, x, y) <= _FOOTPRINT_SIGMAS * sigma[:, None, None]
    near = cut_out(simulated.exposure.mask, setting.xy0, frames)
    centre = cut_out(simulated.exposure.mask, setting.xy0, square_frames(x, y, 1))
    flags = {}
    for flag in PIXEL_FLAGS:
        bit = 1 << MASK_PLANES[flag.plane]
        flags[flag.name] = np.any(footprint & (near & bit != 0), axis=(1, 2))
        flags[f"{flag.name}Center"] = np.any(centre & bit != 0, axis=(1, 2))
    return flags


def psf_sigma(setting: Setting, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the sigma of the PSF, (n,) in pixels, from its adaptive moments."""
    xx, yy, _ = setting.psf.shapes(x, y).T
    return np.asarray(np.sqrt((xx + yy) / 2.0))


def selected(sources: Sources, which: BoolArray | IntArray | Sequence[int]) -> Sources:
    """Return some of the sources."""
    return Sources(sources.x[which], sources.y[which], sources.flux[which], sources.sigma[which])


def _own_light(sources: Sources, setting: Setting) -> PsfImages:
    amplitude = sources.flux / setting.correction(sources.x, sources.y)
    stamps = broadened(setting.psf.images(sources.x, sources.y), sources.sigma)
    return PsfImages.of_one_size(amplitude[:, None, None] * stamps.values, stamps.x0, stamps.y0, stamps.valid)
