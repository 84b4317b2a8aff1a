"""``deblend="joint"``: the columns of a joint fit, aperture-corrected as PSF fluxes are."""

from typing import Any

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array, FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.measure.ap_corr import correct_flux
from forcedsql.measure.batch import INVALID_PSF, Batch, Columns
from forcedsql.measure.exposure_planes import planes_of
from forcedsql.measure.joint_fit import JointFit, fit_jointly
from forcedsql.measure.kernels import default_kernel
from forcedsql.schema import JOINT_FLUX

PixelPositions = tuple[FloatArray, FloatArray]
"""Parent coordinates x and y, (n,) float64 each, NaN for none."""


def joint_flux(
    exposure: Exposure,
    positions: PixelPositions,
    config: MeasurementConfig,
    neighbours: PixelPositions | None = None,
) -> Columns:
    """Fit the PSF fluxes of all positions together.

    Unlike a plugin it needs all positions of an image at once.

    Returns
    -------
    dict of str to ndarray, (n,)
        One array per `schema.joint_columns`, and ``invalidPsfFlag``; fluxes in the unit of the
        exposure.

    Raises
    ------
    ForcedSQLError
        See `forcedsql.measure.joint_fit.fit_jointly`.
    """
    fit = _fit(exposure, positions, config, neighbours, residual=False)
    columns = _columns(fit, np.isfinite(positions[0]), config)
    if config.do_ap_corr:
        _correct(exposure, positions, fit.on_image, columns)
    return columns


def joint_residual(
    exposure: Exposure,
    positions: PixelPositions,
    config: MeasurementConfig,
    neighbours: PixelPositions | None = None,
) -> Float32Array:
    """Return the image minus the jointly fitted stars, (ny, nx) float32, unit of the image.

    Raises
    ------
    ForcedSQLError
        See `forcedsql.measure.joint_fit.fit_jointly`.
    """
    residual = _fit(exposure, positions, config, neighbours, residual=True).residual
    return exposure.image.copy() if residual is None else residual


def _fit(
    exposure: Exposure,
    positions: PixelPositions,
    config: MeasurementConfig,
    neighbours: PixelPositions | None,
    *,
    residual: bool,
) -> JointFit:
    return fit_jointly(
        exposure,
        *positions,
        neighbours=neighbours,
        bad_mask_planes=config.bad_mask_planes,
        background=config.deblend_background,
        residual=residual,
    )


def _columns(fit: JointFit, placed: BoolArray, config: MeasurementConfig) -> Columns:
    faults = fit.faults
    off_image = placed & ~fit.on_image
    values: dict[str, Any] = {
        "": fit.flux,
        "Err": fit.error,
        "_npixels": fit.npixels.astype(np.int32),
        "_blendId": fit.blend_id,
        "_blendSize": fit.blend_size.astype(np.int32),
        "_flag": ~np.isfinite(fit.flux) | faults.edge | faults.bad_pixels,
        "_flag_noGoodPixels": faults.no_good_pixels | off_image,
        "_flag_edge": faults.edge | off_image,
        "_flag_badPixels": faults.bad_pixels,
        "_flag_degenerate": fit.degenerate,
    }
    if config.deblend_background:
        values |= {"_background": fit.background, "_backgroundErr": fit.background_error}
    return {f"{JOINT_FLUX}{suffix}": v for suffix, v in values.items()} | {
        INVALID_PSF: faults.invalid_psf & fit.on_image
    }


def _correct(exposure: Exposure, positions: PixelPositions, on_image: BoolArray, columns: Columns) -> None:
    """Multiply the fluxes by the correction of PSF fluxes where there is an image."""
    exposure.require_supported("ap_corr")
    rows = np.flatnonzero(on_image)
    x, y = (axis[rows] for axis in positions)
    batch = Batch(exposure, planes_of(exposure), default_kernel(), x, y, None, None)
    batch.measured.update({name: values[rows] for name, values in columns.items()})
    correct_flux(batch, JOINT_FLUX, "base_PsfFlux_instFlux")
    for name, values in batch.measured.items():
        blank = np.nan if np.issubdtype(values.dtype, np.floating) else 0
        columns.setdefault(name, np.full(len(on_image), blank, values.dtype))[rows] = values
