"""base_CircularApertureFlux: fluxes inside circles of fixed radius."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.geometry import nearest_pixel
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.reach import aperture_reach
from forcedsql.measure.sinc import SincAperture, SincShift, sinc_aperture
from forcedsql.plugins import FLUX_ORDER, Plugin
from forcedsql.schema import (
    APERTURE_PLUGIN,
    Column,
    aperture_lsst_prefix,
    aperture_source_prefix,
    flag_column,
    flux_columns,
)


def aperture_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of every aperture."""
    return tuple(
        column
        for radius in config.radii
        for column in _columns_of_radius(radius, sinc=_uses_sinc(radius, config))
    )


def _uses_sinc(radius: float, config: MeasurementConfig) -> bool:
    return config.aperture_method == "sinc" and radius <= config.max_sinc_radius


def _columns_of_radius(radius: float, *, sinc: bool) -> list[Column]:
    source, lsst, words = aperture_source_prefix(radius), aperture_lsst_prefix(radius), f"{radius:g} pixel"
    columns = [
        *flux_columns(source, lsst, f"flux inside a circle of {radius:g} pixels radius"),
        flag_column(f"{source}_flag", f"{lsst}_flag", f"the {words} aperture could not be measured"),
        flag_column(
            f"{source}_flag_apertureTruncated",
            f"{lsst}_flag_apertureTruncated",
            f"the {words} aperture reaches over the edge of the image",
        ),
    ]
    if sinc:
        columns.append(
            flag_column(
                f"{source}_flag_sincCoeffsTruncated",
                f"{lsst}_flag_sincCoeffsTruncated",
                f"the weights of the {words} aperture reach over the edge of the image",
            )
        )
    return columns


def aperture_flux_reach(batch: Batch, config: MeasurementConfig) -> int:
    """Return how many rows and columns the apertures of a configuration reach."""
    sinc = [sinc_aperture(r, config.sinc_shift) for r in config.radii if _uses_sinc(r, config)]
    return aperture_reach(batch, sinc=sinc, circles=config.radii)


def aperture_flux(batch: Batch, config: MeasurementConfig) -> Columns:
    """Measure the flux in circles around fixed positions.

    With `aperture_method` "sinc", circles up to `max_sinc_radius` weight pixels with sinc
    coefficients and larger ones sum the pixels whose centres they contain (meas_base
    ``src/CircularApertureFlux.cc``, ``src/ApertureFlux.cc``).  "exact" weights every pixel by the
    part of it inside the circle, "center" counts centres whatever the radius, those on the
    circle included.  A variance takes the weights squared.  The mask is not looked at, and NaN
    pixels give NaN without a flag.
    """
    columns: Columns = {}
    small = [r for r in config.radii if _uses_sinc(r, config)]
    large = [r for r in config.radii if not _uses_sinc(r, config)]
    if small:
        columns |= _sinc_fluxes(batch, small, config.sinc_shift)
    if large:
        flux, variance = _circle_sums(batch, large, config)
        for index, radius in enumerate(large):
            truncated = ~circle_fits(batch, radius)
            columns |= _columns(radius, flux[:, index], variance[:, index], truncated)
    return columns


def _circle_sums(
    batch: Batch, radii: list[float], config: MeasurementConfig
) -> tuple[FloatArray, FloatArray]:
    sums = batch.kernel.overlap_sums if config.aperture_method == "exact" else batch.kernel.circle_sums
    return sums(batch.planes, *batch.local_position, radii)


def circle_fluxes(
    batch: Batch, radii: tuple[float, ...], config: MeasurementConfig
) -> tuple[FloatArray, FloatArray]:
    """Return flux and variance in circles, (n, radii) each, with the weights that a radius takes.

    The circles must lie inside the image where a value is wanted; elsewhere it is arbitrary.
    """
    flux, variance = np.full((2, len(batch), len(radii)), np.nan)
    small = [i for i, r in enumerate(radii) if _uses_sinc(r, config)]
    large = [i for i, r in enumerate(radii) if not _uses_sinc(r, config)]
    if small:
        apertures = [sinc_aperture(radii[i], config.sinc_shift) for i in small]
        placed = placement(batch.x, batch.y, config.sinc_shift)
        flux[:, small], variance[:, small] = sinc_sums(batch, apertures, placed)
    if large:
        flux[:, large], variance[:, large] = _circle_sums(batch, [radii[i] for i in large], config)
    return flux, variance


