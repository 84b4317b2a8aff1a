"""PSF stamps of a joint fit, and what becomes of pixels that cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray, IntArray
from forcedsql.exposure import Exposure
from forcedsql.measure.batch import groups_of_one_size, plane_bits
from forcedsql.measure.blend_groups import PixelBoxes
from forcedsql.measure.kernels import Planes, PsfSums, default_kernel
from forcedsql.measure.kernels.cutouts import cutouts, inside_image, seen_pixels
from forcedsql.measure.kernels.protocol import contiguous
from forcedsql.phases import PSF, phase
from forcedsql.psf.protocol import PsfImages

_BATCH_ELEMENTS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class UsablePixels:
    """The pixels of an exposure that a joint fit uses.

    Parameters
    ----------
    planes : Planes
        Image 0 and variance 1 where a pixel is faulty; a mask that is 1 where one is left out.
    faulty : ndarray, (ny, nx) bool
        Pixels whose image or variance is not finite, or whose variance is negative.
    left_out : ndarray, (ny, nx) bool
        The same, and those with a mask plane that is to be left out.
    """

    planes: Planes
    faulty: BoolArray
    left_out: BoolArray

    @property
    def bad_bits(self) -> int:
        """Mask bits of `planes` that leave a pixel out."""
        return int(self.left_out.any())


def usable_pixels(exposure: Exposure, bad_mask_planes: tuple[str, ...]) -> UsablePixels:
    """Return the pixels of an exposure without those that are faulty or masked.

    Raises
    ------
    ConfigError
        If `bad_mask_planes` names a plane that the exposure does not have.
    """
    bits = plane_bits(exposure, bad_mask_planes, option="bad_mask_planes")
    image, variance = (contiguous(plane, np.float32) for plane in (exposure.image, exposure.variance))
    with np.errstate(invalid="ignore"):
        faulty = ~(np.isfinite(image) & np.isfinite(variance) & (variance >= 0.0))
    left_out = faulty | ((exposure.mask & np.int32(bits)) != 0)
    if faulty.any():
        image, variance = np.where(faulty, np.float32(0), image), np.where(faulty, np.float32(1), variance)
    return UsablePixels(Planes(image, variance, left_out.astype(np.int32)), faulty, left_out)


@dataclass(frozen=True, slots=True, eq=False)
class PsfStamps:
    """PSF images of n sources on the pixels of one exposure, each with a usable pixel.

    Parameters
    ----------
    source : ndarray, (n,) int64
        Which position each belongs to.
    values : ndarray, (n, h, w) float64
        PSF; zero where a pixel is left out or outside the image.
    x0, y0 : ndarray, (n,) int64, pixel
        Local coordinates of ``values[i, 0, 0]``.
    boxes : PixelBoxes
        The part of each image that is inside the exposure, local coordinates.
    sums : PsfSums
        Sums of each with the image and the variance: its normal equation if it were alone.
    """

    source: IntArray
    values: FloatArray
    x0: IntArray
    y0: IntArray
    boxes: PixelBoxes
    sums: PsfSums

    def __len__(self) -> int:
        return len(self.source)

    def batches(self) -> Iterator[slice]:
        """Split the stamps into parts of a few million pixels."""
        _, height, width = self.values.shape
        step = max(1, _BATCH_ELEMENTS // max(height * width, 1))
        for start in range(0, len(self), step):
            yield slice(start, start + step)

    def cutouts(self, plane: AnyArray, part: slice) -> AnyArray:
        """Return a plane's pixels under a part of the stamps, (m, h, w)."""
        _, height, width = self.values.shape
        return cutouts(plane, self.x0[part], self.y0[part], height, width)

    def places(self, columns: int, part: slice) -> IntArray:
        """Return where a part's pixels are in an image of so many columns, flattened, (m, h, w)."""
        _, height, width = self.values.shape
        row = self.y0[part, None, None] + np.arange(height)[:, None]
        places: IntArray = row * columns + (self.x0[part, None, None] + np.arange(width))
        return places

    def used_pixels(self, pixels: UsablePixels, part: slice) -> BoolArray:
        """Tell, (m, h, w) bool, which pixels of a part of the stamps enter the fit."""
        _, height, width = self.values.shape
        row = self.y0[part, None] + np.arange(height)
        column = self.x0[part, None] + np.arange(width)
        inside = (row < self.boxes.y1[part, None])[:, :, None] & (column < self.boxes.x1[part, None])[:, None]
        inside &= (row >= 0)[:, :, None] & (column >= 0)[:, None]
        inside &= ~self.cutouts(pixels.left_out, part)
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class StampFaults:
    """What is wrong with the PSF stamp of each position; each (n,) bool.

    Parameters
    ----------
    invalid_psf
        There is no PSF model at the position.
    no_good_pixels
        No pixel of the stamp can be used.
    edge
        The stamp reaches over the edge of the image.
    bad_pixels
        The stamp holds pixels whose image or variance is not usable.
    """

    invalid_psf: BoolArray
    no_good_pixels: BoolArray
    edge: BoolArray
    bad_pixels: BoolArray

    def of_rows(self, rows: IntArray) -> "StampFaults":
        """Return the faults of some positions."""
        return StampFaults(*(getattr(self, each.name)[rows] for each in fields(self)))

    def spread(self, rows: IntArray, count: int) -> "StampFaults":
        """Return the faults of `count` positions: these at `rows`, none elsewhere."""
        spread = StampFaults(*np.zeros((4, count), np.bool_))
        for each in fields(self):
            getattr(spread, each.name)[rows] = getattr(self, each.name)
        return spread


