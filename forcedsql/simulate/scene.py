"""Simulated exposures: sources, noise and detector defects on one image."""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.exposure import Exposure, ExposureInfo, MaskArray
from forcedsql.fields.calibration import ApCorrMap, PhotoCalib
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.psf.protocol import Psf
from forcedsql.simulate.sky import tangent_wcs
from forcedsql.simulate.stamps import add_stamps, broadened, render_stars
from forcedsql.wcs import SkyWcs

PSF_FLUX_CORRECTION = "base_PsfFlux_instFlux"
"""Name of the aperture correction of PSF fluxes in an exposure's map."""

MASK_PLANES = {
    "BAD": 0,
    "SAT": 1,
    "INTRP": 2,
    "CR": 3,
    "EDGE": 4,
    "DETECTED": 5,
    "DETECTED_NEGATIVE": 6,
    "SUSPECT": 7,
    "NO_DATA": 8,
}
"""Bit numbers of the standard planes (afw ``src/image/Mask.cc``)."""

_DETECTION_THRESHOLD = 5.0
_DETECTION_GROWTH = 4
_SUSPECT_FRACTION = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Sources on an image.

    Parameters
    ----------
    x, y : ndarray, (n,) float64, pixel
        Parent positions.
    flux : ndarray, (n,) float64
        Total flux in the image's unit, as a calibrated catalogue has it.
    sigma : ndarray, (n,) float64, pixel
        Size of a galaxy before the PSF (Gaussian); 0 for a star.
    """

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    sigma: FloatArray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Noise of an exposure.

    Parameters
    ----------
    sky_sigma : float, nJy
        Standard deviation of the background in a pixel.
    gain : float, electron per nJy
        Sets the photon noise of the sources; infinity for none.
    saturation : float, nJy
        Pixels above this are masked SAT and interpolated.
    """

    sky_sigma: float = 30.0
    gain: float = 1.2
    saturation: float = 4.0e4


