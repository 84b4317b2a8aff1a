"""The parts of a plain image put together as an exposure, with a record of where each is from."""

from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array
from forcedsql.errors import ReadError
from forcedsql.exposure import Exposure
from forcedsql.fields.calibration import PhotoCalib
from forcedsql.open_options import OpenOptions, recognised_profile
from forcedsql.psf.protocol import Psf
from forcedsql.readers.cards import Cards
from forcedsql.readers.plain import sdss
from forcedsql.readers.plain.conventions import Parts, find_parts
from forcedsql.readers.plain.flux_scale import (
    PixelUnit,
    electrons_per_unit,
    exposure_seconds,
    flux_scale,
    number_option,
    pixel_area_at,
    pixel_unit,
)
from forcedsql.readers.plain.identity import exposure_info
from forcedsql.readers.plain.locations import Folder, Hdu
from forcedsql.readers.plain.mask import ReadMask, no_mask, read_mask
from forcedsql.readers.plain.variance import NoiseModel, NoisePlane, has_weight, variance_plane
from forcedsql.sky_noise import BELIEVABLE, NOT_SKY, Sky, find_sky, robust_rms, stated_ratio
from forcedsql.wcs import FitsWcs, SkyWcs, has_sky_cards

_ARCSEC_PER_RADIAN = 206264.80624709636
# A sky that is further from zero than this part of the noise is not subtracted.
_ZERO_LEVEL = 0.5

SKY_IS_LEFT = ("still in the image", "said to be subtracted, but")
"""How the words on the background begin where the image has a sky: known of, or denied."""


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """What an image is made of, before its pixels are read.

    Parameters
    ----------
    parts : Parts
    options : OpenOptions
        Those that were asked for, with all that stands behind them.
    frame : sdss.Frame or None
    recognised : bool
        Whether the survey's profile was found by the file's name and header.
    """

    parts: Parts
    options: OpenOptions
    frame: sdss.Frame | None
    recognised: bool

    @property
    def pinned(self) -> OpenOptions:
        """Options that open the same files again, whatever comes to lie beside them later."""
        parts, science = self.parts, self.parts.science
        mask = "" if self.frame is not None and self.frame.mask is not None else "none"
        return replace(
            self.options,
            profile=self.options.profile or "none",
            science=f"[{science.number}]",
            error="none" if parts.error is None else _place(parts.error, science),
            error_kind=parts.error_kind,
            mask=mask if parts.mask is None else _place(parts.mask, science),
            psf=parts.psf or "none",
        ).with_absolute_paths()


def resolve(folder: Folder, options: OpenOptions) -> Resolved:
    """Find out what an image is made of; see `forcedsql.readers.plain.read_exposure`."""
    frame = sdss.find_frame(folder)
    recognised = ""
    if frame is not None:
        options = frame.options.updated(options)
    elif not options.profile:
        recognised = recognised_profile(folder.path.name, folder.file.cards(0))
    if recognised:
        options = OpenOptions.from_profile(recognised).updated(options)
    return Resolved(find_parts(folder, options), options, frame, bool(recognised))


def read_parts(folder: Folder, resolved: Resolved) -> Exposure:
    """Read the pixels of all parts of an image; see `forcedsql.readers.plain.read_exposure`."""
    parts, options, frame = resolved.parts, resolved.options, resolved.frame
    cards = {**folder.file.cards(0), **parts.science.cards}
    unit = pixel_unit(options.unit or str(cards.get("BUNIT", "")))
    image = _image(parts.science, cards, options)
    wcs = _wcs(folder, parts.science, options, frame)
    mask = _mask(parts, frame, options, image)
    error = None if parts.error is None else _plane(parts.error, image, what="error")
    noise, sky, good = _noise(image, error, mask, parts, cards, unit, options)
    height, width = image.shape
    x0, y0 = options.xy0
    area = pixel_area_at(wcs, x0 + (width - 1) / 2.0, y0 + (height - 1) / 2.0)
    scale = flux_scale(unit, cards, options, exposure_seconds(cards, options), area)
    psf = _psf(folder, parts.psf, (height, width), options.xy0, area)
    origins = {
        "image": _image_words(resolved, unit, cards),
        "error": _words(parts, "error", parts.error, noise.how) + _noise_words(noise, sky, good),
        "mask": _words(parts, "mask", parts.mask, mask.how),
        "PSF": _psf_words(parts, psf),
        "zero point": scale.how + ("" if scale.factor is None else f"; 1 unit is {scale.factor:.8g} nJy"),
        "background": _background_words(options, sky, robust_rms(sky.residual, good)),
    }
    for name, note in ({} if frame is None else frame.notes).items():
        origins[name] += f" ({note})"
    return Exposure(
        image=image,
        mask=mask.planes.array,
        variance=noise.variance,
        mask_planes=mask.planes.planes,
        xy0=options.xy0,
        wcs=wcs,
        psf=psf,
        photo_calib=None if scale.factor is None else PhotoCalib(scale.factor),
        unit=unit.name,
        info=exposure_info(cards, options),
        origins=origins,
    )


def _place(hdu: Hdu, science: Hdu) -> str:
    return f"[{hdu.number}]" if hdu.path == science.path else f"{hdu.path}[{hdu.number}]"


def _image(science: Hdu, cards: Cards, options: OpenOptions) -> Float32Array:
    values = science.file.pixels(science.number).values
    pedestal = number_option(options.pedestal, cards, "pedestal") or 0.0
    image: Float32Array = (values - pedestal if pedestal else values).astype(np.float32, order="C")
    return image


