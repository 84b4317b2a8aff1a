"""Which rows and columns of an image a measurement looks at, so that no others need be read."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.geometry import nearest_pixel
from forcedsql.measure.batch import Batch
from forcedsql.measure.footprint_shape import footprint_quadrupole
from forcedsql.measure.sinc import SincAperture
from forcedsql.pixel_rows import rows_around
from forcedsql.plugins import Plugin

_MARGIN = 3
"""Pixels added to every reach: kernels look two pixels beyond a circle, and from ``floor(y)``."""


def read_needed_rows(batch: Batch, plugins: Iterable[Plugin], config: MeasurementConfig) -> None:
    """Read the pixels that plugins look at, as far as they are not in memory.

    One plugin that does not declare its reach makes it the whole image.

    Raises
    ------
    ReadError
        If the exposure's file is damaged there, or has changed.
    """
    exposure = batch.exposure
    pixel_reach = mask_reach = 0
    for plugin in plugins:
        reach = max(exposure.shape) if plugin.reach is None else plugin.reach(batch, config)
        pixel_reach = max(pixel_reach, reach)
        mask_reach = max(mask_reach, reach if plugin.reads_mask else 0)
    count, row = exposure.shape[0], nearest_pixel(batch.y) - exposure.xy0[1]
    exposure.read_rows(
        rows_around(row, pixel_reach, count),
        rows_around(row, mask_reach, count),
        _columns_around(batch, max(pixel_reach, mask_reach)),
    )


def _columns_around(batch: Batch, reach: int) -> slice | None:
    """Return the columns within reach of any position; None for all of them."""
    if batch.kernel.needs_whole_rows:
        return None
    column = nearest_pixel(batch.x) - batch.exposure.xy0[0]
    return slice(int(column.min()) - reach, int(column.max()) + reach + 1)


def no_reach(_: Batch, __: MeasurementConfig) -> int:
    """Return the reach of a plugin that looks at no pixels: 0."""
    return 0


def psf_box_reach(batch: Batch, _: MeasurementConfig) -> int:
    """Return how many rows and columns the boxes of the PSF images reach from the positions."""
    images = batch.psf_images
    if images is None or not images.valid.any():
        return 0
    across = _box_reach(batch.x, images.x0, images.width, images.valid)
    return max(across, _box_reach(batch.y, images.y0, images.height, images.valid)) + _MARGIN


def _box_reach(position: FloatArray, start: IntArray, length: IntArray, valid: BoolArray) -> int:
    first = start[valid] - nearest_pixel(position[valid])
    return int(max(-first.min(), (first + length[valid]).max()))


def footprint_reach(batch: Batch, config: MeasurementConfig) -> int:
    """Return how many pixels the footprints reach, never less than the central 3x3 pixels need."""
    quadrupole = footprint_quadrupole(batch.psf_shapes, len(batch), config)
    return whole_pixels(math.sqrt(np.nanmax(quadrupole[:, :2], initial=0.0)), batch)


def aperture_reach(batch: Batch, *, sinc: Sequence[SincAperture], circles: Sequence[float]) -> int:
    """Return how many rows and columns apertures of both kinds reach.

    Sinc apertures are placed in single precision, which far from the origin of the parent
    pixels is coarser than a pixel.
    """
    misplaced = max(np.abs(v.astype(np.float32) - v).max(initial=0.0) for v in (batch.x, batch.y))
    radii = [aperture.width // 2 + misplaced for aperture in sinc] + list(circles)
    return whole_pixels(max(radii, default=0.0), batch)


def whole_pixels(radius: float, batch: Batch) -> int:
    """Return how many rows and columns a radius in pixels reaches, at most those of the image."""
    most = max(batch.exposure.shape)
    return most if not radius < most else math.ceil(radius) + _MARGIN