@dataclass(frozen=True, slots=True, kw_only=True)
class Defects:
    """What is wrong with a detector.

    Parameters
    ----------
    edge : int, pixel
        Width of the border masked EDGE.
    bad_columns, cosmic_rays : int
        How many, at random places; both are masked (BAD, CR), and interpolated (INTRP).
    no_data : int, pixel
        Side of the corner without data: NaN image and variance, masked NO_DATA.
    """

    edge: int = 0
    bad_columns: int = 0
    cosmic_rays: int = 0
    no_data: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedExposure:
    """An exposure, what is on it, and how its image came about.

    Parameters
    ----------
    exposure : Exposure
    sources : Sources
    noise : ndarray, (ny, nx) float64, nJy
        The image minus the light of all sources: photon noise, what interpolation left, and
        rounding; NaN where there are no data.
    """

    exposure: Exposure
    sources: Sources
    noise: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """Everything about an exposure but its pixels.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    xy0 : (int, int)
        Parent position (x, y) of the first pixel.
    psf : Psf
    wcs : SkyWcs
    ap_corr : mapping of str to BoundedField, or None
    info : ExposureInfo
    conditions : Conditions
    defects : Defects
    """

    shape: tuple[int, int]
    xy0: tuple[int, int]
    psf: Psf
    wcs: SkyWcs
    ap_corr: ApCorrMap | None = None
    info: ExposureInfo = field(default_factory=ExposureInfo)
    conditions: Conditions = field(default_factory=Conditions)
    defects: Defects = field(default_factory=Defects)

    def correction(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the aperture correction of PSF fluxes at positions, 1 where there is none."""
        if self.ap_corr is None:
            return np.ones(np.shape(x))
        return self.ap_corr[PSF_FLUX_CORRECTION].evaluate(x, y)


def random_sources(
    count: int, *, seed: int, shape: tuple[int, int], xy0: tuple[int, int] = (0, 0), margin: float = 15.0
) -> Sources:
    """Return stars at uniform random positions with log-uniform fluxes of 300 to 300,000 nJy.

    Parameters
    ----------
    count, seed : int
    shape : (int, int)
        Rows and columns of the image they are for.
    xy0 : (int, int)
        Parent position (x, y) of its first pixel.
    margin : float, pixel
        Distance kept from the border.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    x = xy0[0] + rng.uniform(margin, shape[1] - 1 - margin, count)
    y = xy0[1] + rng.uniform(margin, shape[0] - 1 - margin, count)
    return Sources(x, y, 10.0 ** rng.uniform(2.5, 5.5, count), np.zeros(count))


def simulate_exposure(
    *,
    count: int = 1000,
    shape: tuple[int, int] = (1000, 1000),
    xy0: tuple[int, int] = (0, 0),
    psf: Psf | None = None,
    conditions: Conditions | None = None,
    defects: Defects | None = None,
    seed: int = 0,
) -> SimulatedExposure:
    """Return an exposure of random stars, for tests and benchmarks.

    Parameters
    ----------
    count : int
        Number of stars; see `random_sources`.
    shape, xy0, psf, conditions, defects
        As in `Setting`.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    SimulatedExposure
        In nJy, with a tangent projection of 0.2 arcsec pixels around (53.1, -28.1) degrees and
        no aperture correction.
    """
    centre = (xy0[0] + (shape[1] - 1) / 2.0, xy0[1] + (shape[0] - 1) / 2.0)
    setting = Setting(
        shape=shape,
        xy0=xy0,
        psf=psf or SingleGaussianPsf(25, 25, 1.9),
        wcs=tangent_wcs((53.1, -28.1), centre),
        conditions=conditions or Conditions(),
        defects=defects or Defects(),
    )
    return expose(random_sources(count, seed=seed, shape=shape, xy0=xy0), setting, seed=seed)


def expose(sources: Sources, setting: Setting, *, seed: int) -> SimulatedExposure:
    """Render sources and add noise and defects; the same seed gives the same bits.

    A source of catalogue flux F puts F / c times the PSF on the image, where c is the
    aperture correction there: a measured PSF flux times c is F.  Pixel values are multiples
    of a power of two below 1/32 of the sky noise, which costs nothing in accuracy and makes
    files small.

    Parameters
    ----------
    sources : Sources
    setting : Setting
    seed : int

    Returns
    -------
    SimulatedExposure
    """
    noise_rng, defect_rng = (
        np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(2)
    )
    conditions = setting.conditions
    light = _light(sources, setting)
    variance = conditions.sky_sigma**2 + np.maximum(light, 0.0) / conditions.gain
    image = light + np.sqrt(variance) * noise_rng.standard_normal(setting.shape)
    variance = _rounded(variance, conditions.sky_sigma**2 / 64.0)
    mask = _detected(light, conditions)
    _apply_saturation(image, mask, light, conditions)
    _apply_defects(image, mask, setting.defects, defect_rng)
    image = _rounded(image, conditions.sky_sigma / 32.0)
    no_data = mask & (1 << MASK_PLANES["NO_DATA"]) != 0
    image[no_data] = variance[no_data] = np.nan
    exposure = Exposure(
        image=image.astype(np.float32),
        mask=mask,
        variance=variance.astype(np.float32),
        mask_planes=MASK_PLANES,
        xy0=setting.xy0,
        wcs=setting.wcs,
        psf=setting.psf,
        photo_calib=PhotoCalib(1.0),
        ap_corr=setting.ap_corr,
        unit="nJy",
        info=setting.info,
    )
    return SimulatedExposure(exposure, sources, exposure.image - light)


def _light(sources: Sources, setting: Setting) -> FloatArray:
    amplitude = sources.flux / setting.correction(sources.x, sources.y)
    star = sources.sigma == 0.0
    plane = render_stars(
        setting.psf, sources.x[star], sources.y[star], amplitude[star], setting.shape, setting.xy0
    )
    if not star.all():
        x, y = sources.x[~star], sources.y[~star]
        stamps = broadened(setting.psf.images(x, y), sources.sigma[~star])
        add_stamps(plane, stamps, amplitude[~star], setting.xy0)
    return plane


def _detected(light: FloatArray, conditions: Conditions) -> MaskArray:
    """Mask pixels whose smoothed light is significant, grown as LSST's detection grows them."""
    smoothing = 1.8
    threshold = _DETECTION_THRESHOLD * conditions.sky_sigma / (2.0 * np.sqrt(np.pi) * smoothing)
    significant = gaussian_filter(light, smoothing) > threshold
    grown = binary_dilation(significant, iterations=_DETECTION_GROWTH)
    return np.where(grown, np.int32(1 << MASK_PLANES["DETECTED"]), np.int32(0))


def _apply_saturation(image: FloatArray, mask: MaskArray, light: FloatArray, conditions: Conditions) -> None:
    saturated = light > conditions.saturation
    _flag(mask, light > _SUSPECT_FRACTION * conditions.saturation, "SUSPECT")
    _flag(mask, saturated, "SAT", "INTRP")
    _interpolate(image, saturated)


def _apply_defects(image: FloatArray, mask: MaskArray, defects: Defects, rng: np.random.Generator) -> None:
    height, width = image.shape
    columns = np.zeros(image.shape, dtype=bool)
    columns[:, rng.integers(20, width - 20, defects.bad_columns)] = True
    rays = np.zeros(image.shape, dtype=bool)
    for _ in range(defects.cosmic_rays):
        length, angle = rng.uniform(4.0, 20.0), rng.uniform(0.0, np.pi)
        steps = np.arange(0.0, length, 0.5)
        rows = np.floor(rng.uniform(10, height - 30) + steps * np.sin(angle)).astype(int)
        cols = np.floor(rng.uniform(30, width - 30) + steps * np.cos(angle)).astype(int)
        rays[rows, cols] = True
    _flag(mask, columns, "BAD", "INTRP")
    _flag(mask, rays, "CR", "INTRP")
    _interpolate(image, columns | rays)
    edge = np.zeros(image.shape, dtype=bool)
    if defects.edge:
        edge[:] = True
        edge[defects.edge : -defects.edge, defects.edge : -defects.edge] = False
    _flag(mask, edge, "EDGE")
    corner = np.zeros(image.shape, dtype=bool)
    corner[: defects.no_data, : defects.no_data] = True
    _flag(mask, corner, "NO_DATA")


def _flag(mask: MaskArray, where: BoolArray, *planes: str) -> None:
    for plane in planes:
        mask[where] |= np.int32(1 << MASK_PLANES[plane])


def _interpolate(image: FloatArray, bad: BoolArray) -> None:
    """Replace bad pixels by straight lines between the good ones of their row, in place."""
    columns = np.arange(image.shape[1])
    for row in np.flatnonzero(bad.any(axis=1) & ~bad.all(axis=1)):
        wrong = bad[row]
        image[row, wrong] = np.interp(columns[wrong], columns[~wrong], image[row, ~wrong])


def _rounded(values: FloatArray, step: float) -> FloatArray:
    """Round to multiples of the largest power of two that is not above `step`."""
    unit = 2.0 ** np.floor(np.log2(step))
    rounded: FloatArray = np.rint(values / unit) * unit
    return rounded
