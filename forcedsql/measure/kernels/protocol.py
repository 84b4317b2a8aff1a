"""The seam between what is measured and how the sums over pixels are done.

A kernel sees plain arrays and *local* pixel coordinates (column and row of the arrays).
The NumPy kernel is the meaning of every operation; another kernel must agree with it to
rounding, edges, NaN and masks included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from threading import Lock
from typing import Any, Protocol

import numpy as np

from forcedsql.arrays import AnyArray, Float32Array, FloatArray, IntArray
from forcedsql.measure.sinc import SincAperture
from forcedsql.native import CombinedImages

BitArray = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Planes:
    """The pixels of one exposure, C-contiguous and of native byte order.

    Parameters
    ----------
    image, variance : ndarray, (ny, nx) float32
    mask : ndarray, (ny, nx) int32
    memo : dict
        Whatever a kernel derives from the planes and wants to keep as long as they live;
        to be changed under `lock` only.
    """

    image: Float32Array
    variance: Float32Array
    mask: BitArray
    memo: dict[str, Any] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.image.shape
        return rows, columns


@dataclass(frozen=True, slots=True, eq=False)
class PsfSums:
    """Sums over the pixels of n PSF images m, data I and variances V; each (n,) float64."""

    m: FloatArray
    mm: FloatArray
    m_image: FloatArray
    mm_variance: FloatArray
    chi2: FloatArray
    npixels: IntArray

    @classmethod
    def zeros(cls, n: int) -> "PsfSums":
        """Reserve room for n positions."""
        m, mm, m_image, mm_variance, chi2 = np.zeros((5, n))
        return cls(m, mm, m_image, mm_variance, chi2, np.zeros(n, np.int64))

    def of_rows(self, rows: IntArray) -> "PsfSums":
        """Return the sums of some positions."""
        return PsfSums(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    def put(self, rows: IntArray, sums: "PsfSums") -> None:
        """Write the sums of some positions."""
        for each in fields(self):
            getattr(self, each.name)[rows] = getattr(sums, each.name)


class Kernel(Protocol):
    """Sums over pixels for many positions at once; none of them raises on any pixel value."""

    @property
    def name(self) -> str:
        """Name shown to users."""
        ...

    @property
    def needs_whole_rows(self) -> bool:
        """Whether it looks at all pixels of a row, and not only at those around a position."""
        ...

    def psf_sums(
        self,
        planes: Planes,
        model: FloatArray | CombinedImages,
        x0: IntArray,
        y0: IntArray,
        *,
        bad_bits: int,
    ) -> PsfSums:
        """Return the sums of the PSF fit over each model's box, clipped to the image.

        Parameters
        ----------
        model : ndarray, (n, h, w) float64, or CombinedImages
            The images, or what makes them.
        x0, y0 : ndarray, (n,) int64
            Local coordinates of ``model[i, 0, 0]``, inside or outside the image.
        bad_bits : int
            Pixels with any of these mask bits are left out.

        Returns
        -------
        PsfSums
            ``chi2`` belongs to the amplitude ``m_image / mm``.
        """
        ...

    def sinc_sums(
        self,
        planes: Planes,
        apertures: Sequence[SincAperture],
        column: IntArray,
        row: IntArray,
        fraction_x: FloatArray,
        fraction_y: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Return fluxes and their variances in sinc apertures, (n, apertures) float64 each.

        All apertures are of one shift mode.  Coefficients outside the image do not count.
        `column` and `row` are the local pixel of each position, inside the image; the
        fractions are what is left.
        """
        ...

    def circle_sums(
        self, planes: Planes, x: FloatArray, y: FloatArray, radii: Sequence[float]
    ) -> tuple[FloatArray, FloatArray]:
        """Return flux and variance over pixels whose centres are in circles, (n, radii) float64 each.

        The pixel regions must lie inside the image where a value is wanted; elsewhere it is
        arbitrary.  `x` and `y` are local positions.
        """
        ...

    def overlap_sums(
        self, planes: Planes, x: FloatArray, y: FloatArray, radii: Sequence[float]
    ) -> tuple[FloatArray, FloatArray]:
        """Return flux and variance over circles, each pixel weighted by the part of it inside.

        Both are (n, radii) float64; the variance is the sum of squared weights times variances.
        Pixels outside the image do not count.  `x` and `y` are local positions.
        """
        ...

    def ellipse_bits(self, planes: Planes, x: FloatArray, y: FloatArray, quadrupole: FloatArray) -> BitArray:
        """Return the OR of the mask over each ellipse's pixels inside the image, (n,) int32.

        `quadrupole`, (n, 3) float64, is xx, yy, xy of the ellipse's boundary in pixel^2.
        """
        ...

    def centre_bits(self, planes: Planes, column: IntArray, row: IntArray) -> tuple[BitArray, BitArray]:
        """Return OR and AND of the mask over the 3x3 pixels around each pixel, clipped to the image."""
        ...


def contiguous(plane: AnyArray, dtype: type) -> AnyArray:
    """Return `plane` as a C-contiguous array of native `dtype`, copied only if it is not one."""
    return np.ascontiguousarray(plane, dtype=dtype)