def _sinc_fluxes(batch: Batch, radii: list[float], shift: SincShift) -> Columns:
    apertures = [sinc_aperture(radius, shift) for radius in radii]
    placed = placement(batch.x, batch.y, shift)
    flux, variance = sinc_sums(batch, apertures, placed)
    columns: Columns = {}
    for index, aperture in enumerate(apertures):
        low_x, high_x, low_y, high_y = box = placed.box(aperture.width // 2)
        clipped = ~fits_image(batch, *box)
        truncated = clipped.copy()
        if clipped.any():
            left, right, bottom, top = circle_box(batch.x, batch.y, aperture.radius)
            weighted = (left >= low_x) & (right <= high_x) & (bottom >= low_y) & (top <= high_y)
            truncated &= ~(weighted & circle_fits(batch, aperture.radius))
        columns |= _columns(aperture.radius, flux[:, index], variance[:, index], truncated)
        columns[f"{aperture_source_prefix(aperture.radius)}_flag_sincCoeffsTruncated"] = clipped
    return columns


def _columns(radius: float, flux: FloatArray, variance: FloatArray, truncated: BoolArray) -> Columns:
    prefix = aperture_source_prefix(radius)
    return {
        prefix: np.where(truncated, np.nan, flux),
        f"{prefix}Err": np.where(truncated, np.nan, np.sqrt(variance)),
        f"{prefix}_flag": truncated,
        f"{prefix}_flag_apertureTruncated": truncated,
    }


WholePixelBox = tuple[IntArray, IntArray, IntArray, IntArray]
"""First and last column, first and last row of n boxes, (n,) int64 each, in parent pixels."""


def circle_box(x: FloatArray, y: FloatArray, radius: float | FloatArray) -> WholePixelBox:
    """Return the whole-pixel box that holds each circle.

    A pixel belongs to it when any part of it is under the circle's own box (geom
    ``src/Interval.cc``).
    """
    return (
        np.ceil(x - radius - 0.5).astype(np.int64),
        np.floor(x + radius + 0.5).astype(np.int64),
        np.ceil(y - radius - 0.5).astype(np.int64),
        np.floor(y + radius + 0.5).astype(np.int64),
    )


def circle_fits(batch: Batch, radius: float) -> BoolArray:
    """Tell, (n,) bool, at which positions the `circle_box` of a radius lies inside the image."""
    box = batch.bbox
    return (
        (batch.x - radius - 0.5 > box.x0 - 1)
        & (batch.x + radius + 0.5 < box.x1 + 1)
        & (batch.y - radius - 0.5 > box.y0 - 1)
        & (batch.y + radius + 0.5 < box.y1 + 1)
    )


def fits_image(batch: Batch, left: IntArray, right: IntArray, bottom: IntArray, top: IntArray) -> BoolArray:
    """Tell, (n,) bool, which whole-pixel boxes lie inside the image."""
    box = batch.bbox
    return (left >= box.x0) & (right <= box.x1) & (bottom >= box.y0) & (top <= box.y1)


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """The pixel that each position is given to, and what is left of the position.

    Parameters
    ----------
    x, y : ndarray, (n,) int64, pixel
        Parent coordinates.
    fraction_x, fraction_y : ndarray, (n,) float64, pixel
    """

    x: IntArray
    y: IntArray
    fraction_x: FloatArray
    fraction_y: FloatArray

    def box(self, half: int) -> WholePixelBox:
        """Return the squares of 2 half + 1 pixels a side around the pixels."""
        return self.x - half, self.x + half, self.y - half, self.y + half


def placement(x: FloatArray, y: FloatArray, shift: SincShift) -> Placement:
    """Place sinc coefficients at positions in parent pixels, (n,) float64 each, as a mode of shift does.

    The mode "lanczos5" does as afw ``src/math/offsetImage.cc``: the position passes through single
    precision, and a position within a pixel of the parent origin in both axes is not moved by
    whole pixels at all.
    """
    if shift == "exact":
        centre_x, centre_y = nearest_pixel(x), nearest_pixel(y)
        return Placement(centre_x, centre_y, x - centre_x, y - centre_y)
    single_x, single_y = (v.astype(np.float32).astype(np.float64) for v in (x, y))
    at_origin = (np.abs(single_x) < 1.0) & (np.abs(single_y) < 1.0)
    centre_x = np.where(at_origin, 0, nearest_pixel(single_x))
    centre_y = np.where(at_origin, 0, nearest_pixel(single_y))
    return Placement(centre_x, centre_y, single_x - centre_x, single_y - centre_y)


def sinc_sums(
    batch: Batch, apertures: Sequence[SincAperture], placed: Placement
) -> tuple[FloatArray, FloatArray]:
    """Return flux and variance under sinc coefficients, (n, apertures) float64 each."""
    x0, y0 = batch.exposure.xy0
    return batch.kernel.sinc_sums(
        batch.planes, apertures, placed.x - x0, placed.y - y0, placed.fraction_x, placed.fraction_y
    )


PLUGIN = Plugin(
    name=APERTURE_PLUGIN,
    summary="fluxes inside circles of fixed radius",
    order=FLUX_ORDER,
    columns=aperture_columns,
    measure=aperture_flux,
    reach=aperture_flux_reach,
    reads_mask=False,
)
