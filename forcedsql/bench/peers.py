"""What other packages do with the same positions; each is imported when it is asked for.

Peers are given the pixel positions, while forcedsql starts from the sky, and the error image
that photutils wants is made before the clock starts.
"""

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.bench.catalogue import SKY_SIGMA, Catalogue
from forcedsql.config import MeasurementConfig
from forcedsql.schema import aperture_source_prefix

Work = Callable[[], Mapping[str, AnyArray]]
"""Does the timed work and returns what came out, by the names of the DP1 ``Source`` table."""

RADII = MeasurementConfig().radii
NAIVE_RADII = tuple(r for r in RADII if r > MeasurementConfig().max_sinc_radius)
"""Radii of the apertures that sum whole pixels by their centres, where definitions agree."""


def sep_apertures(catalogue: Catalogue, count: int) -> Work:
    """Sum ten apertures with errors by ``sep.sum_circle``, 5 x 5 sub-pixels as is its default."""
    return _sep(catalogue, count, RADII, subpix=5)


def sep_pixel_centres(catalogue: Catalogue, count: int) -> Work:
    """Sum the large apertures by the centres of the pixels, as LSST does."""
    return _sep(catalogue, count, NAIVE_RADII, subpix=1)


def photutils_apertures(catalogue: Catalogue, count: int) -> Work:
    """Sum ten apertures with errors by ``photutils.aperture``, by the centres of the pixels."""
    aperture = import_module("photutils.aperture")
    where = np.column_stack([catalogue.x[:count], catalogue.y[:count]])
    error = np.full_like(catalogue.image, SKY_SIGMA)

    def run() -> dict[str, AnyArray]:
        circles = [aperture.CircularAperture(where, radius) for radius in RADII]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = aperture.aperture_photometry(catalogue.image, circles, error=error, method="center")
        return {
            name: np.asarray(table[f"aperture_sum_{RADII.index(radius)}"])
            for radius, name in zip(NAIVE_RADII, map(aperture_source_prefix, NAIVE_RADII), strict=True)
        }

    return run


def photutils_psf(catalogue: Catalogue, count: int) -> Work:
    """Fit the PSF at fixed positions by ``photutils.psf``, with the PSF of the middle of the image."""
    psf = import_module("photutils.psf")
    table = import_module("astropy.table").Table
    model = psf.ImagePSF(middle_stamp(catalogue))
    model.x_0.fixed = model.y_0.fixed = True
    x, y = catalogue.x[:count], catalogue.y[:count]
    error = np.full_like(catalogue.image, SKY_SIGMA)
    shape = (catalogue.model.width, catalogue.model.width)

    def run() -> dict[str, AnyArray]:
        initial = table({"x": x, "y": y, "flux": np.ones_like(x)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = psf.PSFPhotometry(model, shape, aperture_radius=6)
            found = fit(catalogue.image, error=error, init_params=initial)
        return {"psfFlux": np.asarray(found["flux_fit"])}

    return run


def _sep(catalogue: Catalogue, count: int, radii: tuple[float, ...], *, subpix: int) -> Work:
    sep: Any = import_module("sep")
    image, x, y = catalogue.image, catalogue.x[:count], catalogue.y[:count]
    variance = np.full_like(image, SKY_SIGMA**2)

    def run() -> dict[str, AnyArray]:
        return {
            aperture_source_prefix(radius): sep.sum_circle(image, x, y, radius, var=variance, subpix=subpix)[
                0
            ]
            for radius in radii
        }

    return run


def middle_stamp(catalogue: Catalogue) -> AnyArray:
    """Return the PSF in the middle of the image, centred on a pixel, (h, w) float64."""
    x0, y0 = catalogue.model.origin(catalogue.side)
    middle = np.array([float(catalogue.side // 2)])
    stamp = catalogue.model.make(catalogue.side)[0].kernel_images(x0 + middle, y0 + middle)
    return stamp.values[0, : stamp.height[0], : stamp.width[0]]
