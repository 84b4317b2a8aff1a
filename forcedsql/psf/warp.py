"""Warping of PSF images by affine maps: many images, each with a map of its own, at once."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.native import native_library
from forcedsql.native import warping as native_warping
from forcedsql.psf.grouping import groups
from forcedsql.psf.protocol import PsfImages
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.transforms import LocalMaps

_LARGEST_COEFFICIENT = 200.0
_LARGEST_HALF_SIDE = 1024
_PIXELS_PER_BATCH = 12_000


@dataclass(frozen=True, slots=True, eq=False)
class CentredImages:
    """Images of odd sides with their origins in the middle, as one block.

    Parameters
    ----------
    values : ndarray, (n, 2 m + 1, 2 k + 1) float64
        Image i is at the centre of its plane; the rest of the plane is zero.
    half_width, half_height : ndarray, (n,) int64, pixel
        Image i reaches this far from its origin; zero where it is invalid.
    valid : ndarray, (n,) bool
    """

    values: FloatArray
    half_width: IntArray
    half_height: IntArray
    valid: BoolArray

    def at_origin(self) -> PsfImages:
        """Return the images as kernel images, each at the first pixel of its plane."""
        _, plane_height, plane_width = self.values.shape
        most_x, most_y = plane_width // 2, plane_height // 2
        values = self.values
        for (half_width, half_height), rows in groups(self.half_width, self.half_height):
            if (half_width, half_height) == (most_x, most_y):
                continue
            own = self.values[rows]
            if values is self.values:
                values = self.values.copy()
            cut = own[
                :,
                most_y - half_height : most_y + half_height + 1,
                most_x - half_width : most_x + half_width + 1,
            ]
            values[rows] = 0.0
            values[rows, : 2 * half_height + 1, : 2 * half_width + 1] = cut
        width = np.where(self.valid, 2 * self.half_width + 1, 0)
        height = np.where(self.valid, 2 * self.half_height + 1, 0)
        return PsfImages(values, -self.half_width, -self.half_height, width, height, self.valid)


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Images, and the affine maps by which they are to be warped and normalised to sum 1.

    Parameters
    ----------
    images : PsfImages
        n images in source pixels.
    maps : LocalMaps
        From source to destination; the source position of each becomes the origin of its result.
    kernel : WarpingKernel
    half_width, half_height : ndarray, (n,) int64, pixel
        How far the results reach from their origins, in destination pixels; zero where invalid.
    valid : ndarray, (n,) bool
        False where the image or the map is invalid, and where the map enlarges more than 200
        times or to more than 2049 pixels.

    Notes
    -----
    meas_algorithms ``src/WarpedPsf.cc``: the box of the result is centred and odd, half as long as
    the warped source box rounded down; pixels whose taps leave the zero-padded source are zero.
    """

    images: PsfImages
    maps: LocalMaps
    kernel: WarpingKernel
    half_width: IntArray
    half_height: IntArray
    valid: BoolArray

    @classmethod
    def of(cls, images: PsfImages, maps: LocalMaps, kernel: WarpingKernel) -> "Warp":
        """Find the boxes of the results."""
        return cls(images, maps, kernel, *_half_sides(images, maps))

    def add_to(self, planes: FloatArray, rows: IntArray, weight: float) -> BoolArray:
        """Add the warped images, times a weight, to planes with which they share the origin.

        Parameters
        ----------
        planes : ndarray, (m, 2 k + 1, 2 l + 1) float64
            C-contiguous, large enough, their origins in the middle.
        rows : ndarray, (n,) int64
            Plane of each image, each its own.
        weight : float

        Returns
        -------
        ndarray, (n,) bool
            Which images were added: those that are valid and whose sum is not zero.
        """
        library = native_library()
        if library is None or self.kernel.cache_size == 0:
            return self._add_groups(planes, rows, weight)
        return native_warping.add_warped(
            library,
            self.images.values,
            *self._origins,
            self.maps.inverse,
            width=self.images.width,
            height=self.images.height,
            half_sides=(self.half_width, self.half_height),
            valid=self.valid,
            table=self.kernel.native_table,
            planes=planes,
            rows=rows,
            weight=weight,
        )

    def centred(self) -> CentredImages:
        """Return the warped images, in destination pixels about their origins."""
        most_y, most_x = self.half_height.max(initial=0), self.half_width.max(initial=0)
        values = np.zeros((len(self.valid), 2 * most_y + 1, 2 * most_x + 1))
        valid = self.add_to(values, np.arange(len(values)), 1.0)
        half_width, half_height = (np.where(valid, half, 0) for half in (self.half_width, self.half_height))
        return CentredImages(values, half_width, half_height, valid)

    @property
    def _origins(self) -> tuple[FloatArray, FloatArray]:
        """Column and row of each source image that become the origin."""
        return self.maps.x - self.images.x0, self.maps.y - self.images.y0

    def _add_groups(self, planes: FloatArray, rows: IntArray, weight: float) -> BoolArray:
        """Do what `add_to` does, all images of one size of source and result together."""
        middle_y, middle_x = planes.shape[1] // 2, planes.shape[2] // 2
        valid, (x, y) = self.valid.copy(), self._origins
        for (h, w, half_y, half_x, good), some in groups(
            self.images.height, self.images.width, self.half_height, self.half_width, valid.astype(np.int64)
        ):
            if not good:
                continue
            source, matrix = self.images.values[some, :h, :w], self.maps.inverse[some]
            half_sides = (half_x, half_y)
            warped = _warp_boxes(source, x[some], y[some], matrix, half_sides=half_sides, kernel=self.kernel)
            valid[some] = _normalise(warped)
            warped *= weight
            lines = slice(middle_y - half_y, middle_y + half_y + 1)
            columns = slice(middle_x - half_x, middle_x + half_x + 1)
            planes[rows[some], lines, columns] += warped
        return valid


