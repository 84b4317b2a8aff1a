"""The PSF of a coadd: the weighted mean of its inputs' PSFs, each warped to the coadd's pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.footprints import CoaddFootprints, Footprint
from forcedsql.psf.image_psf import ImagePsf, usable_positions
from forcedsql.psf.protocol import Psf, PsfImages
from forcedsql.psf.warp import CentredImages, Warp
from forcedsql.psf.warped import component_count, warp_of_psf
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.transforms import SkyTransform, local_maps
from forcedsql.wcs import SkyWcs


@dataclass(frozen=True, slots=True, eq=False)
class CoaddPsfInput:
    """An image that went into a coadd.

    Parameters
    ----------
    psf : Psf
    footprint : Footprint
    weight : float
    """

    psf: Psf
    footprint: Footprint
    weight: float


class CoaddPsf(ImagePsf):
    """The weighted mean of the PSFs of those inputs that cover a position.

    Parameters
    ----------
    inputs : sequence of CoaddPsfInput
    coadd_wcs : SkyWcs
    kernel : WarpingKernel

    Notes
    -----
    meas_algorithms ``src/CoaddPsf.cc``.  The image's box is the union of those of the inputs, and
    varies with position.  Inputs are taken one by one, with all positions that they cover.
    """

    def __init__(self, inputs: Sequence[CoaddPsfInput], coadd_wcs: SkyWcs, kernel: WarpingKernel) -> None:
        self.inputs = tuple(inputs)
        self.coadd_wcs = coadd_wcs
        self.kernel = kernel
        self.component_count = sum(component_count(part.psf) for part in self.inputs)
        self._footprints = CoaddFootprints(coadd_wcs, [part.footprint for part in self.inputs])

    @property
    def kind(self) -> str:
        """``CoaddPsf``."""
        return "CoaddPsf"

    def kernel_images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the mean PSF at coadd positions; see `Psf.kernel_images`.

        It is invalid where no input covers the position, or one that does has no PSF there.
        """
        usable = usable_positions(x, y)
        stack = _Stack(len(x))
        for cover in self._footprints.covers(np.where(usable, x, np.nan), np.where(usable, y, np.nan)):
            part, rows = self.inputs[cover.index], cover.rows
            to_coadd = SkyTransform(part.footprint.wcs, self.coadd_wcs)
            maps = local_maps(to_coadd.forward, cover.x, cover.y)
            stack.add(rows, warp_of_psf(part.psf, maps, x[rows], y[rows], self.kernel), part.weight)
        return stack.mean().at_origin()


class _Stack:
    """Weighted sums of images that are centred on the same pixel, at n positions."""

    def __init__(self, count: int) -> None:
        self.values = np.zeros((count, 1, 1))
        self.half_width, self.half_height = np.zeros((2, count), dtype=np.int64)
        self.weight = np.zeros(count)
        self.complete = np.ones(count, dtype=np.bool_)

    def add(self, rows: IntArray, warp: Warp, weight: float) -> None:
        """Add an input's images at some of the positions."""
        self._make_room(warp.half_height.max(initial=0), warp.half_width.max(initial=0))
        with np.errstate(over="ignore", invalid="ignore"):
            valid = warp.add_to(self.values, rows, weight)
        self.half_width[rows] = np.maximum(self.half_width[rows], np.where(valid, warp.half_width, 0))
        self.half_height[rows] = np.maximum(self.half_height[rows], np.where(valid, warp.half_height, 0))
        self.weight[rows] += weight
        self.complete[rows] &= valid

    def mean(self) -> CentredImages:
        """Return the sums divided by the sums of weights."""
        valid = self._usable()
        with np.errstate(over="ignore", invalid="ignore"):
            self.values /= np.where(valid, self.weight, 1.0)[:, None, None]
        self.values[~valid] = 0.0
        return CentredImages(
            self.values, np.where(valid, self.half_width, 0), np.where(valid, self.half_height, 0), valid
        )

    def _usable(self) -> BoolArray:
        with np.errstate(divide="ignore", over="ignore"):
            usable: BoolArray = self.complete & np.isfinite(self.weight) & np.isfinite(1.0 / self.weight)
        return usable

    def _make_room(self, half_height: int, half_width: int) -> None:
        """Widen every plane about its centre so that images of this size fit."""
        old_y, old_x = self.values.shape[1] // 2, self.values.shape[2] // 2
        new_y, new_x = max(old_y, half_height), max(old_x, half_width)
        if (new_y, new_x) == (old_y, old_x):
            return
        larger = np.zeros((len(self.values), 2 * new_y + 1, 2 * new_x + 1))
        larger[:, new_y - old_y : new_y + old_y + 1, new_x - old_x : new_x + old_x + 1] = self.values
        self.values = larger
