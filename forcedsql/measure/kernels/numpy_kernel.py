"""The NumPy kernel: the meaning of every sum over pixels, batched to stay in the cache."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray, IntArray
from forcedsql.measure.kernels.cutouts import batches, cutouts, seen_pixels
from forcedsql.measure.kernels.overlap import overlap_sums
from forcedsql.measure.kernels.prefix import CircleRows, ComplexArray, RowPrefix, row_prefix
from forcedsql.measure.kernels.protocol import BitArray, Planes, PsfSums
from forcedsql.measure.sinc import TAPS, SincAperture, SincShift, first_moved, phase_weights
from forcedsql.native import CombinedImages
from forcedsql.pixel_rows import rows_around


@dataclass(frozen=True, slots=True)
class NumpyKernel:
    """Sums over pixels in NumPy; see `forcedsql.measure.kernels.protocol.Kernel`."""

    name: str = "numpy"
    needs_whole_rows: bool = True  # for the running sums along them

    def psf_sums(
        self,
        planes: Planes,
        model: FloatArray | CombinedImages,
        x0: IntArray,
        y0: IntArray,
        *,
        bad_bits: int,
    ) -> PsfSums:
        """Return the sums of the PSF fit; see `Kernel.psf_sums`."""
        if isinstance(model, CombinedImages):
            model = model.images
        n, height, width = model.shape
        sums = PsfSums.zeros(n)
        for part in batches(n, height * width):
            _psf_sums_of_batch(planes, model[part], x0[part], y0[part], bad_bits, sums, part)
        return sums

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
        flux, variance = np.empty((2, len(column), len(apertures)))
        widest = max(aperture.width for aperture in apertures)
        weights_x = phase_weights(fraction_x, apertures[0].shift)
        weights_y = phase_weights(fraction_y, apertures[0].shift)
        for shift, group in _groups_of_equal_shift(apertures[0].shift, fraction_x, fraction_y):
            for part in batches(len(group), widest**2):
                rows = group[part]
                box = (column[rows] - widest // 2, row[rows] - widest // 2, widest, widest)
                image, noise = (
                    cutouts(plane, *box).astype(np.float64) for plane in (planes.image, planes.variance)
                )
                for index, aperture in enumerate(apertures):
                    coefficients = _moved_coefficients(aperture, weights_x[rows], weights_y[rows], shift)
                    flux[rows, index] = np.vecdot(coefficients, _middle(image, aperture.width))
                    np.square(coefficients, out=coefficients)
                    variance[rows, index] = np.vecdot(coefficients, _middle(noise, aperture.width))
        return flux, variance

    def circle_sums(
        self, planes: Planes, x: FloatArray, y: FloatArray, radii: Sequence[float]
    ) -> tuple[FloatArray, FloatArray]:
        """Return flux and variance in circles; see `Kernel.circle_sums`."""
        flux, variance = np.empty((len(x), len(radii))), np.empty((len(x), len(radii)))
        if not len(x):
            return flux, variance
        circles = CircleRows.of(tuple(radii))
        touched = rows_around(np.floor(y).astype(np.int64), int(max(radii)) + 2, planes.shape[0])
        prefix = row_prefix(planes, touched)
        for part in batches(len(x), 8 * len(circles.offsets)):
            sums, faulty = _circle_sums_of_batch(prefix, circles, x[part], y[part])
            flux[part], variance[part] = sums.real, sums.imag
            if faulty is not None and faulty.any():
                _sum_faulty_circles(planes, x[part], y[part], radii, faulty, flux[part], variance[part])
        return flux, variance

    def overlap_sums(
        self, planes: Planes, x: FloatArray, y: FloatArray, radii: Sequence[float]
    ) -> tuple[FloatArray, FloatArray]:
        """Return flux and variance of overlaps with circles; see `Kernel.overlap_sums`."""
        return overlap_sums(planes, x, y, radii)

    def ellipse_bits(self, planes: Planes, x: FloatArray, y: FloatArray, quadrupole: FloatArray) -> BitArray:
        """Return the OR of the mask over ellipses; see `Kernel.ellipse_bits`."""
        bits = np.zeros(len(x), np.int32)
        reach = np.ceil(np.sqrt(np.maximum(quadrupole[:, 0], quadrupole[:, 1]))).astype(np.int64)
        for size in np.unique(reach):
            of_size = np.flatnonzero(reach == size)
            for part in batches(len(of_size), int(2 * size + 3) ** 2):
                rows = of_size[part]
                bits[rows] = _ellipse_bits_of_batch(planes, x[rows], y[rows], quadrupole[rows], int(size) + 1)
        return bits

    def centre_bits(self, planes: Planes, column: IntArray, row: IntArray) -> tuple[BitArray, BitArray]:
        """Return OR and AND over 3x3 pixels; see `Kernel.centre_bits`."""
        box = (column - 1, row - 1, 3, 3)
        bits = cutouts(planes.mask, *box)
        any_bits = np.bitwise_or.reduce(bits, axis=(1, 2))
        seen = seen_pixels(planes.shape, *box)
        if seen is not None:
            bits = np.where(seen, bits, np.int32(-1))
        return any_bits, np.bitwise_and.reduce(bits, axis=(1, 2))


def _flat(plane: AnyArray, x0: IntArray, y0: IntArray, height: int, width: int) -> FloatArray:
    return cutouts(plane, x0, y0, height, width).reshape(len(x0), -1).astype(np.float64)


def _psf_sums_of_batch(
    planes: Planes, model: FloatArray, x0: IntArray, y0: IntArray, bad_bits: int, sums: PsfSums, part: slice
) -> None:
    n, height, width = model.shape
    box = (x0, y0, height, width)
    m = model.reshape(n, -1)
    image, variance = _flat(planes.image, *box), _flat(planes.variance, *box)
    used = seen_pixels(planes.shape, *box)
    if bad_bits:
        good = (cutouts(planes.mask, *box) & np.int32(bad_bits)) == 0
        used = good if used is None else used & good
    if used is None:
        sums.npixels[part] = height * width
    else:
        used = used.reshape(n, -1)
        sums.npixels[part] = np.count_nonzero(used, axis=1)
        m, image, variance = np.where(used, m, 0.0), np.where(used, image, 0.0), np.where(used, variance, 1.0)
    mm = m * m
    sums.m[part] = m.sum(axis=1)
    sums.mm[part] = mm.sum(axis=1)
    sums.m_image[part] = np.vecdot(m, image)
    mm_variance = mm * variance if used is None else np.where(used, mm * variance, 0.0)
    sums.mm_variance[part] = mm_variance.sum(axis=1)
    residual = image - (sums.m_image[part] / sums.mm[part])[:, None] * m
    sums.chi2[part] = (residual * residual / variance).sum(axis=1)


Shift = tuple[int, int]
"""First column and first row of a coefficient image that a sub-pixel shift moves."""


def _groups_of_equal_shift(
    mode: SincShift, fraction_x: FloatArray, fraction_y: FloatArray
) -> Iterator[tuple[Shift, IntArray]]:
    """Split positions by what of the coefficient images their shift moves."""
    if mode == "exact":
        yield (0, 0), np.arange(len(fraction_x))
        return
    first_x, first_y = first_moved(fraction_x), first_moved(fraction_y)
    for column in (TAPS // 2 - 1, TAPS // 2):
        for row in (TAPS // 2 - 1, TAPS // 2):
            yield (column, row), np.flatnonzero((first_x == column) & (first_y == row))


def _moved_coefficients(
    aperture: SincAperture, weights_x: FloatArray, weights_y: FloatArray, shift: Shift
) -> FloatArray:
    """Return (n, width^2) coefficients at sub-pixel positions, unmoved border included."""
    moved = aperture.width if aperture.shift == "exact" else aperture.width - TAPS + 1
    columns, rows = (slice(first, first + moved) for first in shift)
    across = aperture.moved_vectors(weights_x)[:, columns]
    along = aperture.moved_vectors(weights_y)[:, rows] * aperture.eigenvalues
    result: FloatArray = np.matmul(along, across.transpose(0, 2, 1))
    if moved < aperture.width:
        inner, result = result, np.empty((len(weights_x), aperture.width, aperture.width))
        result[:] = aperture.coefficients
        result[:, rows, columns] = inner
    return result.reshape(len(weights_x), -1)


def _middle(boxes: FloatArray, width: int) -> FloatArray:
    """Return the middle of square boxes as rows of width^2 pixels."""
    margin = (boxes.shape[1] - width) // 2
    inner = slice(margin, margin + width)
    return boxes[:, inner, inner].reshape(len(boxes), -1)


def _circle_sums_of_batch(
    prefix: RowPrefix, circles: CircleRows, x: FloatArray, y: FloatArray
) -> tuple[ComplexArray, BoolArray | None]:
    """Return complex sums (n, radii), and which circles hold a pixel that is not finite."""
    rows, columns = prefix.sums.shape
    row = np.floor(y).astype(np.int64)[:, None] + circles.offsets
    left, right = _row_spans(x[:, None], circles.radius_squared - np.square(row - y[:, None]))
    right += 1
    empty = (right <= left) | (row < 0) | (row >= rows)
    left = np.clip(left, 0, columns - 1)
    right = np.where(empty, left, np.clip(right, 0, columns - 1))
    start = np.clip(row, 0, rows - 1) * columns
    left += start
    right += start
    flat = prefix.sums.reshape(-1)
    sums = np.add.reduceat(flat[right] - flat[left], circles.starts, axis=1)
    if prefix.faults is None:
        return sums, None
    counts = prefix.faults.reshape(-1)
    return sums, np.add.reduceat(counts[right] - counts[left], circles.starts, axis=1) > 0


def _sum_faulty_circles(
    planes: Planes,
    x: FloatArray,
    y: FloatArray,
    radii: Sequence[float],
    faulty: BoolArray,
    flux: FloatArray,
    variance: FloatArray,
) -> None:
    """Sum circles that hold NaN or infinity pixel by pixel, so that the sums say which."""
    for index, radius in enumerate(radii):
        rows = np.flatnonzero(faulty[:, index])
        reach = int(radius) + 2
        size = 2 * reach + 1
        for part in batches(len(rows), size**2):
            some = rows[part]
            x0, y0 = np.floor(x[some]).astype(np.int64) - reach, np.floor(y[some]).astype(np.int64) - reach
            dy = (y0[:, None] + np.arange(size)) - y[some, None]
            left, right = _row_spans(x[some, None], radius * radius - dy * dy)
            inside = _inside_spans(x0, left, right)
            box = (x0, y0, size, size)
            for plane, sums in ((planes.image, flux), (planes.variance, variance)):
                pixels = cutouts(plane, *box).astype(np.float64)
                sums[some, index] = np.where(inside, pixels, 0.0).sum(axis=(1, 2))


def _ellipse_bits_of_batch(
    planes: Planes, x: FloatArray, y: FloatArray, quadrupole: FloatArray, reach: int
) -> BitArray:
    """OR the mask over the pixels of ellipses (afw ``src/geom/ellipses/PixelRegion.cc``)."""
    xx, yy, xy = (quadrupole[:, i, None] for i in range(3))
    slope = xy / yy
    squared = xx - xy * slope
    x0, y0 = np.floor(x).astype(np.int64) - reach, np.floor(y).astype(np.int64) - reach
    size = 2 * reach + 2
    dy = (y0[:, None] + np.arange(size)) - y[:, None]
    left, right = _row_spans(x[:, None] + slope * dy, squared - squared / yy * dy * dy)
    bits = cutouts(planes.mask, x0, y0, size, size)
    seen: BitArray = np.where(_inside_spans(x0, left, right), bits, 0)
    return np.asarray(np.bitwise_or.reduce(seen, axis=(1, 2)))


def _row_spans(middle: FloatArray, half_squared: FloatArray) -> tuple[IntArray, IntArray]:
    """Return first and last column of rows of half width sqrt(half_squared); none if last < first."""
    half = np.sqrt(np.maximum(half_squared, 0.0))
    left = np.ceil(middle - half).astype(np.int64)
    right = np.floor(middle + half).astype(np.int64)
    return left, np.where(half_squared < 0.0, left - 1, right)


def _inside_spans(x0: IntArray, left: IntArray, right: IntArray) -> BoolArray:
    """Tell, (n, size, size) bool, which pixels of boxes from column `x0` lie in their row's span."""
    column = (x0[:, None] + np.arange(left.shape[1]))[:, None, :]
    return (column >= left[:, :, None]) & (column <= right[:, :, None])
