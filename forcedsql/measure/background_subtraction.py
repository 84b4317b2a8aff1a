"""subtract_background: what is taken off fluxes on images whose sky was not subtracted."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, groups_of_one_size, plane_bits
from forcedsql.measure.kernels import Planes
from forcedsql.measure.kernels.cutouts import batches, cutouts, seen_pixels
from forcedsql.plugins import find_plugin

SUBTRACTED = ("base_CircularApertureFlux", "base_PsfFlux", "base_ScaledApertureFlux")
"""Plugins whose fluxes are sums of weighted pixels, and see a constant sky as one more source."""


def subtract_local_background(batch: Batch, config: MeasurementConfig, plugins: Collection[str]) -> None:
    """Take the local background off the fluxes of a batch.

    Each flux loses the background times its effective area, which is what the same plugin
    measures on an image of ones.  The error grows by the area times the error of the ring's
    mean, ``skyErr / sqrt(sky_npixels)``; that aperture and ring may share pixels is neglected.
    Where there is no background, the flux is NaN and flagged.

    Parameters
    ----------
    batch : Batch
        The columns of `plugins` and of base_LocalBackground in `measured` are there; those of
        fluxes and of psfFlux_chi2 are replaced.
    config : MeasurementConfig
    plugins : collection of str
        What has run on the batch.
    """
    measured = batch.measured
    sky, sky_error = measured["sky"], measured["skyErr"] / np.sqrt(measured["sky_npixels"])
    ones = replace(batch, planes=_of_ones(batch.planes), measured={})
    for name in SUBTRACTED:
        if name not in plugins:
            continue
        area = find_plugin(name).measure(ones, config)
        for flux in (c.source for c in find_plugin(name).columns(config) if f"{c.source}Err" in area):
            measured[flux] = measured[flux] - sky * area[flux]
            measured[f"{flux}Err"] = np.hypot(measured[f"{flux}Err"], sky_error * area[flux])
            measured[f"{flux}_flag"] = measured[f"{flux}_flag"] | ~np.isfinite(sky_error)
    if "base_PsfFlux" in plugins:
        measured["psfFlux_chi2"] = _chi2(batch, config).astype(np.float32)


def _of_ones(planes: Planes) -> Planes:
    """Return planes of the same mask whose pixels are 1, made once per exposure."""
    with planes.lock:
        if "ones" not in planes.memo:
            ones = np.ones(planes.shape, np.float32)
            planes.memo["ones"] = Planes(ones, ones, planes.mask)
        found: Planes = planes.memo["ones"]
    return found


def _chi2(batch: Batch, config: MeasurementConfig) -> FloatArray:
    """Return the chi-square of PSF and local background together, (n,) float64."""
    chi2 = np.full(len(batch), np.nan)
    if batch.psf_images is None:
        return chi2
    x0, y0 = batch.psf_images.x0 - batch.exposure.xy0[0], batch.psf_images.y0 - batch.exposure.xy0[1]
    bad_bits = plane_bits(batch.exposure, config.bad_mask_planes, option="bad_mask_planes")
    for rows, model in groups_of_one_size(batch.psf_images):
        for part in batches(len(rows), model[0].size):
            some = rows[part]
            chi2[some] = _chi2_of(batch, some, model[part], x0[some], y0[some], bad_bits)
    return chi2


def _chi2_of(
    batch: Batch, rows: IntArray, model: FloatArray, x0: IntArray, y0: IntArray, bad_bits: int
) -> FloatArray:
    n, height, width = model.shape
    box = (x0, y0, height, width)
    image, variance, mask = (
        cutouts(plane, *box).reshape(n, -1)
        for plane in (batch.planes.image, batch.planes.variance, batch.planes.mask)
    )
    used = (mask & np.int32(bad_bits)) == 0
    seen = seen_pixels(batch.planes.shape, *box)
    if seen is not None:
        used &= seen.reshape(n, -1)
    sky, flux = (batch.measured[name][rows, None] for name in ("sky", "psfFlux"))
    residual = image - sky - flux * model.reshape(n, -1)
    chi2 = np.where(used, residual * residual / variance, 0.0).sum(axis=1)
    return np.where(np.isfinite(flux[:, 0]), chi2, np.nan)
