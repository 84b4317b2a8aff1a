"""explain: everything there is to know of one position on one exposure, in words and as stamps."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.fields.calibration import AB_ZERO_POINT
from forcedsql.geometry import Box, nearest_pixel
from forcedsql.measure import flux_unit, measure_positions
from forcedsql.psf.protocol import gaussian_fwhm
from forcedsql.schema import PIXEL_FLAGS, Column, source_columns

_HALF_SIDE = 20
"""Pixels on each side of a stamp where there is no PSF whose box it could have."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stamps:
    """The pixels around a position, and the PSF model that was fitted to them.

    Parameters
    ----------
    data, noise : ndarray, (h, w) float64, unit of the image
        Pixels and the square roots of their variances; NaN off the image.
    model : ndarray, (h, w) float64, unit of the image
        PSF image times the fitted flux, before aperture correction; NaN without a PSF or flux.
    masked : ndarray, (h, w) bool
        Pixels of which a mask plane is set that the pixel flags know.
    x0, y0 : int, pixel
        Parent coordinates of the first pixel.
    unit : str
        Unit of the image.
    """

    data: FloatArray
    noise: FloatArray
    model: FloatArray
    masked: BoolArray
    x0: int
    y0: int
    unit: str

    @property
    def residual(self) -> FloatArray:
        """Data minus model over the noise, (h, w) float64; NaN where any of them is."""
        with np.errstate(all="ignore"):
            residual: FloatArray = (self.data - self.model) / self.noise
        return residual


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """What was measured at one position of an exposure, and what it was measured on.

    Parameters
    ----------
    ra, dec : float, degree
        ICRS.
    x, y : float, pixel
        Parent coordinates; NaN where the position has no place on the exposure.
    box : Box
        Of the exposure.
    values : dict of str to bool, int or float
        Everything measured, by the names of the DP1 ``Source`` table.
    columns : tuple of Column
        Those of `values`.
    flux_unit : str
    psf : str
        The PSF in words.
    planes : tuple of str
        Mask planes that are set in the pixel of the position.
    stamps : Stamps or None
        None where the position has no place in pixels.
    """

    ra: float
    dec: float
    x: float
    y: float
    box: Box
    values: dict[str, bool | int | float]
    columns: tuple[Column, ...]
    flux_unit: str
    psf: str
    planes: tuple[str, ...]
    stamps: Stamps | None

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield (name, text) for a person."""
        yield "position", f"ra {self.ra:.7f} deg, dec {self.dec:+.7f} deg (ICRS)"
        yield "pixel", self._place()
        if self.stamps is not None and self._is_inside():
            yield "this pixel", self._pixel(self.stamps)
            yield "its mask planes", ", ".join(map(_plane_in_words, self.planes)) or "none set"
        yield "PSF", self.psf
        yield from self._fit()
        for flux, error in self._fluxes():
            yield flux.source, self._flux_text(flux, error)
        yield from self._flags()

    def _place(self) -> str:
        if not np.isfinite(self.x):
            return "none: the position cannot be placed on the exposure"
        box = self.box
        inside = min(self.x - box.x0, self.y - box.y0, box.x1 - self.x, box.y1 - self.y) + 0.5
        where = f"{inside:.1f} pixels from the nearest edge"
        if not self._is_inside():
            where = f"off the image, which is x {box.x0}..{box.x1}, y {box.y0}..{box.y1}"
        return f"x {self.x:.3f}, y {self.y:.3f}: {where}"

    def _is_inside(self) -> bool:
        column, row = nearest_pixel(np.array([self.x, self.y]))
        box = self.box
        return bool(box.x0 <= column <= box.x1 and box.y0 <= row <= box.y1)

    def _pixel(self, stamps: Stamps) -> str:
        column, row = nearest_pixel(np.array([self.x, self.y]))
        at = (row - stamps.y0, column - stamps.x0)
        value, noise = stamps.data[at], stamps.noise[at]
        return f"({column}, {row}): {value:.5g} +- {noise:.3g} {stamps.unit}".rstrip()

    def _fit(self) -> Iterator[tuple[str, str]]:
        pixels = self.values.get("psfFlux_npixels", 0)
        if "psfFlux_chi2" in self.values and pixels:
            per_pixel = self.values["psfFlux_chi2"] / pixels
            expected = f"1 +- {np.sqrt(2 / pixels):.2g} if noise is all there is"
            yield "PSF area", f"{self.values['psfFlux_area']:.2f} pixels"
            if np.isfinite(per_pixel):
                yield "chi2 per pixel", f"{per_pixel:.4g} of {pixels} pixels ({expected})"
        if np.isfinite(self.values.get("psfFlux_apCorr", np.nan)):
            yield "aperture correction", f"{self.values['psfFlux_apCorr']:.5f}"

    def _fluxes(self) -> Iterator[tuple[Column, Column]]:
        by_name = {column.source: column for column in self.columns}
        for column in self.columns:
            error = by_name.get(f"{column.source}Err")
            if column.is_flux and error is not None:
                yield column, error

    def _flux_text(self, flux: Column, error: Column) -> str:
        value, sigma = self.values[flux.source], self.values[error.source]
        unit = flux.arrow_field(flux.source, self.flux_unit).metadata[b"unit"].decode()
        if not (np.isfinite(value) and np.isfinite(sigma)):
            return f"not measured ({value:g} +- {sigma:g} {unit})"
        text = (
            f"{value:.6g} +- {sigma:.4g} {unit}, S/N {value / sigma:.1f}" if sigma else f"{value:.6g} {unit}"
        )
        if unit == "nJy" and value > 0.0:
            text += f", AB {AB_ZERO_POINT - 2.5 * np.log10(value):.3f} mag"
        return text

    def _flags(self) -> Iterator[tuple[str, str]]:
        raised = [
            c for c in self.columns if isinstance(self.values[c.source], bool) and self.values[c.source]
        ]
        for column in raised:
            yield f"flag {column.source}", column.meaning
        if not raised:
            yield "flags", "none raised"


def explain(
    exposure: Exposure, ra: float, dec: float, *, config: MeasurementConfig | None = None
) -> Explanation:
    """Measure one position, and gather what explains the numbers.

    Parameters
    ----------
    exposure : Exposure
    ra, dec : float, degree
        ICRS.
    config : MeasurementConfig, optional

    Raises
    ------
    ForcedSQLError
        See `measure_positions`.
    """
    config = config or MeasurementConfig()
    at = np.array([ra], dtype=float), np.array([dec], dtype=float)
    measured = {name: column[0].item() for name, column in measure_positions(exposure, *at, config).items()}
    x, y = measured["x"], measured["y"]
    return Explanation(
        ra=ra,
        dec=dec,
        x=x,
        y=y,
        box=exposure.bbox,
        values=measured,
        columns=source_columns(config),
        flux_unit=flux_unit(exposure, config),
        psf=_psf_in_words(exposure, x, y),
        planes=_planes_at(exposure, x, y),
        stamps=_stamps(exposure, x, y, _fitted_flux(exposure, at, config)),
    )


def _fitted_flux(exposure: Exposure, at: tuple[FloatArray, FloatArray], config: MeasurementConfig) -> float:
    """Return the amplitude of the PSF in the image's unit, as the residual has to have it."""
    as_fitted = replace(config, do_ap_corr=False, calibrate="never", deblend="none")
    return float(measure_positions(exposure, *at, as_fitted).get("psfFlux", np.array([np.nan]))[0])