def _plane(hdu: Hdu, image: AnyArray, *, what: str) -> AnyArray:
    values = hdu.file.pixels(hdu.number).values
    if values.shape != image.shape:
        raise ReadError(f"the {what} {hdu.label} is {values.shape} pixels, the image {image.shape}")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _wcs(folder: Folder, science: Hdu, options: OpenOptions, frame: sdss.Frame | None) -> SkyWcs | None:
    if options.wcs == "none":
        return None
    if frame is not None and frame.wcs is not None and not options.wcs and options.xy0 == (0, 0):
        return frame.wcs
    hdu = folder.find(options.wcs, science, what="wcs") if options.wcs else science
    if not has_sky_cards(hdu.cards):
        if options.wcs:
            raise ReadError(f"wcs: {hdu.label} has no celestial projection")
        return None
    return FitsWcs(hdu.cards, options.xy0)


def _mask(parts: Parts, frame: sdss.Frame | None, options: OpenOptions, image: AnyArray) -> ReadMask:
    height, width = image.shape
    if parts.mask is not None:
        values = _plane(parts.mask, image, what="mask")
        return read_mask(values, parts.mask.cards, parts.mask_kind, options.mask_codes)
    if frame is not None and frame.mask is not None and options.mask != "none":
        return sdss.read_mask(frame.mask, (height, width))
    return no_mask((height, width))


def _noise(
    image: Float32Array,
    error: AnyArray | None,
    mask: ReadMask,
    parts: Parts,
    cards: Cards,
    unit: PixelUnit,
    options: OpenOptions,
) -> tuple[NoisePlane, Sky, BoolArray]:
    """Make the variance, and set the planes that the pixels themselves tell of."""
    planes = mask.planes
    saturation = number_option(options.saturation, cards, "saturation")
    if saturation is not None:
        planes.set("SAT", image >= saturation)
    finite = np.isfinite(image)
    planes.set("NO_DATA", ~finite)
    weighted = finite if error is None else finite & has_weight(error)
    # A pixel without weight is a fault of its own only where the mask does not say which.
    planes.set("NO_DATA", ~weighted & ~planes.has())
    good = weighted & ~planes.has(*NOT_SKY)
    sky = find_sky(image, good)
    model = NoiseModel(
        kind=parts.error_kind,
        electrons=electrons_per_unit(unit, cards, options),
        read_variance=number_option(options.read_variance, cards, "read_variance") or 0.0,
        photon_noise=options.photon_noise,
    )
    return variance_plane(image, error, good, sky, model), sky, good


def _psf(
    folder: Folder, spec: str, shape: tuple[int, int], xy0: tuple[int, int], area: float | None
) -> Psf | None:
    if not spec:
        return None
    # Images that have no PSF need none of its readers.
    open_psf = import_module("forcedsql.readers.psf_spec").open_psf
    scale = None if area is None else float(np.sqrt(area)) * _ARCSEC_PER_RADIAN
    psf: Psf = open_psf(spec, shape=shape, xy0=xy0, pixel_scale=scale, before_opening=folder.admit)
    return psf


def _words(parts: Parts, name: str, hdu: Hdu | None, how: str) -> str:
    if hdu is None:
        return how
    return f"{how}, from {hdu.label}" + (" (found by its name)" if name in parts.guessed else "")


def _noise_words(noise: NoisePlane, sky: Sky, good: BoolArray) -> str:
    ratio = stated_ratio(sky, noise.variance, good)
    if not np.isfinite(ratio):
        return "; there is no sky to check it by"
    sigma = float(np.sqrt(np.median(noise.variance[good])))
    words = f"; {sigma:.4g} per pixel, the sky's own noise is {ratio:.3f} times that"
    return words + ("" if abs(ratio - 1.0) <= BELIEVABLE else ": DOUBTFUL")


def _image_words(resolved: Resolved, unit: PixelUnit, cards: Cards) -> str:
    parts, options = resolved.parts, resolved.options
    words = f"{parts.science.label} in {unit.name or 'a unit that is not said'}"
    if parts.images > 1:
        words += f", the first of {parts.images} images (another: --hdu, or the option science)"
    if options.profile not in ("", "none"):
        words += f", profile {options.profile}" + (" (recognised)" if resolved.recognised else "")
    pedestal = number_option(options.pedestal, cards, "pedestal")
    return words + (f", less {pedestal:g}" if pedestal else "")


def _psf_words(parts: Parts, psf: Psf | None) -> str:
    if psf is None:
        return "none: apertures and flags only; give --psf, or the option psf"
    return f"{psf.kind} of {parts.psf}" + (" (found by its name)" if "psf" in parts.guessed else "")


def _background_words(options: OpenOptions, sky: Sky, rms: float) -> str:
    if not np.isfinite(sky.level) or not rms > 0:
        return f"taken as {options.background or 'subtracted'}; there is no sky to look at"
    present = abs(sky.level) > _ZERO_LEVEL * rms
    level = f"its level is {sky.level:.4g}, {sky.level / rms:.3g} times the noise of a pixel"
    if options.background == "subtracted" and present:
        return f"{SKY_IS_LEFT[1]} {level}"
    if present or options.background == "present":
        return f"{SKY_IS_LEFT[0]}, {level}: set subtract_background to local or mesh to take it off"
    return f"subtracted, {level}"
