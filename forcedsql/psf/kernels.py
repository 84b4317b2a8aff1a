"""Convolution kernels: small images, fixed or combined with coefficients that vary with position.

Every kernel here is a sum of fixed images, ``sum_k c_k(x, y) B_k``, so one contract serves
them all and a PSF can evaluate all positions together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError
from forcedsql.psf.functions import Function2D


class Kernel(Protocol):
    """A sum of fixed images whose coefficients may vary over an exposure."""

    @property
    def width(self) -> int:
        """Number of columns."""
        ...

    @property
    def height(self) -> int:
        """Number of rows."""
        ...

    @property
    def centre(self) -> tuple[int, int]:
        """Column and row of the pixel that is the kernel's origin."""
        ...

    @property
    def spatially_varying(self) -> bool:
        """Whether the coefficients depend on position."""
        ...

    def basis_images(self) -> FloatArray:
        """Return the fixed images, (k, height, width) float64, as stored: not normalised."""
        ...

    def coefficients(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the coefficient of each basis image at positions.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Parent coordinates.

        Returns
        -------
        ndarray, (n, k) float64
        """
        ...


def fixed_image(kernel: Kernel) -> FloatArray:
    """Return the image of a kernel that does not vary, (height, width) float64, not normalised."""
    origin = np.zeros(1)
    weights = kernel.coefficients(origin, origin)[0]
    image = np.zeros((kernel.height, kernel.width))
    with np.errstate(over="ignore", invalid="ignore"):
        for weight, basis in zip(weights, kernel.basis_images(), strict=True):
            image += weight * basis
    return image


class _UnvaryingKernel:
    """What kernels of one fixed image have in common."""

    __slots__ = ()

    @property
    def spatially_varying(self) -> bool:
        """False."""
        return False

    def coefficients(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return ones, (n, 1); see `Kernel.coefficients`."""
        return np.ones((len(x), 1))


@dataclass(frozen=True, slots=True, eq=False)
class FixedKernel(_UnvaryingKernel):
    """A kernel given by its image.

    Parameters
    ----------
    image : ndarray, (height, width) float64
    centre : (int, int), pixel
        Column and row of the origin.
    """

    image: FloatArray
    centre: tuple[int, int]

    def __post_init__(self) -> None:
        image = np.array(self.image, dtype=np.float64)
        if image.ndim != 2 or image.size == 0:
            raise ConfigError(
                f"FixedKernel: the image must be a filled 2-d array, not of shape {image.shape}"
            )
        image.flags.writeable = False
        object.__setattr__(self, "image", image)

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.image.shape[0])

    def basis_images(self) -> FloatArray:
        """Return the image as the only basis image; see `Kernel.basis_images`."""
        return self.image[None]


@dataclass(frozen=True, slots=True)
class AnalyticKernel(_UnvaryingKernel):
    """A function sampled at pixel centres.

    Parameters
    ----------
    width, height : int, pixel
    centre : (int, int), pixel
        Column and row at which the function has its origin.
    function : Function2D
    """

    width: int
    height: int
    centre: tuple[int, int]
    function: Function2D

    def __post_init__(self) -> None:
        _require_size("AnalyticKernel", self.width, self.height)

    def basis_images(self) -> FloatArray:
        """Return the sampled function as the only basis image; see `Kernel.basis_images`."""
        x = np.arange(self.width, dtype=np.float64) - self.centre[0]
        y = np.arange(self.height, dtype=np.float64) - self.centre[1]
        return self.function.evaluate(x[None, :], y[:, None])[None]


@dataclass(frozen=True, slots=True)
class DeltaFunctionKernel(_UnvaryingKernel):
    """A kernel with one pixel of 1.

    Parameters
    ----------
    width, height : int, pixel
    centre : (int, int), pixel
        Column and row of the origin.
    pixel : (int, int), pixel
        Column and row of the pixel of value 1.
    """

    width: int
    height: int
    centre: tuple[int, int]
    pixel: tuple[int, int]

    def __post_init__(self) -> None:
        _require_size("DeltaFunctionKernel", self.width, self.height)
        if not (0 <= self.pixel[0] < self.width and 0 <= self.pixel[1] < self.height):
            raise ConfigError(
                f"DeltaFunctionKernel: pixel {self.pixel} is outside the {self.width} x {self.height} kernel"
            )

    def basis_images(self) -> FloatArray:
        """Return the image with its one pixel; see `Kernel.basis_images`."""
        image = np.zeros((1, self.height, self.width))
        image[0, self.pixel[1], self.pixel[0]] = 1.0
        return image


@dataclass(frozen=True, slots=True, eq=False)
class LinearCombinationKernel:
    """A sum of kernels, with constant or spatially varying coefficients.

    Parameters
    ----------
    basis : sequence of Kernel
        At least one; none varies, and all have one size.
    amplitudes : sequence of float
        Constant coefficients, one per basis kernel; ignored where there are functions.
    functions : sequence of Function2D
        Coefficients as functions of parent pixel position, one per basis kernel.
    centre : (int, int), pixel, optional
        Column and row of the origin; by default that of the first basis kernel.

    Notes
    -----
    afw ``src/math/LinearCombinationKernel.cc``: basis images enter as they are, and only the
    sum is normalised where it is used as a PSF.
    """

    basis: Sequence[Kernel]
    amplitudes: Sequence[float] = ()
    functions: Sequence[Function2D] = ()
    centre: tuple[int, int] = (-1, -1)

    def __post_init__(self) -> None:
        basis, functions = tuple(self.basis), tuple(self.functions)
        amplitudes = tuple(float(value) for value in self.amplitudes)
        if not basis:
            raise ConfigError("LinearCombinationKernel: it has no basis kernel")
        count = len(functions) if functions else len(amplitudes)
        if count != len(basis):
            what = "functions" if functions else "amplitudes"
            raise ConfigError(f"LinearCombinationKernel: {count} {what} for {len(basis)} basis kernels")
        sizes = {(kernel.width, kernel.height) for kernel in basis}
        if len(sizes) > 1:
            raise ConfigError(f"LinearCombinationKernel: basis kernels of several sizes, {sorted(sizes)}")
        if any(kernel.spatially_varying for kernel in basis):
            raise ConfigError("LinearCombinationKernel: a basis kernel is itself spatially varying")
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "functions", functions)
        object.__setattr__(self, "amplitudes", amplitudes)
        if self.centre == (-1, -1):
            object.__setattr__(self, "centre", basis[0].centre)

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.basis[0].width

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.basis[0].height

    @property
    def spatially_varying(self) -> bool:
        """Whether the coefficients are functions."""
        return bool(self.functions)

    def basis_images(self) -> FloatArray:
        """Return the image of every basis kernel; see `Kernel.basis_images`."""
        return np.stack([fixed_image(kernel) for kernel in self.basis])

    def coefficients(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return amplitudes or function values; see `Kernel.coefficients`."""
        if not self.functions:
            return np.tile(np.array(self.amplitudes), (len(x), 1))
        return np.stack([function.evaluate(x, y) for function in self.functions], axis=1)


def _require_size(owner: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ConfigError(f"{owner}: the size must be at least 1 x 1, not {width} x {height}")
