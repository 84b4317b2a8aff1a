"""The native kernel: the sums of the NumPy kernel in C, in threads, with the GIL released."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray, IntArray
from forcedsql.measure.kernels.protocol import BitArray, Planes, PsfSums
from forcedsql.measure.sinc import TAPS, SincAperture
from forcedsql.native import CombinedImages, Library, thread_limit

_PADDING = 24
"""Elements that C may read past an aperture's arrays, in whole vectors of all its widths."""


@dataclass(frozen=True, slots=True)
class NativeKernel:
    """Sums over pixels in C; see `forcedsql.measure.kernels.protocol.Kernel`."""

    library: Library
    needs_whole_rows: bool = False

    @property
    def name(self) -> str:
        """Name with instruction set and threads: "native (avx512, 2 threads)"."""
        threads = thread_limit()
        return f"native ({self.library.instruction_set}, {threads} thread{'s' if threads > 1 else ''})"

    def psf_sums(
        self, planes: Planes, model: FloatArray | CombinedImages, x0: IntArray, y0: IntArray, *, bad_bits: int
    ) -> PsfSums:
        """Return the sums of the PSF fit; see `Kernel.psf_sums`."""
        n, height, width = model.shape
        sums, npixels = np.empty((5, n)), np.empty(n, np.int64)
        given, filled = self.library.given, self.library.filled
        place = (given(x0, "int64_t", n), given(y0, "int64_t", n), bad_bits)
        results = (filled(sums, "double", 5, n), filled(npixels, "int64_t", n))
        if isinstance(model, CombinedImages):
            recipe = model.arguments()
            self.library.call("combined_psf_sums", *recipe, self._planes(planes), *place, *results)
        else:
            images = given(model, "double", n, height, width)
            self.library.call("psf_sums", self._planes(planes), n, height, width, images, *place, *results)
        m, mm, m_image, mm_variance, chi2 = sums
        return PsfSums(m, mm, m_image, mm_variance, chi2, npixels)

    def sinc_sums(
        self,
        planes: Planes,
        apertures: Sequence[SincAperture],
        column: IntArray,
        row: IntArray,
        fraction_x: FloatArray,
        fraction_y: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Return flux and variance in sinc apertures; see `Kernel.sinc_sums`."""
        n = len(column)
        if len({aperture.shift for aperture in apertures}) > 1:
            raise ValueError("sinc apertures of two modes of shift cannot share a call")
        given, filled = self.library.given, self.library.filled
        native = self.library.ffi.new("forcedsql_sinc_aperture[]", len(apertures))
        tables = [_tables(aperture) for aperture in apertures]
        for index, table in enumerate(tables):
            table.describe(self.library, native[index])
        flux, variance = np.empty((2, n, len(apertures)))
        self.library.call(
            "sinc_sums",
            self._planes(planes),
            n,
            given(column, "int64_t", n),
            given(row, "int64_t", n),
            given(fraction_x, "double", n),
            given(fraction_y, "double", n),
            len(apertures),
            native,
            filled(flux, "double", n, len(apertures)),
            filled(variance, "double", n, len(apertures)),
        )
        return flux, variance

    def circle_sums(
        self, planes: Planes, x: FloatArray, y: FloatArray, radii: Sequence[float]
    ) -> tuple[FloatArray, FloatArray]:
        """Return flux and variance in circles; see `Kernel.circle_sums`."""
        order = np.argsort(radii)
        flux, variance = self._sums_in_circles("circle_sums", planes, x, y, np.asarray(radii)[order])
        if (order[:-1] > order[1:]).any():
            original = np.argsort(order)
            return flux[:, original], variance[:, original]
        return flux, variance

    def overlap_sums(
        self, planes: Planes, x: FloatArray, y: FloatArray, radii: Sequence[float]
    ) -> tuple[FloatArray, FloatArray]:
        """Return flux and variance of overlaps with circles; see `Kernel.overlap_sums`."""
        return self._sums_in_circles("overlap_sums", planes, x, y, np.asarray(radii))

    def _sums_in_circles(
        self, function: str, planes: Planes, x: FloatArray, y: FloatArray, radii: AnyArray
    ) -> tuple[FloatArray, FloatArray]:
        n, circles = len(x), len(radii)
        flux, variance = np.empty((2, n, circles))
        self.library.call(
            function,
            self._planes(planes),
            n,
            self.library.given(x, "double", n),
            self.library.given(y, "double", n),
            circles,
            self.library.given(radii, "double", circles),
            self.library.filled(flux, "double", n, circles),
            self.library.filled(variance, "double", n, circles),
        )
        return flux, variance

    def ellipse_bits(self, planes: Planes, x: FloatArray, y: FloatArray, quadrupole: FloatArray) -> BitArray:
        """Return the OR of the mask over ellipses; see `Kernel.ellipse_bits`."""
        n = len(x)
        bits = np.empty(n, np.int32)
        self.library.call(
            "ellipse_bits",
            self._planes(planes),
            n,
            self.library.given(x, "double", n),
            self.library.given(y, "double", n),
            self.library.given(quadrupole, "double", n, 3),
            self.library.filled(bits, "int32_t", n),
        )
        return bits

    def centre_bits(self, planes: Planes, column: IntArray, row: IntArray) -> tuple[BitArray, BitArray]:
        """Return OR and AND over 3x3 pixels; see `Kernel.centre_bits`."""
        n = len(column)
        any_bits, all_bits = np.empty((2, n), np.int32)
        self.library.call(
            "centre_bits",
            self._planes(planes),
            n,
            self.library.given(column, "int64_t", n),
            self.library.given(row, "int64_t", n),
            self.library.filled(any_bits, "int32_t", n),
            self.library.filled(all_bits, "int32_t", n),
        )
        return any_bits, all_bits

    def _planes(self, planes: Planes) -> Any:
        """Return the planes as C takes them, described once per exposure."""
        with planes.lock:
            if "native" not in planes.memo:
                planes.memo["native"] = _NativePlanes.of(self.library, planes)
            return planes.memo["native"].struct


@dataclass(frozen=True, slots=True, eq=False)
class _NativePlanes:
    """The C description of planes, and the buffers that it points into."""

    struct: Any
    buffers: tuple[Any, ...]

    @classmethod
    def of(cls, library: Library, planes: Planes) -> "_NativePlanes":
        rows, columns = planes.shape
        kinds = (("image", "float"), ("variance", "float"), ("mask", "int32_t"))
        struct = library.ffi.new("forcedsql_planes *", {"rows": rows, "columns": columns})
        buffers = tuple(library.given(getattr(planes, name), kind, rows, columns) for name, kind in kinds)
        for (name, _), buffer in zip(kinds, buffers, strict=True):
            setattr(struct, name, buffer)
        return cls(struct, buffers)


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """The arrays of one sinc aperture in the order in which C reads them."""

    aperture: SincAperture
    coefficients: AnyArray
    vectors: AnyArray
    scaled_vectors: AnyArray
    term_stride: int

    def describe(self, library: Library, struct: Any) -> None:
        """Fill in the C description, which points into this object's arrays."""
        aperture = self.aperture
        moved = aperture.width if aperture.shift == "exact" else aperture.width - TAPS + 1
        struct.width, struct.moved, struct.rank = aperture.width, moved, aperture.rank
        struct.terms = len(aperture.table)
        struct.vector_stride, struct.term_stride = self.vectors.shape[1], self.term_stride
        struct.coefficients = library.given(self.coefficients, "double", *self.coefficients.shape)
        struct.vectors = library.given(self.vectors, "double", *self.vectors.shape)
        struct.scaled_vectors = library.given(self.scaled_vectors, "double", *self.vectors.shape)


@lru_cache(maxsize=64)
def _tables(aperture: SincAperture) -> _Tables:
    """Lay out an aperture's tables: elements of one factor next to each other, with room at the end."""
    table = aperture.table.reshape(-1, aperture.width, aperture.rank).transpose(2, 0, 1)
    terms = table.shape[1]
    if aperture.shift == "lanczos5":
        # Row k is the vector displaced by k pixels: the displaced vectors lie in one padded vector.
        vectors = np.concatenate([table[:, 0, : terms - 1], table[:, -1, :]], axis=1)
        vectors, term_stride = _padded(vectors), 1
    else:
        vectors = _padded(table)
        term_stride = vectors.shape[2]
        vectors = vectors.reshape(aperture.rank, terms * term_stride)
    scaled = vectors * aperture.eigenvalues[:, None]
    return _Tables(aperture, _padded(aperture.coefficients.reshape(-1)), vectors, scaled, term_stride)


def _padded(array: AnyArray) -> AnyArray:
    """Lengthen the last axis with zeros, to a multiple of 8 so that rows stay aligned."""
    length = array.shape[-1]
    widths = [(0, 0)] * (array.ndim - 1) + [(0, -(-(length + _PADDING) // 8) * 8 - length)]
    return np.ascontiguousarray(np.pad(array, widths))
