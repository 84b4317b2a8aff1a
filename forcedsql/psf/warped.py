"""A PSF seen through a change of pixel coordinates: afw's WarpedPsf."""

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.psf.image_psf import ImagePsf, usable_positions
from forcedsql.psf.protocol import Psf, PsfImages
from forcedsql.psf.warp import Warp
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.transforms import LocalMaps, Transform, local_maps


class WarpedPsf(ImagePsf):
    """The PSF of one image in the pixels of another.

    Parameters
    ----------
    psf : Psf
        In source pixels.
    transform : Transform
        From source to destination pixels.
    kernel : WarpingKernel

    Notes
    -----
    meas_algorithms ``src/WarpedPsf.cc``.
    """

    def __init__(self, psf: Psf, transform: Transform, kernel: WarpingKernel) -> None:
        self.psf = psf
        self.transform = transform
        self.kernel = kernel
        self.component_count = component_count(psf)

    @property
    def kind(self) -> str:
        """``WarpedPsf``."""
        return "WarpedPsf"

    def kernel_images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the warped PSF at destination positions; see `Psf.kernel_images`."""
        usable = usable_positions(x, y)
        source_x, source_y = self.transform.inverse(np.where(usable, x, np.nan), np.where(usable, y, np.nan))
        maps = local_maps(self.transform.forward, source_x, source_y)
        return warp_of_psf(self.psf, maps, x, y, self.kernel).centred().at_origin()


def component_count(psf: Psf) -> int:
    """Return how many images a PSF is made of: 1 unless it is a coadd's, or made of such."""
    count: int = getattr(psf, "component_count", 1)
    return count


def warp_of_psf(psf: Psf, maps: LocalMaps, x: FloatArray, y: FloatArray, kernel: WarpingKernel) -> Warp:
    """Return what warps a PSF to the pixels of another image, centred on a pixel and of sum 1.

    Parameters
    ----------
    psf : Psf
        In source pixels.
    maps : LocalMaps
        From source to destination, at n points.
    x, y : ndarray, (n,) float64, pixel
        Destination positions of those points.
    kernel : WarpingKernel

    Notes
    -----
    The source PSF is evaluated where the whole destination pixel next to the position comes from,
    so that sub-pixel phases are the source PSF's own affair and not interpolated twice.
    """
    offset = np.stack([_rounded(x) - x, _rounded(y) - y], axis=1)
    steps = (maps.inverse * offset[:, None, :]).sum(axis=2)
    source_x, source_y = maps.x + steps[:, 0], maps.y + steps[:, 1]
    at_pixels = LocalMaps(source_x, source_y, maps.matrix, maps.inverse)
    return Warp.of(psf.images(source_x, source_y), at_pixels, kernel)


def _rounded(position: FloatArray) -> FloatArray:
    """Round to whole pixels, halves away from zero: ``std::round`` of C++."""
    whole: FloatArray = np.trunc(position)
    rounded: FloatArray = whole + np.copysign(1.0, position) * (np.abs(position - whole) >= 0.5)
    return rounded
