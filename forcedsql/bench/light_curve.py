"""The light-curve workload: one position on many compressed exposures, from their files."""

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.bench.catalogue import make_catalogue
from forcedsql.bench.peers import NAIVE_RADII, RADII, middle_stamp
from forcedsql.database import connect, ingest
from forcedsql.schema import aperture_source_prefix
from forcedsql.writer import write_exposure

COMPARED_RADIUS = NAIVE_RADII[0]
"""Of the aperture whose fluxes are compared: it sums pixels by their centres, as photutils can."""

PEER_EXPOSURES = 4
"""Peers read the first so many exposures only: each costs them a good part of a second."""

WRITABLE = ("gaussian", "varying", "piff")
"""PSF models that `forcedsql.writer` can put into a file."""

_DATABASE = "light_curve.duckdb"
_CUT_OUT = 80
_POSITIONS = 500


@dataclass(frozen=True, slots=True, eq=False)
class LightCurve:
    """One position on exposures that are registered in a database.

    Parameters
    ----------
    psf : str
        Name of the PSF model.
    stamp : ndarray, (h, w) float64
        The PSF in the middle: photutils cannot read it from the files.
    database : Path
    files : tuple of Path
        Copies of one exposure, registered one by one.
    ra, dec : float, degree
        ICRS.
    """

    psf: str
    stamp: AnyArray
    database: Path
    files: tuple[Path, ...]
    ra: float
    dec: float


Work = Callable[[], FloatArray]
"""Measures, and returns the flux in the aperture of `COMPARED_RADIUS` on each exposure."""


@dataclass(frozen=True, slots=True)
class LightCurveContestant:
    """Something that measures light curves: its name, what it needs, and its work."""

    name: str
    work: str
    packages: tuple[str, ...]
    prepare: Callable[[LightCurve, int], Work]

    def why_missing(self) -> str:
        """Return why it cannot take part here, or ""."""
        for package in self.packages:
            try:
                import_module(package)
            except ImportError:
                return f"not installed: pip install {package}"
        return ""


def make_light_curve(folder: Path, psf: str, *, side: int, exposures: int) -> LightCurve:
    """Write exposures into a folder, and register them in a database there.

    Parameters
    ----------
    folder : Path
    psf : str
        One of `WRITABLE`.
    side : int, pixel
    exposures : int
    """
    catalogue = make_catalogue(psf, side=side, positions=_POSITIONS)
    exposure = catalogue.exposure()
    files = [folder / f"{psf}_{k:04d}.fits" for k in range(exposures)]
    write_exposure(exposure, files[0])
    for path in files[1:]:
        shutil.copyfile(files[0], path)
    database = folder / f"{psf}_{_DATABASE}"
    with connect(database) as con:
        ingest(con, files, exposure_id=[f"{psf}:{k}" for k in range(exposures)])
    ra, dec = catalogue.sky(exposure, 1)
    return LightCurve(psf, middle_stamp(catalogue), database, tuple(files), float(ra[0]), float(dec[0]))


def forcedsql_light_curve(curve: LightCurve, _: int) -> Work:
    """Measure everything on every exposure by SQL, on a connection that has read none of them."""
    con = connect(curve.database)

    def run() -> FloatArray:
        with con:
            result = con.execute("FROM forced_lightcurve(?, ?)", [curve.ra, curve.dec])
            names = [column[0] for column in result.description or ()]
            rows = result.fetchall()
        flux = names.index(aperture_source_prefix(COMPARED_RADIUS))
        return np.array([row[flux] for row in rows], dtype=np.float64)

    return run


def astropy_photutils(curve: LightCurve, count: int) -> Work:
    """Read whole planes by astropy; ten apertures and a PSF fit by photutils."""
    return _each_file(curve, count, whole=True, measure=_photutils_fluxes)


def astropy_sections_photutils(curve: LightCurve, count: int) -> Work:
    """Read the pixels around the position by astropy's sections; measure by photutils."""
    return _each_file(curve, count, whole=False, measure=_photutils_fluxes)


def astropy_sep(curve: LightCurve, count: int) -> Work:
    """Read whole planes by astropy; ten apertures by sep."""
    return _each_file(curve, count, whole=True, measure=_sep_fluxes)


LIGHT_CURVE_YARDSTICK = "astropy + photutils"
LIGHT_CURVE_OURS = "forcedsql SQL"
LIGHT_CURVE_CONTESTANTS = (
    LightCurveContestant(LIGHT_CURVE_OURS, "everything", (), forcedsql_light_curve),
    LightCurveContestant(LIGHT_CURVE_YARDSTICK, "10 apertures + PSF flux", ("photutils",), astropy_photutils),
    LightCurveContestant(
        "astropy sections + photutils", "10 apertures + PSF flux", ("photutils",), astropy_sections_photutils
    ),
    LightCurveContestant("astropy + sep", "10 apertures", ("sep",), astropy_sep),
)

_Measure = Callable[[LightCurve, AnyArray, AnyArray, float, float], float]


def _each_file(curve: LightCurve, count: int, *, whole: bool, measure: _Measure) -> Work:
    fits: Any = import_module("astropy.io.fits")
    wcs: Any = import_module("astropy.wcs")

    def run() -> FloatArray:
        fluxes = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for path in curve.files[:count]:
                with fits.open(path) as hdus:
                    x, y = wcs.WCS(hdus["IMAGE"].header).all_world2pix(curve.ra, curve.dec, 0)
                    image, variance, x, y = _pixels(hdus, float(x), float(y), whole=whole)
                    fluxes.append(measure(curve, image, variance, x, y))
        return np.array(fluxes)

    return run


def _pixels(hdus: Any, x: float, y: float, *, whole: bool) -> tuple[AnyArray, AnyArray, float, float]:
    if whole:
        return hdus["IMAGE"].data, hdus["VARIANCE"].data, x, y
    left, bottom = (max(0, int(position) - _CUT_OUT) for position in (x, y))
    part = slice(bottom, int(y) + _CUT_OUT + 1), slice(left, int(x) + _CUT_OUT + 1)
    image, variance = (np.ascontiguousarray(hdus[name].section[part]) for name in ("IMAGE", "VARIANCE"))
    return image, variance, x - left, y - bottom


def _photutils_fluxes(curve: LightCurve, image: AnyArray, variance: AnyArray, x: float, y: float) -> float:
    aperture, psf = import_module("photutils.aperture"), import_module("photutils.psf")
    error = np.sqrt(variance)
    circles = [aperture.CircularAperture((x, y), radius) for radius in RADII]
    table = aperture.aperture_photometry(image, circles, error=error, method="center")
    model = psf.ImagePSF(curve.stamp)
    model.x_0.fixed = model.y_0.fixed = True
    initial = import_module("astropy.table").Table({"x": [x], "y": [y], "flux": [1.0]})
    psf.PSFPhotometry(model, curve.stamp.shape, aperture_radius=6)(image, error=error, init_params=initial)
    return float(table[f"aperture_sum_{RADII.index(COMPARED_RADIUS)}"][0])


def _sep_fluxes(_: LightCurve, image: AnyArray, variance: AnyArray, x: float, y: float) -> float:
    sep: Any = import_module("sep")
    native = [np.ascontiguousarray(plane, dtype=np.float32) for plane in (image, variance)]
    sums = {r: sep.sum_circle(native[0], [x], [y], r, var=native[1], subpix=5)[0] for r in RADII}
    return float(sums[COMPARED_RADIUS][0])