def _half_sides(images: PsfImages, maps: LocalMaps) -> tuple[IntArray, IntArray, BoolArray]:
    """Return half width and half height of the warped boxes, and where they are usable."""
    valid = images.valid & maps.valid
    matrix = np.where(valid[:, None, None], maps.matrix, 0.0)
    valid &= np.abs(matrix).max(axis=(1, 2)) <= _LARGEST_COEFFICIENT
    extent_x = np.abs(matrix[:, 0, 0]) * images.width + np.abs(matrix[:, 0, 1]) * images.height
    extent_y = np.abs(matrix[:, 1, 0]) * images.width + np.abs(matrix[:, 1, 1]) * images.height
    valid &= np.maximum(extent_x, extent_y) < 2.0 * (_LARGEST_HALF_SIDE + 1)
    half_x, half_y = (
        np.floor(0.5 * np.where(valid, extent, 0.0)).astype(np.int64) for extent in (extent_x, extent_y)
    )
    return half_x, half_y, valid


def _warp_boxes(
    images: FloatArray,
    x: FloatArray,
    y: FloatArray,
    matrix: FloatArray,
    *,
    half_sides: tuple[int, int],
    kernel: WarpingKernel,
) -> FloatArray:
    """Warp images of one size into boxes of one size, (n, 2 half_y + 1, 2 half_x + 1).

    `x`, `y` are the column and row of each image that its origin comes from, `matrix` the
    derivatives of column and row by destination pixels.  Every pixel is a sum of its own, so a
    result does not depend on the images that share the call.
    """
    half_x, half_y = half_sides
    count, height, width = images.shape
    padding, taps = kernel.padding, kernel.taps
    padded = np.zeros((count, height + 2 * padding, width + 2 * padding))
    padded[:, padding : padding + height, padding : padding + width] = images
    # From here on columns and rows are those of the first tap in the padded image.
    x_map = _AffineRow(matrix[:, 0, 0], matrix[:, 0, 1], x + (padding + kernel.first))
    y_map = _AffineRow(matrix[:, 1, 0], matrix[:, 1, 1], y + (padding + kernel.first))
    end_x, end_y = padded.shape[2] - taps + 1, padded.shape[1] - taps + 1
    grid_y, grid_x = np.mgrid[-half_y : half_y + 1, -half_x : half_x + 1].reshape(2, -1).astype(np.float64)
    pixels = np.flatnonzero(x_map.may_reach(grid_x, grid_y, end_x) & y_map.may_reach(grid_x, grid_y, end_y))
    grid_x, grid_y = grid_x[pixels], grid_y[pixels]
    warped = np.zeros((count, (2 * half_y + 1) * (2 * half_x + 1)))
    batch = max(1, _PIXELS_PER_BATCH // max(1, len(pixels)))
    for start in range(0, count, batch):
        rows = slice(start, start + batch)
        columns, lines = x_map.apply(rows, grid_x, grid_y), y_map.apply(rows, grid_x, grid_y)
        inside = (columns >= 0.0) & (columns < end_x) & (lines >= 0.0) & (lines < end_y)
        values = np.zeros(columns.shape)
        values[inside] = _interpolate(padded[rows], inside, columns[inside], lines[inside], kernel)
        warped[rows, pixels] = values
    return warped.reshape(count, 2 * half_y + 1, 2 * half_x + 1)


@dataclass(frozen=True, slots=True, eq=False)
class _AffineRow:
    """One source coordinate of n images as a function of destination pixels: a x + b y + c."""

    a: FloatArray
    b: FloatArray
    c: FloatArray

    def apply(self, rows: slice, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the coordinate of some images at k pixels, (m, k)."""
        coordinate: FloatArray = self.a[rows, None] * x
        coordinate += self.b[rows, None] * y
        coordinate += self.c[rows, None]
        return coordinate

    def may_reach(self, x: FloatArray, y: FloatArray, end: int) -> BoolArray:
        """Tell, (k,), which pixels may come to lie in [0, end) for any of the images."""
        middle, spread = np.zeros(len(x)), np.full(len(x), 1e-6)
        for values, factor in ((self.a, x), (self.b, y), (self.c, np.ones(len(x)))):
            low, high = values.min(), values.max()
            middle += 0.5 * (low + high) * factor
            spread += 0.5 * (high - low) * np.abs(factor)
        reached: BoolArray = (middle + spread >= 0.0) & (middle - spread < end)
        return reached


def _interpolate(
    padded: FloatArray, inside: BoolArray, columns: FloatArray, lines: FloatArray, kernel: WarpingKernel
) -> FloatArray:
    """Return the value of image i at the positions of row i of `inside`, one after the other."""
    _, height, width = padded.shape
    image = np.repeat(np.arange(len(padded), dtype=np.float64), np.count_nonzero(inside, axis=1))
    column, line = np.floor(columns), np.floor(lines)
    first = ((image * height + line) * width + column).astype(np.intp)
    weights_x, weights_y = kernel.weights(columns - column), kernel.weights(lines - line)
    source = padded.reshape(-1)
    total, along_line, value = np.zeros((3, len(first)))
    for j, weight_y in enumerate(weights_y):
        along_line[:] = 0.0
        for k, weight_x in enumerate(weights_x):
            # Clipping, which never happens here, spares a check that costs more than the look-up.
            source[j * width + k :].take(first, out=value, mode="clip")
            value *= weight_x
            along_line += value
        along_line *= weight_y
        total += along_line
    return total


def _normalise(images: FloatArray) -> BoolArray:
    """Divide images by their sums, in place; return where there is one, (n,). Others become zero."""
    flat = images.reshape(len(images), -1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        total = flat.sum(axis=1)
        flat /= total[:, None]
        usable: BoolArray = np.isfinite(total) & (total != 0.0) & np.isfinite(flat).all(axis=1)
    flat[~usable] = 0.0
    return usable
