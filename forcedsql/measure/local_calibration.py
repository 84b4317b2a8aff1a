"""base_LocalPhotoCalib, base_LocalWcs and base_Jacobian: the calibrations at each position."""

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.reach import no_reach
from forcedsql.plugins import FLUX_ORDER, SHAPE_ORDER, Plugin, PluginOption
from forcedsql.schema import Column, flag_column, value_column
from forcedsql.wcs import SkyWcs

PHOTO_CALIB, LOCAL_WCS, JACOBIAN = "base_LocalPhotoCalib", "base_LocalWcs", "base_Jacobian"

_ELEMENTS = ((1, 1), (1, 2), (2, 1), (2, 2))
_STEP = 0.5
"""Pixels of the shorter step of the differences."""

_ARCSEC_PER_RADIAN = 180.0 * 3600.0 / np.pi


def photo_calib_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the local photometric calibration."""
    meaning = "factor from the exposure's own flux unit to nJy"
    return (
        flag_column("localPhotoCalib_flag", f"{PHOTO_CALIB}_flag", "the exposure carries no calibration"),
        value_column("localPhotoCalib", PHOTO_CALIB, meaning, ucd="arith.factor;phot.calib"),
        value_column(
            "localPhotoCalibErr",
            f"{PHOTO_CALIB}Err",
            f"error of the {meaning}",
            ucd="stat.error;phot.calib",
        ),
    )


def local_photo_calib(batch: Batch, _: MeasurementConfig) -> Columns:
    """Evaluate the exposure's calibration at each position."""
    batch.exposure.require_supported("photo_calib")
    calib = batch.exposure.photo_calib
    n = len(batch)
    return {
        "localPhotoCalib_flag": np.full(n, calib is None),
        "localPhotoCalib": np.full(n, np.nan) if calib is None else calib.factor(batch.x, batch.y),
        "localPhotoCalibErr": np.full(n, np.nan if calib is None else calib.error),
    }


def local_wcs_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the local sky projection."""
    return (
        flag_column("localWcs_flag", f"{LOCAL_WCS}_flag", "the sky projection has no derivative here"),
        *(
            value_column(
                f"localWcs_CDMatrix_{i}_{j}",
                f"{LOCAL_WCS}_CDMatrix_{i}_{j}",
                f"change of the {('eastward', 'northward')[i - 1]} angle per pixel in {'xy'[j - 1]}, "
                "in radian / pixel",
                ucd="pos.wcs.cdmatrix",
            )
            for i, j in _ELEMENTS
        ),
    )


def local_wcs(batch: Batch, _: MeasurementConfig) -> Columns:
    """Linearise the sky projection at each position; see `cd_matrix`."""
    matrix = cd_matrix(batch.exposure.require_wcs(), batch.x, batch.y)
    columns: Columns = {f"localWcs_CDMatrix_{i}_{j}": matrix[:, i - 1, j - 1] for i, j in _ELEMENTS}
    columns["localWcs_flag"] = ~np.asarray(np.isfinite(matrix).all(axis=(1, 2)))
    return columns


def jacobian_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the local pixel area."""
    return (
        value_column(
            "jacobian_value",
            f"{JACOBIAN}_value",
            "area of the pixel on the sky in units of a nominal pixel",
            ucd="phys.angArea;arith.ratio",
        ),
        flag_column("jacobian_flag", f"{JACOBIAN}_flag", "the sky projection has no derivative here"),
    )


def jacobian(batch: Batch, config: MeasurementConfig) -> Columns:
    """Compare the area of a pixel at each position with that of a nominal one."""
    matrix = cd_matrix(batch.exposure.require_wcs(), batch.x, batch.y) * _ARCSEC_PER_RADIAN
    area = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]
    value = np.abs(area) / config.plugin_option(JACOBIAN, "pixelScale") ** 2
    return {"jacobian_value": value, "jacobian_flag": ~np.isfinite(value)}


def cd_matrix(wcs: SkyWcs, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the derivative of the tangent plane's axes with respect to pixels.

    Parameters
    ----------
    wcs : SkyWcs
    x, y : ndarray, (n,) float64, pixel
        Parent coordinates.

    Returns
    -------
    ndarray, (n, 2, 2) float64, radian / pixel
        Element [i, j]: axis i of the plane tangent at the position (east, north) by pixel
        axis j (x, y); NaN where the projection is undefined.

    Notes
    -----
    Central differences of two step lengths are extrapolated to step zero (Richardson), which
    leaves 1e-10 of the matrix for any projection that is smooth over a pixel.
    """
    n = len(x)
    steps = np.array([-2.0, -1.0, 1.0, 2.0]) * _STEP
    at_x = np.concatenate([x, *(x + s for s in steps), *(x for _ in steps)])
    at_y = np.concatenate([y, *(y for _ in steps), *(y + s for s in steps)])
    ra, dec = (np.radians(a).reshape(9, n) for a in wcs.pixel_to_sky(at_x, at_y))
    plane = np.stack(gnomonic(ra[1:], dec[1:], ra[0], dec[0])).reshape(2, 2, 4, n)
    far, near = plane[:, :, 3] - plane[:, :, 0], plane[:, :, 2] - plane[:, :, 1]
    return np.asarray(((8.0 * near - far) / (12.0 * _STEP)).transpose(2, 0, 1))


def gnomonic(
    ra: FloatArray, dec: FloatArray, ra0: FloatArray, dec0: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Project onto the plane tangent at (ra0, dec0).

    Differences of angles are taken before any cosine, so that nothing cancels nearby.

    Parameters
    ----------
    ra, dec, ra0, dec0 : ndarray, (...) float64, radian
        Within 90 degrees of each other.

    Returns
    -------
    east, north : ndarray, (...) float64, radian
    """
    half_ra = np.sin((ra - ra0) / 2.0)
    half_dec = np.sin((dec - dec0) / 2.0)
    cosine = 1.0 - 2.0 * (half_dec**2 + np.cos(dec) * np.cos(dec0) * half_ra**2)
    east = np.cos(dec) * np.sin(ra - ra0)
    north = np.sin(dec - dec0) + 2.0 * np.sin(dec0) * np.cos(dec) * half_ra**2
    return east / cosine, north / cosine


PHOTO_CALIB_PLUGIN = Plugin(
    name=PHOTO_CALIB,
    summary="factor from the exposure's flux unit to nJy at the position",
    order=FLUX_ORDER,
    columns=photo_calib_columns,
    measure=local_photo_calib,
    reach=no_reach,
)

LOCAL_WCS_PLUGIN = Plugin(
    name=LOCAL_WCS,
    summary="linear approximation of the sky projection at the position",
    order=FLUX_ORDER,
    columns=local_wcs_columns,
    measure=local_wcs,
    reach=no_reach,
)

JACOBIAN_PLUGIN = Plugin(
    name=JACOBIAN,
    summary="area of the pixel on the sky",
    order=SHAPE_ORDER,
    columns=jacobian_columns,
    measure=jacobian,
    reach=no_reach,
    options=(PluginOption(name="pixelScale", default=0.5, meaning="side of the nominal pixel in arcsec"),),
)
