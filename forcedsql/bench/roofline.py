"""What a measurement must cost: its bytes and operations against what one core can move and do.

The count is a floor: every sum that the definitions ask for, once; iterations of adaptive
moments, flags, sky projection and bookkeeping come on top.
"""

import math
from dataclasses import dataclass

from forcedsql.bench.machine import Machine
from forcedsql.bench.psf_models import PsfModel
from forcedsql.config import MeasurementConfig
from forcedsql.measure.sinc import TAPS, sinc_aperture

_PSF_SUM_FLOPS = 10
"""Per pixel: m^2, m d, m^2 v, and the chi^2 of the fit."""

_APERTURE_FLOPS = 5
"""Per pixel of a sinc aperture: c d, c^2 v."""

_PLANE_BYTES = 4 + 4 + 4
"""Of a pixel's image, variance and mask."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """The least that one position costs.

    Parameters
    ----------
    psf : str
        Title of the PSF model.
    count : int
        Positions on the image.
    bytes_each, flops_each : float
        Moved from memory, and done, per position.
    memory_us, compute_us : float, microsecond
        What they take on one core of the machine.
    measured_us : float, microsecond
        What forcedsql takes; NaN where it was not timed.
    """

    psf: str
    count: int
    bytes_each: float
    flops_each: float
    memory_us: float
    compute_us: float
    measured_us: float

    @property
    def floor_us(self) -> float:
        """The larger of the two: one can hide behind the other."""
        return max(self.memory_us, self.compute_us)


def roofline(model: PsfModel, machine: Machine, *, side: int, count: int, measured_us: float) -> Roofline:
    """Return the floor for a PSF model and a number of positions on an image of ``side`` pixels."""
    config = MeasurementConfig()
    flops = model.flops + model.width**2 * _PSF_SUM_FLOPS + aperture_flops(config)
    moved = bytes_per_source(config, side=side, count=count)
    return Roofline(
        model.title,
        count,
        moved,
        flops,
        moved / machine.gigabytes_per_second / 1e3,
        flops / machine.gigaflops / 1e3,
        measured_us,
    )


def aperture_flops(config: MeasurementConfig) -> float:
    """Return the operations of all apertures of a configuration at one position.

    A sinc aperture's coefficients are a sum of as many products as its factorisation has
    terms, whose two vectors are moved by ten taps each; other apertures add up the image and
    the variance of the pixels in the circle.
    """
    flops = 0.0
    for radius in config.radii:
        if radius <= config.max_sinc_radius:
            circle = sinc_aperture(radius, config.sinc_shift)
            moving = 2 * 2 * TAPS * circle.width * circle.rank
            flops += circle.width**2 * (2 * circle.rank + _APERTURE_FLOPS) + moving
        else:
            flops += 2 * math.pi * radius**2
    return flops


def bytes_per_source(config: MeasurementConfig, *, side: int, count: int) -> float:
    """Return the bytes that must come from memory for one position.

    Few positions read the box around their largest aperture each; many share the planes,
    which are read once.
    """
    box = (2 * math.ceil(max(config.radii)) + 1) ** 2
    return _PLANE_BYTES * min(box, side**2 / count)
