"""base_SdssCentroid: where the source near each position really is.

In forced photometry this is one more measurement: fluxes stay at the requested positions.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import INVALID_PSF, Batch, Columns, groups_of_one_size
from forcedsql.measure.kernels.cutouts import batches, cutouts, inside_image
from forcedsql.measure.peak_fit import PeakFit, fit_peak
from forcedsql.plugins import CENTROID_ORDER, Plugin, PluginOption
from forcedsql.schema import Column, flag_column, value_column

NAME = "base_SdssCentroid"

_FLAGS = (
    ("flag", "the source could not be centred well"),
    ("flag_edge", "too close to the edge; this is the position itself"),
    ("flag_noSecondDerivative", "the image has no curvature here, or hardly any"),
    ("flag_almostNoSecondDerivative", "never raised; kept for its name"),
    ("flag_notAtMaximum", "the image has no maximum here"),
    ("flag_near_edge", "close to the edge; smoothed with a small Gaussian in place of the PSF"),
    ("flag_resetToPeak", "the maximum is too far away; this is the pixel of the position"),
    ("flag_badError", "an error of the centroid is not a number"),
)

_SMALL_SIGMA, _SMALL_SIDE = 0.5, 5
"""Width of the Gaussian that stands in for the PSF near the edge, and side of its image, in pixels."""


def sdss_centroid_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the centroid."""
    words = {"x": "column", "y": "row"}
    return (
        *(
            value_column(
                f"sdssCentroid_{axis}",
                f"{NAME}_{axis}",
                f"{word} of the source near the position, in parent pixels",
                unit="pix",
                ucd=f"pos.cartesian.{axis};instr.det",
            )
            for axis, word in words.items()
        ),
        *(
            value_column(
                f"sdssCentroid_{axis}Err",
                f"{NAME}_{axis}Err",
                f"1-sigma error of the {word} of the source",
                type_=pa.float32(),
                unit="pix",
                ucd=f"stat.error;pos.cartesian.{axis};instr.det",
            )
            for axis, word in words.items()
        ),
        *(flag_column(f"sdssCentroid_{suffix}", f"{NAME}_{suffix}", meaning) for suffix, meaning in _FLAGS),
    )


def sdss_centroid(batch: Batch, config: MeasurementConfig) -> Columns:
    """Find the maximum of the image smoothed with the PSF, near each position.

    The image is binned by 2 until the source is no wider than `wfac` times a point source; a
    maximum further than `maxDistToPeak` from the position's pixel is not believed (meas_base
    ``src/SdssCentroid.cc``).
    """
    search = _Search(batch, config)
    search.run()
    column, row = batch.local_pixel
    x0, y0 = batch.exposure.xy0
    distance = np.hypot(search.x - column, search.y - row)
    reset = search.finished & ~(distance <= config.plugin_option(NAME, "maxDistToPeak"))
    bad_error = search.finished & (np.isnan(search.x_error) | np.isnan(search.y_error))
    flags = {
        "flag_edge": search.edge,
        "flag_noSecondDerivative": search.flat,
        "flag_almostNoSecondDerivative": np.zeros(len(batch), np.bool_),
        "flag_notAtMaximum": search.no_maximum,
        "flag_near_edge": search.near_edge,
        "flag_resetToPeak": reset,
        "flag_badError": bad_error,
    }
    columns: Columns = {
        "sdssCentroid_x": np.where(search.finished, np.where(reset, column, search.x) + x0, batch.x),
        "sdssCentroid_y": np.where(search.finished, np.where(reset, row, search.y) + y0, batch.y),
        "sdssCentroid_xErr": np.where(search.finished, search.x_error, np.nan).astype(np.float32),
        "sdssCentroid_yErr": np.where(search.finished, search.y_error, np.nan).astype(np.float32),
        INVALID_PSF: ~search.known,
    }
    columns |= {f"sdssCentroid_{name}": values for name, values in flags.items()}
    columns["sdssCentroid_flag"] = np.any([*flags.values(), ~search.known], axis=0)
    return columns


@dataclass(slots=True, eq=False)
class _Smoothing:
    """Kernels of n positions.

    Parameters
    ----------
    kernels : ndarray, (n, h, w) float64
        Images that a source is smoothed with.
    centre_x, centre_y : ndarray, (n,) int64
        Column and row of each image's centre.
    sigma : ndarray, (n,) float64, pixel
        Width of the Gaussian that each stands for.
    """

    kernels: FloatArray
    centre_x: IntArray
    centre_y: IntArray
    sigma: FloatArray

    def of_rows(self, rows: IntArray) -> "_Smoothing":
        """Return the kernels of some positions."""
        return _Smoothing(self.kernels[rows], self.centre_x[rows], self.centre_y[rows], self.sigma[rows])


