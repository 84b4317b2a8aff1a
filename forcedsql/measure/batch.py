"""A batch of positions on their way through the plugins."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray, IntArray
from forcedsql.errors import ConfigError
from forcedsql.exposure import Exposure
from forcedsql.geometry import Box, nearest_pixel
from forcedsql.measure.kernels import Kernel, Planes
from forcedsql.measure.stamps import Stamps
from forcedsql.psf.protocol import PsfImages
from forcedsql.schema import INVALID_PSF as INVALID_PSF_COLUMN

Columns = dict[str, AnyArray]
"""Values by `schema.Column.source` name, one array per column."""

INVALID_PSF = INVALID_PSF_COLUMN.source
"""Column that any plugin raises which met a position without a PSF model."""

STANDARD_PLANES = frozenset(
    ("BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA")
)
"""The mask planes of afw ``src/image/Mask.cc`` that every exposure may be asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Positions on one image, with the PSF there.

    Every position is finite and lies on a pixel of the image.

    Parameters
    ----------
    exposure : Exposure
    planes : Planes
        The exposure's pixels as kernels take them.
    kernel : Kernel
    x, y : ndarray, (n,) float64, pixel
        Parent coordinates.
    psf_images : PsfImages or None
        PSF at each position; None where the exposure has no PSF.
    psf_shapes : ndarray, (n, 3) float64, pixel^2, or None
        Its adaptive moments xx, yy, xy; NaN where the PSF is invalid.
    measured : dict
        What the plugins before have measured, (n,) each, by `schema.Column.source` name;
        fluxes are in the exposure's own unit.
    """

    exposure: Exposure
    planes: Planes
    kernel: Kernel
    x: FloatArray
    y: FloatArray
    psf_images: PsfImages | None
    psf_shapes: FloatArray | None
    measured: Columns = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def bbox(self) -> Box:
        """Box of the image in parent pixels."""
        return self.exposure.bbox

    @property
    def local_pixel(self) -> tuple[IntArray, IntArray]:
        """Column and row of the array element that each position lies on."""
        x0, y0 = self.exposure.xy0
        return nearest_pixel(self.x) - x0, nearest_pixel(self.y) - y0

    @property
    def local_position(self) -> tuple[FloatArray, FloatArray]:
        """Positions as fractional column and row of the arrays."""
        x0, y0 = self.exposure.xy0
        return self.x - x0, self.y - y0

    def stamps(self, half: int) -> Stamps:
        """Return the pixels around each position: squares of 2 half + 1 pixels a side.

        The PSF on the same pixels is `psf_images`, each with its own box.
        """
        return Stamps.around(self.planes, *self.local_pixel, half, self.exposure.xy0)

    @property
    def psf_radius(self) -> FloatArray:
        """Determinant radius of the PSF at each position, (n,) in pixels; NaN without a PSF."""
        if self.psf_shapes is None:
            return np.full(len(self), np.nan)
        xx, yy, xy = self.psf_shapes.T
        return np.asarray((xx * yy - xy * xy) ** 0.25)

    def known_planes(self, planes: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of LSST's standard mask planes that the exposure has, and all others as given.

        LSST knows the standard planes in every process; a file without one can never match it.
        """
        return tuple(p for p in planes if p in self.exposure.mask_planes or p not in STANDARD_PLANES)


def groups_of_one_size(images: PsfImages) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield the rows of valid images that share a size, and those images, (rows, h, w)."""
    largest = images.block.shape[2] + 1
    sizes = images.height * largest + images.width
    for size in np.unique(sizes[images.valid]):
        height, width = divmod(int(size), largest)
        rows = np.flatnonzero(images.valid & (sizes == size))
        if len(rows) == len(images.values) and images.values.shape[1:] == (height, width):
            yield rows, images.values
        else:
            yield rows, images.values[rows, :height, :width]


def invalid_psf(batch: Batch) -> BoolArray:
    """Tell, (n,) bool, where no PSF model can be evaluated."""
    if batch.psf_images is None:
        return np.ones(len(batch), np.bool_)
    return ~batch.psf_images.valid


def plane_bits(exposure: Exposure, planes: tuple[str, ...], *, option: str) -> int:
    """Return the OR of the bits of mask planes that a configuration names.

    Raises
    ------
    ConfigError
        If the exposure lacks one of them.
    """
    bits = 0
    for plane in planes:
        if plane not in exposure.mask_planes:
            known = ", ".join(sorted(exposure.mask_planes)) or "none"
            raise ConfigError(f"{option}: the exposure has no mask plane {plane!r}; it has {known}")
        bits |= 1 << exposure.mask_planes[plane]
    return _as_int32(bits)


def _as_int32(bits: int) -> int:
    return bits - (1 << 32) if bits >= 1 << 31 else bits
