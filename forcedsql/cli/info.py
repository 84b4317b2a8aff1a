"""``forcedsql info``: what an exposure file holds, and what that allows to measure."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.narrate import progress, say
from forcedsql.cli.open_options import opens_exposures
from forcedsql.cli.output import count

if TYPE_CHECKING:
    from forcedsql.exposure import Exposure
    from forcedsql.open_options import OpenOptions

Lines = Iterator[tuple[str, str]]

_FIELD_POINTS = 5
"""The field is sampled at this many columns and rows of points."""

_WCS_KINDS = {
    "AstWcs": "that of the archive (AST), which stands above the header's",
    "FitsWcs": "that of the FITS header",
}

_WITHOUT = {
    "wcs": "positions cannot be placed, so nothing can be measured",
    "psf": "no PSF flux and no pixel flags; apertures need --set plugins=base_TransformedCentroidFromCoord,"
    "base_CircularApertureFlux",
    "ap_corr": "no aperture correction; measure with --set do_ap_corr=false",
    "detector": "no base_FPPosition",
    "photo_calib": "fluxes stay in the image's unit; measure with --set calibrate=never",
}


@opens_exposures
def info(
    exposure: Annotated[
        Path, typer.Argument(metavar="EXPOSURE", help="File: afw, lsst.images or plain FITS.")
    ],
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw the PSF over the field, too: png, pdf or svg."),
    ] = None,
    opening: "OpenOptions | None" = None,
) -> None:
    """Describe an exposure, and what it allows to measure.

    Size, units, masks, WCS, PSF over the field, coadd inputs, corrections, calibration, and
    what is missing or not supported, with what that costs.
    """
    from forcedsql.readers import archive_classes, open_exposure

    with progress(f"reading {exposure.name}"):
        opened = open_exposure(exposure, options=opening)
        classes = archive_classes(exposure)
    lines = [("file", str(exposure)), *describe(opened)]
    unknown = [f"{c.name} ({c.count})" for c in classes if not c.known]
    if unknown:
        lines.append(("archive classes not read", ", ".join(unknown)))
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        typer.echo(f"{name:<{width}}  {value}")
    if plot is not None:
        from forcedsql.plots import plot_psf_field

        plot_psf_field(plot, opened, title=exposure.name)
        say(f"PSF over the field: {plot}")


def describe(exposure: "Exposure") -> Lines:
    """Yield (name, value) lines on an exposure."""
    yield from ((f"taken for {part}", words) for part, words in exposure.origins.items())
    yield from _identity(exposure)
    yield from _planes(exposure)
    yield from _sky(exposure)
    yield from _psf(exposure)
    yield from _inputs(exposure)
    yield from _corrections(exposure)
    for component, class_name in exposure.unsupported.items():
        cost = _WITHOUT.get(component, "no effect on what is measured")
        yield "not supported", f"{component} is a {class_name}: {cost}"


def _identity(exposure: "Exposure") -> Lines:
    info = exposure.info
    parts = {
        "visit": info.visit,
        "detector": info.detector,
        "tract": info.tract,
        "patch": info.patch,
        "band": info.band,
        "filter": info.physical_filter,
    }
    yield "identity", ", ".join(f"{k} {v}" for k, v in parts.items() if v not in (None, "")) or "not said"
    if info.mjd is not None:
        yield "mid-exposure", f"MJD {info.mjd:.6f} (TAI)"
    if info.exposure_time is not None:
        yield "exposure time", f"{info.exposure_time:g} s"


def _planes(exposure: "Exposure") -> Lines:
    import numpy as np

    box = exposure.bbox
    yield "size", f"{box.width} x {box.height} pixels, first pixel ({box.x0}, {box.y0})"
    yield "image unit", exposure.unit or "not said"
    image, variance = np.isfinite(exposure.image), np.isfinite(exposure.variance)
    yield (
        "pixels not finite",
        f"{np.count_nonzero(~image):,} in the image, {np.count_nonzero(~variance):,} in the variance",
    )
    if image.any():
        noise = np.sqrt(np.median(exposure.variance[variance & (exposure.variance > 0)]))
        yield "noise per pixel", f"{noise:.4g} {exposure.unit}".rstrip() + " (from the median variance)"
    for name, bit in sorted(exposure.mask_planes.items(), key=lambda item: item[1]):
        set_ = int(np.count_nonzero((exposure.mask >> bit) & 1))
        yield f"mask {bit:>2} {name}", f"{count(set_, 'pixel')} ({100 * set_ / exposure.mask.size:.2g} %)"


def _sky(exposure: "Exposure") -> Lines:
    import numpy as np

    if exposure.wcs is None:
        if "wcs" not in exposure.unsupported:
            yield "WCS", f"none: {_WITHOUT['wcs']}"
        return
    x, y = exposure.bbox.centre
    ra, dec = exposure.wcs.pixel_to_sky(np.array([x, x + 1.0, x]), np.array([y, y, y + 1.0]))
    east, north = (ra - ra[0]) * np.cos(np.deg2rad(dec[0])), dec - dec[0]
    scale = 3600.0 * np.sqrt(abs(east[1] * north[2] - east[2] * north[1]))
    yield "WCS", _WCS_KINDS.get(type(exposure.wcs).__name__, type(exposure.wcs).__name__)
    yield "centre", f"ra {ra[0]:.6f} deg, dec {dec[0]:+.6f} deg (ICRS)"
    yield "pixel scale", f"{scale:.4f} arcsec"


def _psf(exposure: "Exposure") -> Lines:
    import numpy as np

    from forcedsql.psf.protocol import gaussian_fwhm

    if exposure.psf is None:
        if "psf" not in exposure.unsupported:
            yield "PSF", "none: no PSF flux; pixel flags look at a circle of psf_footprint_scaling pixels"
        return
    x, y = exposure.bbox.grid(_FIELD_POINTS)
    images, shapes = exposure.psf.images_and_shapes(x, y)
    middle = len(x) // 2
    size = f"{images.width[middle]} x {images.height[middle]} pixels at the centre"
    yield "PSF", f"{exposure.psf.kind}, {size}" if images.valid[middle] else exposure.psf.kind
    fwhm = gaussian_fwhm(shapes)
    if np.isfinite(fwhm).any():
        low, typical, high = np.nanmin(fwhm), np.nanmedian(fwhm), np.nanmax(fwhm)
        kind = "adaptive moments, as of a Gaussian"
        yield "PSF FWHM", f"{typical:.3f} pixels, {low:.3f} to {high:.3f} over the field ({kind})"
    missing = np.count_nonzero(~images.valid)
    if missing:
        yield "no PSF", f"at {missing} of {len(x)} points over the field: such rows are flagged"


def _inputs(exposure: "Exposure") -> Lines:
    if exposure.coadd_inputs is None:
        return
    inputs = exposure.coadd_inputs
    total = f"{count(len(inputs.visits), 'visit')}, {count(len(inputs.ccds), 'detector image')}"
    if exposure.wcs is not None:
        covering = inputs.count(*exposure.bbox.grid(_FIELD_POINTS), exposure.wcs)
        total += f"; {covering.min()} to {covering.max()} cover a position"
    yield "coadd inputs", total


def _corrections(exposure: "Exposure") -> Lines:
    import numpy as np

    from forcedsql.config import MeasurementConfig
    from forcedsql.measure import flux_unit

    x, y = (np.array([v]) for v in exposure.bbox.centre)
    if exposure.ap_corr is None:
        yield "aperture correction", "none: PSF fluxes stay as they are"
    else:
        fluxes = sorted(n.removesuffix("_instFlux") for n in exposure.ap_corr if n.endswith("_instFlux"))
        yield "aperture corrections", ", ".join(fluxes)
        field = exposure.ap_corr.get("base_PsfFlux_instFlux")
        if field is not None:
            yield "correction of PSF fluxes", f"{field.evaluate(x, y)[0]:.5f} at the centre"
    if exposure.photo_calib is not None:
        calib = exposure.photo_calib
        kind = "constant" if calib.field is None else "varying"
        yield "calibration", f"{calib.factor(x, y)[0]:.6g} nJy per image unit at the centre, {kind}"
    elif "photo_calib" not in exposure.unsupported:
        yield "calibration", "none"
    if "photo_calib" not in exposure.unsupported:
        yield "measured fluxes are in", flux_unit(exposure, MeasurementConfig())