def _psf_in_words(exposure: Exposure, x: float, y: float) -> str:
    if exposure.psf is None:
        return "none"
    fwhm = gaussian_fwhm(exposure.psf.shapes(np.array([x]), np.array([y])))[0]
    if np.isnan(fwhm):
        return f"{exposure.psf.kind}, which has no value here"
    return f"{exposure.psf.kind}, FWHM {fwhm:.3f} pixels (adaptive moments, as of a Gaussian)"


def _planes_at(exposure: Exposure, x: float, y: float) -> tuple[str, ...]:
    if not (np.isfinite(x) and np.isfinite(y)):
        return ()
    column, row = nearest_pixel(np.array([x, y]))
    mask = _window(exposure, Box(int(column), int(row), 1, 1))[1]
    bits = sorted(exposure.mask_planes.items(), key=lambda item: item[1])
    return tuple(name for name, bit in bits if int(mask[0, 0]) >> bit & 1)


def _plane_in_words(name: str) -> str:
    meanings = {flag.plane: flag.meaning for flag in PIXEL_FLAGS}
    return f"{name} ({meanings[name]})" if name in meanings else name


def _stamps(exposure: Exposure, x: float, y: float, flux: float) -> Stamps | None:
    if not (np.isfinite(x) and np.isfinite(y)):
        return None
    images = None if exposure.psf is None else exposure.psf.images(np.array([x]), np.array([y]))
    if images is not None and images.valid[0]:
        box = Box(int(images.x0[0]), int(images.y0[0]), int(images.width[0]), int(images.height[0]))
        model = flux * images.values[0, : box.height, : box.width]
    else:
        column, row = nearest_pixel(np.array([x, y])) - _HALF_SIDE
        box = Box(int(column), int(row), 2 * _HALF_SIDE + 1, 2 * _HALF_SIDE + 1)
        model = np.full((box.height, box.width), np.nan)
    image, mask, variance = _window(exposure, box)
    known = sum(
        1 << exposure.mask_planes[flag.plane] for flag in PIXEL_FLAGS if flag.plane in exposure.mask_planes
    )
    with np.errstate(invalid="ignore"):
        noise = np.sqrt(variance)
    return Stamps(
        data=image,
        noise=noise,
        model=model,
        masked=(mask.astype(np.int64) & known) != 0,
        x0=box.x0,
        y0=box.y0,
        unit=exposure.unit,
    )


def _window(exposure: Exposure, box: Box) -> tuple[FloatArray, AnyArray, FloatArray]:
    """Return image, mask and variance of a box; NaN and 0 where it is off the image."""
    ny, nx = exposure.shape
    x0, y0 = box.x0 - exposure.xy0[0], box.y0 - exposure.xy0[1]
    rows = slice(min(max(y0, 0), ny), min(max(y0 + box.height, 0), ny))
    columns = slice(min(max(x0, 0), nx), min(max(x0 + box.width, 0), nx))
    wanted = np.zeros(ny, np.bool_)
    wanted[rows] = True
    exposure.read_rows(wanted, wanted, columns)
    inside = slice(rows.start - y0, rows.stop - y0), slice(columns.start - x0, columns.stop - x0)
    cut = []
    for plane, filler in zip(exposure.planes_so_far(), (np.nan, 0, np.nan), strict=True):
        window = np.full((box.height, box.width), filler, np.int32 if filler == 0 else np.float64)
        if rows.stop > rows.start and columns.stop > columns.start:
            window[inside] = plane[rows, columns]
        cut.append(window)
    return cut[0], cut[1], cut[2]