class _Search:
    """The maxima of all positions, binning step by binning step."""

    def __init__(self, batch: Batch, config: MeasurementConfig) -> None:
        n = len(batch)
        self.batch = batch
        self.largest_bin = config.plugin_option(NAME, "binmax")
        self.widest = config.plugin_option(NAME, "wfac")
        self.column, self.row = batch.local_pixel
        self.bin_x, self.bin_y = np.ones(n, np.int64), np.ones(n, np.int64)
        self.x, self.y, self.x_error, self.y_error = np.full((4, n), np.nan)
        flags = np.zeros((5, n), np.bool_)
        self.edge, self.flat, self.no_maximum, self.near_edge, self.failed = flags
        self.known = np.zeros(n, np.bool_)

    @property
    def finished(self) -> BoolArray:
        """Where a maximum was found."""
        return self.known & ~self.failed

    def run(self) -> None:
        """Bin and fit until every source is narrow enough, or has failed."""
        psf = self.batch.exposure.psf
        if psf is None:
            return
        x0, y0 = self.batch.exposure.xy0
        centre = (self.column + x0).astype(np.float64), (self.row + y0).astype(np.float64)
        images, shapes = psf.kernel_images(*centre), psf.shapes(*centre)
        self.known = images.valid.copy()
        sigma = (shapes[:, 0] * shapes[:, 1] - shapes[:, 2] ** 2) ** 0.25
        for rows, kernels in groups_of_one_size(images):
            smoothing = _Smoothing(kernels, -images.x0[rows], -images.y0[rows], sigma[rows])
            self._run_group(rows, smoothing)

    def _run_group(self, rows: IntArray, smoothing: _Smoothing) -> None:
        active = np.arange(len(rows))
        bin_size = 1
        while bin_size <= self.largest_bin and len(active):
            labels = self.bin_x[rows[active]] * (self.largest_bin + 1) + self.bin_y[rows[active]]
            going = [self._step(rows, some, smoothing) for some in _split(active, labels)]
            active = np.concatenate(going)
            bin_size *= 2

    def _step(self, rows: IntArray, some: IntArray, smoothing: _Smoothing) -> IntArray:
        """Fit sources of one binning; return those that must be binned further."""
        going = []
        _, height, width = smoothing.kernels.shape
        bins = int(self.bin_x[rows[some[0]]]), int(self.bin_y[rows[some[0]]])
        for part in batches(len(some), (width + 4) * bins[0] * (height + 4) * bins[1]):
            block = some[part]
            fits = self._box_fits(rows[block], width, height, bins)
            if fits.any():
                inner = block[fits]
                going.append(inner[self._fit(rows[inner], smoothing.of_rows(inner), bins)])
            self._fit_near_edge(rows[block[~fits]], bins)
        return np.concatenate(going) if going else np.zeros(0, np.int64)

    def _fit_near_edge(self, rows: IntArray, bins: tuple[int, int]) -> None:
        """Fit sources whose box reaches over the edge, with a small Gaussian in place of the PSF."""
        fits = self._box_fits(rows, _SMALL_SIDE, _SMALL_SIDE, bins)
        self.edge[rows[~fits]] = self.failed[rows[~fits]] = True
        inner = rows[fits]
        self.near_edge[inner] = True
        if len(inner):
            self._fit(inner, _small_gaussian(len(inner)), bins)

    def _box_fits(self, rows: IntArray, width: int, height: int, bins: tuple[int, int]) -> BoolArray:
        x0 = self.column[rows] - bins[0] * (2 + width // 2)
        y0 = self.row[rows] - bins[1] * (2 + height // 2)
        shape = self.batch.planes.shape
        return inside_image(shape, x0, y0, bins[1] * (height + 4), bins[0] * (width + 4))

    def _fit(self, rows: IntArray, smoothing: _Smoothing, bins: tuple[int, int]) -> BoolArray:
        """Fit sources; tell which must be binned further."""
        image, variance = self._smoothed(rows, smoothing, bins)
        fit = fit_peak(image, variance, smoothing.sigma)
        for mine, found in (
            # The original raises the same flag for hardly any curvature, and never the other.
            (self.flat, fit.flat | fit.nearly_flat),
            (self.no_maximum, fit.no_maximum),
            (self.failed, fit.failed),
        ):
            mine[rows] |= found
        # From the lower left corner of the central pixel, as that is where bins begin.
        x, y = ((v + 0.5) * size - 0.5 for v, size in zip((fit.x, fit.y), bins, strict=True))
        self.x[rows], self.y[rows] = self.column[rows] + x, self.row[rows] + y
        self.x_error[rows], self.y_error[rows] = fit.x_error * bins[0], fit.y_error * bins[1]
        return ~fit.failed & self._bin_wide_ones(rows, fit, (x, y), smoothing.sigma, bins)

    def _bin_wide_ones(
        self,
        rows: IntArray,
        fit: PeakFit,
        offset: tuple[FloatArray, FloatArray],
        sigma: FloatArray,
        bins: tuple[int, int],
    ) -> BoolArray:
        """Bin sources further along the axes on which they are too wide; tell which they are."""
        limit_x, limit_y = (self.widest * (1.0 + sigma * sigma) * b * b for b in bins)
        wide_x = (fit.x_size * bins[0] ** 2 >= limit_x) | (offset[0] ** 2 >= limit_x)
        wide_y = (fit.y_size * bins[1] ** 2 >= limit_y) | (offset[1] ** 2 >= limit_y)
        self.bin_x[rows[wide_x]] *= 2
        self.bin_y[rows[wide_y]] *= 2
        return np.asarray(wide_x | wide_y)

    def _smoothed(
        self, rows: IntArray, smoothing: _Smoothing, bins: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """Return binned and smoothed image and variance around each pixel, (n, 3, 3) each."""
        bin_x, bin_y = bins
        n, height, width = smoothing.kernels.shape
        x0, y0 = self.column[rows] - bin_x * (2 + width // 2), self.row[rows] - bin_y * (2 + height // 2)
        boxes = []
        for plane in (self.batch.planes.image, self.batch.planes.variance):
            pixels = cutouts(plane, x0, y0, bin_y * (height + 4), bin_x * (width + 4)).astype(np.float64)
            cells = pixels.reshape(n, height + 4, bin_y, width + 4, bin_x)
            boxes.append(cells.mean(axis=(2, 4)).astype(np.float32).astype(np.float64))
        image, variance = np.empty((2, n, 3, 3))
        first_x = width // 2 + 1 - int(smoothing.centre_x[0])
        first_y = height // 2 + 1 - int(smoothing.centre_y[0])
        squared = smoothing.kernels**2
        for j in range(3):
            for i in range(3):
                cut = np.s_[:, first_y + j : first_y + j + height, first_x + i : first_x + i + width]
                image[:, j, i] = _weighted(smoothing.kernels, boxes[0][cut])
                variance[:, j, i] = _weighted(squared, boxes[1][cut])
        # The original propagates errors as if kernels had a variance: image^2 times 0 is added.
        variance[~np.isfinite(image)] = np.nan
        # The mean of a bin has the variance over its number of pixels, which the original undoes
        # again, together with what a smoothing by a Gaussian does.
        variance *= (4.0 * np.pi * smoothing.sigma**2)[:, None, None]
        return image.astype(np.float32).astype(np.float64), variance.astype(np.float32).astype(np.float64)


def _weighted(kernels: FloatArray, pixels: FloatArray) -> FloatArray:
    """Return the sum of pixels under each kernel, (n,); what a kernel gives no weight is not looked at."""
    sums = np.einsum("nyx,nyx->n", kernels, pixels)
    doubtful = np.flatnonzero(~np.isfinite(sums))
    weights = kernels[doubtful]
    sums[doubtful] = np.where(weights == 0.0, 0.0, weights * pixels[doubtful]).sum(axis=(1, 2))
    return np.asarray(sums)


def _split(values: IntArray, labels: IntArray) -> list[IntArray]:
    return [values[labels == label] for label in np.unique(labels)]


def _small_gaussian(count: int) -> _Smoothing:
    offset = np.arange(_SMALL_SIDE) - _SMALL_SIDE // 2
    profile = np.exp(-(offset**2) / (2.0 * _SMALL_SIGMA**2))
    kernel = np.outer(profile, profile)
    kernels = np.broadcast_to(kernel / kernel.sum(), (count, _SMALL_SIDE, _SMALL_SIDE))
    centre = np.full(count, _SMALL_SIDE // 2)
    return _Smoothing(np.asarray(kernels), centre, centre, np.full(count, _SMALL_SIGMA))


PLUGIN = Plugin(
    name=NAME,
    summary="maximum of the smoothed image near the position; fluxes stay where they are asked for",
    order=CENTROID_ORDER,
    columns=sdss_centroid_columns,
    measure=sdss_centroid,
    needs_psf=True,
    options=(
        PluginOption(name="binmax", default=16, meaning="largest binning that is tried"),
        PluginOption(
            name="wfac", default=1.5, meaning="width above which a source is binned, in point sources"
        ),
        PluginOption(
            name="peakMin", default=-1.0, meaning="kept for its name: changes no result, as in the original"
        ),
        PluginOption(
            name="maxDistToPeak", default=1.0, meaning="farthest maximum that is believed, in pixels"
        ),
    ),
)
