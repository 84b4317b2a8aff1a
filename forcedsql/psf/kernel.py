"""PSFs given by a convolution kernel: afw's KernelPsf and PcaPsf."""

import math
from functools import cached_property

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.native import CombinedImages, Library, native_library
from forcedsql.native import images as native_images
from forcedsql.psf.image_psf import ImagePsf, usable_positions
from forcedsql.psf.kernels import Kernel, fixed_image
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.protocol import PsfImages
from forcedsql.psf.shift import split_position


class KernelPsf(ImagePsf):
    """A PSF whose kernel image is a kernel, divided by its sum.

    Parameters
    ----------
    kernel : Kernel
    average_position : (float, float), pixel
        Parent position that stands for the whole exposure; NaN where unknown.
    kind : {"KernelPsf", "PcaPsf"}
        Name in files; a PcaPsf is the same model with a linear combination of fixed kernels.

    Notes
    -----
    meas_algorithms ``src/KernelPsf.cc``, afw ``src/math/LinearCombinationKernel.cc``.  Where
    the kernel's sum is zero or not finite, the model has no value.
    """

    def __init__(
        self,
        kernel: Kernel,
        average_position: tuple[float, float] = (math.nan, math.nan),
        kind: str = "KernelPsf",
    ) -> None:
        self.kernel = kernel
        self.average_position = average_position
        self._kind = kind

    @property
    def kind(self) -> str:
        """Name of the model's class as its file format spells it."""
        return self._kind

    def kernel_images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the kernel at positions, of sum 1; see `Psf.kernel_images`."""
        valid = usable_positions(x, y)
        if self.kernel.spatially_varying:
            values = np.empty((len(x), self.kernel.height, self.kernel.width))
            weights, valid = self.combination(x, y)
            self._combine(weights, valid, out=values)
        else:
            image, has_sum = self._fixed_image
            valid &= has_sum
            values = valid[:, None, None] * image
        return self._at_origin(values, valid)

    def images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the PSF as it falls on the pixels; see `Psf.images`."""
        library = native_library()
        if library is None:
            return super().images(x, y)
        return self._images_of(*self._combined(library, x, y))

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return adaptive second moments; see `Psf.shapes`."""
        library = native_library()
        if self.kernel.spatially_varying:
            if library is None:
                return super().shapes(x, y)
            return self._combined(library, x, y)[0].moments(self.kernel.centre)
        _, has_sum = self._fixed_image
        valid = usable_positions(x, y) & has_sum
        return np.where(valid[:, None], self._fixed_shape, np.nan)

    def images_and_shapes(self, x: FloatArray, y: FloatArray) -> tuple[PsfImages, FloatArray]:
        """Return images and shapes; see `Psf.images_and_shapes`."""
        library = native_library()
        if not self.kernel.spatially_varying:
            return self.images(x, y), self.shapes(x, y)
        if library is None:
            return super().images_and_shapes(x, y)
        combined, pixel_x, pixel_y, valid = self._combined(library, x, y)
        shapes = combined.moments(self.kernel.centre)
        return self._images_of(combined, pixel_x, pixel_y, valid), shapes

    def _combined(
        self, library: Library, x: FloatArray, y: FloatArray
    ) -> tuple[CombinedImages, IntArray, IntArray, BoolArray]:
        """Return the recipe of the images, the pixels they are centred on, and which are valid."""
        valid = usable_positions(x, y)
        if self.kernel.spatially_varying:
            basis = self._basis[0]
            weights, valid = self.combination(x, y)
        else:
            image, has_sum = self._fixed_image
            valid &= has_sum
            basis, weights = image[None], valid.astype(np.float64)[:, None]
        if not valid.any():
            basis = np.zeros_like(basis)
        pixel_x, dx = split_position(np.where(valid, x, 0.0))
        pixel_y, dy = split_position(np.where(valid, y, 0.0))
        return CombinedImages(library, weights, basis, dx, dy), pixel_x, pixel_y, valid

    def _images_of(
        self, combined: CombinedImages, pixel_x: IntArray, pixel_y: IntArray, valid: BoolArray
    ) -> PsfImages:
        centre_x, centre_y = self.kernel.centre
        x0, y0 = np.where(valid, pixel_x - centre_x, 0), np.where(valid, pixel_y - centre_y, 0)
        return PsfImages.of_one_size(combined, x0, y0, valid)

    @cached_property
    def _fixed_image(self) -> tuple[FloatArray, bool]:
        """The normalised image of a kernel that does not vary, and whether it has a sum."""
        image = fixed_image(self.kernel)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            total = image.sum()
            normalised = image / total
        if np.isfinite(total) and np.isfinite(normalised).all():
            return normalised, True
        return np.zeros_like(image), False

    @cached_property
    def _fixed_shape(self) -> FloatArray:
        image, _ = self._fixed_image
        centre_x, centre_y = self.kernel.centre
        return adaptive_moments(image[None], np.array([centre_x]), np.array([centre_y]))

    @cached_property
    def _basis(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The basis images, (k, h, w), their sums and their largest absolute values, (k,)."""
        images = self.kernel.basis_images()
        with np.errstate(over="ignore", invalid="ignore"):
            return images, images.sum(axis=(1, 2)), np.abs(images).max(axis=(1, 2))

    @property
    def basis(self) -> FloatArray:
        """The images that are combined, (k, h, w) float64."""
        return self._basis[0]

    def combination(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return which combination of `basis` images is the kernel image.

        Only the combination is normalised: sums of single basis images are often near zero.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel

        Returns
        -------
        weights : ndarray, (n, k) float64
            Zero where there is no image of sum 1.
        valid : ndarray, (n,) bool
        """
        usable = usable_positions(x, y)
        basis, sums, peaks = self._basis
        weights = self.kernel.coefficients(np.where(usable, x, 0.0), np.where(usable, y, 0.0))
        with np.errstate(all="ignore"):
            total = weights[:, 0] * sums[0]
            for k in range(1, len(basis)):
                total += weights[:, k] * sums[k]
            weights = weights / total[:, None]
            # A bound on the pixels that is finite says that sum, weights and pixels all are.
            valid: BoolArray = usable & np.isfinite(np.abs(weights) @ peaks) & np.isfinite(total)
        return np.where(valid[:, None], weights, 0.0), valid

    def _combine(self, weights: FloatArray, valid: BoolArray, *, out: FloatArray) -> None:
        """Write the weighted sums of basis images, zero where they are not valid."""
        basis = self._basis[0]
        library = native_library()
        if not valid.any():
            out[...] = 0.0
        elif library is not None:
            native_images.combine_images(library, weights, basis, out)
        else:
            pixels = basis[0].size
            rows = out.reshape(len(weights), 1, pixels)
            # One product per position keeps a position's bits free of how many share the call.
            np.matmul(weights[:, None, :], basis.reshape(len(basis), pixels), out=rows)

    def _at_origin(self, values: FloatArray, valid: BoolArray) -> PsfImages:
        centre_x, centre_y = self.kernel.centre
        x0, y0 = np.where(valid, -centre_x, 0), np.where(valid, -centre_y, 0)
        return PsfImages.of_one_size(values, x0, y0, valid)
