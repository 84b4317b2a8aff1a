"""Which rows of an image a measurement looks at, so that no others need be read."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from forcedsql.config import MeasurementConfig
from forcedsql.geometry import nearest_pixel
from forcedsql.measure.batch import Batch
from forcedsql.measure.footprint_shape import footprint_quadrupole
from forcedsql.measure.sinc import SincAperture
from forcedsql.pixel_rows import rows_around
from forcedsql.plugins import Plugin

_MARGIN = 3
"""Rows added to every reach: kernels look two rows beyond a circle, and from ``floor(y)``."""


def read_needed_rows(batch: Batch, plugins: Iterable[Plugin], config: MeasurementConfig) -> None:
    """Read the rows that plugins look at, as far as they are not in memory.

    One plugin that does not declare its reach makes it all rows.

    Raises
    ------
    ReadError
        If the exposure's file is damaged there, or has changed.
    """
    count = batch.exposure.shape[0]
    pixel_reach = mask_reach = 0
    for plugin in plugins:
        reach = count if plugin.reach is None else plugin.reach(batch, config)
        pixel_reach = max(pixel_reach, reach)
        mask_reach = max(mask_reach, reach if plugin.reads_mask else 0)
    row = nearest_pixel(batch.y) - batch.exposure.xy0[1]
    batch.exposure.read_rows(rows_around(row, pixel_reach, count), rows_around(row, mask_reach, count))


def no_reach(_: Batch, __: MeasurementConfig) -> int:
    """Return the reach of a plugin that looks at no pixels: 0 rows."""
    return 0


def psf_box_reach(batch: Batch, _: MeasurementConfig) -> int:
    """Return how many rows the boxes of the PSF images reach from the positions."""
    images = batch.psf_images
    if images is None or not images.valid.any():
        return 0
    first = images.y0[images.valid] - nearest_pixel(batch.y[images.valid])
    last = first + images.height[images.valid]
    return int(max(-first.min(), last.max())) + _MARGIN


def footprint_reach(batch: Batch, config: MeasurementConfig) -> int:
    """Return how many rows the footprints reach, never less than the central 3x3 pixels need."""
    quadrupole = footprint_quadrupole(batch.psf_shapes, len(batch), config)
    return whole_rows(math.sqrt(np.nanmax(quadrupole[:, :2], initial=0.0)), batch)


def aperture_reach(batch: Batch, *, sinc: Sequence[SincAperture], circles: Sequence[float]) -> int:
    """Return how many rows apertures of both kinds reach.

    Sinc apertures are placed in single precision, which far from the origin of the parent
    pixels is coarser than a pixel.
    """
    misplaced = np.abs(batch.y.astype(np.float32) - batch.y).max(initial=0.0)
    radii = [aperture.width // 2 + misplaced for aperture in sinc] + list(circles)
    return whole_rows(max(radii, default=0.0), batch)


def whole_rows(radius: float, batch: Batch) -> int:
    """Return how many rows a radius in pixels reaches, at most those of the image."""
    count = batch.exposure.shape[0]
    return count if not radius < count else math.ceil(radius) + _MARGIN