def make_stamps(
    exposure: Exposure, pixels: UsablePixels, x: FloatArray, y: FloatArray
) -> tuple[PsfStamps, StampFaults]:
    """Evaluate the PSF at positions and keep the stamps that have usable pixels.

    Parameters
    ----------
    exposure : Exposure
        With a PSF.
    pixels : UsablePixels
    x, y : ndarray, (n,) float64, pixel
        Parent coordinates.
    """
    if exposure.psf is None:
        return _no_stamps(len(x))
    with phase(PSF):
        images = exposure.psf.images(x, y)
    x0, y0 = images.x0 - exposure.xy0[0], images.y0 - exposure.xy0[1]
    sums, faulty = _sums_and_faults(images, pixels, x0, y0)
    edge = images.valid & ~inside_image(pixels.planes.shape, x0, y0, images.height, images.width)
    # A stamp without a usable pixel, or of zeros where a PSF fails, determines nothing.
    kept = np.flatnonzero(images.valid & np.isfinite(sums.mm) & (sums.mm > 0.0))
    empty = images.valid.copy()
    empty[kept] = False
    stamps = _masked(images, sums, kept, x0[kept], y0[kept], pixels)
    return stamps, StampFaults(~images.valid, empty, edge, faulty)


def _sums_and_faults(
    images: PsfImages, pixels: UsablePixels, x0: IntArray, y0: IntArray
) -> tuple[PsfSums, BoolArray]:
    """Return each stamp's sums over usable pixels, and whether it holds a faulty one."""
    count, kernel = len(images.valid), default_kernel()
    sums = PsfSums.zeros(count)
    faulty = np.zeros(count, np.bool_)
    any_faulty = bool(pixels.faulty.any())
    for rows, model in groups_of_one_size(images):
        _, height, width = model.shape
        found = kernel.psf_sums(pixels.planes, model, x0[rows], y0[rows], bad_bits=pixels.bad_bits)
        sums.put(rows, found)
        if any_faulty:
            faulty[rows] = cutouts(pixels.faulty, x0[rows], y0[rows], height, width).any(axis=(1, 2))
    return sums, faulty


def _masked(
    images: PsfImages, sums: PsfSums, kept: IntArray, x0: IntArray, y0: IntArray, pixels: UsablePixels
) -> PsfStamps:
    rows, columns = pixels.planes.shape
    _, height, width = images.values.shape
    everything = len(kept) == len(images.values)
    values = images.values if everything else images.values[kept]
    boxes = PixelBoxes(
        np.maximum(x0, 0),
        np.maximum(y0, 0),
        np.minimum(x0 + images.width[kept], columns),
        np.minimum(y0 + images.height[kept], rows),
    )
    own = sums.of_rows(kept)
    stamps = PsfStamps(kept, values, x0, y0, boxes, own)
    if not pixels.bad_bits and seen_pixels((rows, columns), x0, y0, height, width) is None:
        return stamps
    clean = values.copy() if everything else values
    for part in stamps.batches():
        clean[part] *= stamps.used_pixels(pixels, part)
    return PsfStamps(kept, clean, x0, y0, boxes, own)


def _no_stamps(count: int) -> tuple[PsfStamps, StampFaults]:
    none = np.empty(0, np.int64)
    blank = PixelBoxes(none, none, none, none)
    stamps = PsfStamps(none, np.empty((0, 0, 0)), none, none, blank, PsfSums.zeros(0))
    no, yes = np.zeros(count, np.bool_), np.ones(count, np.bool_)
    return stamps, StampFaults(yes, no, no, no)
