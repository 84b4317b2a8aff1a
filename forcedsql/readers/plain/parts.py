"""The parts of a plain image put together as an exposure, with a record of where each is from."""

from importlib import import_module

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array
from forcedsql.calibration import PhotoCalib
from forcedsql.errors import ConfigError, ReadError
from forcedsql.exposure import Exposure
from forcedsql.open_options import OpenOptions, recognised_profile
from forcedsql.psf.protocol import Psf
from forcedsql.readers.cards import Cards, integer_card
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
from forcedsql.readers.plain.mask import NOT_SKY, ReadMask, no_mask, read_mask
from forcedsql.readers.plain.variance import NoiseModel, NoisePlane, has_weight, variance_plane
from forcedsql.sky_noise import Sky, find_sky, robust_rms
from forcedsql.wcs import FitsWcs, SkyWcs, has_sky_cards

_ARCSEC_PER_RADIAN = 206264.80624709636
# A sky that is further from zero than this part of the noise is not subtracted.
_ZERO_LEVEL = 0.5


def read_parts(folder: Folder, options: OpenOptions) -> Exposure:
    """Read all parts of an image; see `forcedsql.readers.plain.read_exposure`."""
    frame = sdss.find_frame(folder)
    options, recognised = _with_survey(folder, options, frame)
    parts = find_parts(folder, options)
    cards = {**folder.file.cards(0), **parts.science.cards}
    unit = pixel_unit(options.unit or str(cards.get("BUNIT", "")))
    image = _image(parts.science, cards, options)
    wcs = _wcs(folder, parts.science, options)
    mask = _mask(parts, frame, options, image)
    error = None if parts.error is None else _plane(parts.error, image, what="error")
    noise, sky, good = _noise(image, error, mask, parts, cards, unit, options)
    height, width = image.shape
    x0, y0 = options.xy0
    area = pixel_area_at(wcs, x0 + (width - 1) / 2.0, y0 + (height - 1) / 2.0)
    scale = flux_scale(unit, cards, options, exposure_seconds(cards, options), area)
    psf = _psf(parts.psf, (height, width), options.xy0, area)
    origins = {
        "image": _image_words(parts, options, unit, cards, recognised=recognised),
        "error": _words(parts, "error", parts.error, noise.how),
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


def _with_survey(folder: Folder, options: OpenOptions, frame: sdss.Frame | None) -> tuple[OpenOptions, bool]:
    """Return options with what is known of the image's survey behind them, and whether it was recognised."""
    if frame is not None:
        return frame.options.updated(options), False
    name = "" if options.profile else recognised_profile(folder.path.name, folder.file.cards(0))
    return (OpenOptions.from_profile(name).updated(options), True) if name else (options, False)


def _image(science: Hdu, cards: Cards, options: OpenOptions) -> Float32Array:
    values = science.file.pixels(science.number).values
    if values.dtype.kind not in "fiu":
        raise ReadError(f"{science.label} has pixels of type {values.dtype}; an image has numbers")
    pedestal = number_option(options.pedestal, cards, "pedestal") or 0.0
    image: Float32Array = (values - pedestal if pedestal else values).astype(np.float32, order="C")
    blank = integer_card(science.cards, "BLANK")
    if values.dtype.kind != "f" and blank is not None:
        image[values == blank] = np.nan
    return image


def _plane(hdu: Hdu, image: AnyArray, *, what: str) -> AnyArray:
    values = hdu.file.pixels(hdu.number).values
    if values.shape != image.shape:
        raise ReadError(f"the {what} {hdu.label} is {values.shape} pixels, the image {image.shape}")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _wcs(folder: Folder, science: Hdu, options: OpenOptions) -> SkyWcs | None:
    if options.wcs == "none":
        return None
    hdu = folder.find(options.wcs, science, what="wcs") if options.wcs else science
    if not has_sky_cards(hdu.cards):
        if options.wcs:
            raise ConfigError(f"wcs: {hdu.label} has no celestial projection")
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


def _psf(spec: str, shape: tuple[int, int], xy0: tuple[int, int], area: float | None) -> Psf | None:
    if not spec:
        return None
    # Images that have no PSF need none of its readers.
    open_psf = import_module("forcedsql.readers.psf_spec").open_psf
    scale = None if area is None else float(np.sqrt(area)) * _ARCSEC_PER_RADIAN
    psf: Psf = open_psf(spec, shape=shape, xy0=xy0, pixel_scale=scale)
    return psf


def _words(parts: Parts, name: str, hdu: Hdu | None, how: str) -> str:
    if hdu is None:
        return how
    return f"{how}, from {hdu.label}" + (" (found by its name)" if name in parts.guessed else "")


def _image_words(
    parts: Parts, options: OpenOptions, unit: PixelUnit, cards: Cards, *, recognised: bool
) -> str:
    words = f"{parts.science.label} in {unit.name or 'a unit that is not said'}"
    if parts.images > 1:
        words += f", the first of {parts.images} images (science says which)"
    if options.profile:
        words += f", profile {options.profile}" + (" (recognised)" if recognised else "")
    pedestal = number_option(options.pedestal, cards, "pedestal")
    return words + (f", less {pedestal:g}" if pedestal else "")


def _psf_words(parts: Parts, psf: Psf | None) -> str:
    if psf is None:
        return "none: apertures and flags only; give psf"
    return f"{psf.kind} of {parts.psf}" + (" (found by its name)" if "psf" in parts.guessed else "")


def _background_words(options: OpenOptions, sky: Sky, rms: float) -> str:
    if not np.isfinite(sky.level) or not rms > 0:
        return f"taken as {options.background or 'subtracted'}; there is no sky to look at"
    present = abs(sky.level) > _ZERO_LEVEL * rms
    level = f"its level is {sky.level:.4g}, {sky.level / rms:.2g} times the noise of a pixel"
    if options.background == "subtracted" and present:
        return f"said to be subtracted, but {level}"
    if present or options.background == "present":
        return f"still in the image, {level}: measure with subtract_background"
    return f"subtracted, {level}"
