"""The driver: positions to pixels, batches through the plugins, corrections at the end."""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError, OffImageError
from forcedsql.exposure import Exposure
from forcedsql.fields.calibration import PhotoCalib
from forcedsql.geometry import Box, nearest_pixel
from forcedsql.measure.ap_corr import apply_ap_corr
from forcedsql.measure.background_subtraction import subtract_local_background
from forcedsql.measure.batch import INVALID_PSF, Batch, Columns
from forcedsql.measure.exposure_planes import planes_so_far
from forcedsql.measure.kernels import default_kernel
from forcedsql.measure.mesh_background import MeshSubtracted, without_mesh_background
from forcedsql.measure.noise_replacement import uncovered_in_turn
from forcedsql.measure.reach import read_needed_rows
from forcedsql.measure.scale_variance import scale_variance
from forcedsql.phases import PSF, phase
from forcedsql.plugins import CATALOG_ORDER, LOCAL_BACKGROUND, Plugin, plugins_in_order
from forcedsql.schema import UNDEBLENDED, Column, measured_columns

if TYPE_CHECKING:
    from forcedsql.measure.joint_flux import PixelPositions

_TILE_ROWS, _TILE_COLUMNS = 256, 128
"""Pixels of a tile of the image: its image and variance take 256 kB, which a core's cache holds."""

_BATCH_ROWS = 4096
"""Positions that go through the plugins together."""


def measure_positions(
    exposure: Exposure,
    ra: FloatArray,
    dec: FloatArray,
    config: MeasurementConfig,
    *,
    neighbours: tuple[FloatArray, FloatArray] | None = None,
) -> Columns:
    """Measure everything that a configuration asks for at sky positions.

    Parameters
    ----------
    exposure : Exposure
    ra, dec : ndarray, (n,) float64, degree
        ICRS; NaN for a missing coordinate.
    config : MeasurementConfig
    neighbours : (ndarray (m,) float64, ndarray (m,) float64), degree, optional
        ICRS right ascension and declination of further sources that a joint fit takes into account.

    Returns
    -------
    dict of str to ndarray, (n,)
        One array per `schema.measured_columns`, by its ``source`` name, in the order of
        the positions.  Fluxes are in `flux_unit`.

    Raises
    ------
    MissingComponentError
        If the exposure has no sky projection.
    UnsupportedError
        If a component that is needed is of a class that no decoder knows.
    OffImageError
        If a position is off the image and the configuration says "raise".
    ConfigError
        If a mask plane of the configuration is not in the exposure, there are neighbours and
        no joint fit, or a joint fit and a local background.
    """
    _check_joint(config, has_neighbours=neighbours is not None)
    x, y, on_sky = pixel_positions(exposure, ra, dec)
    on_image = exposure.bbox.contains(x, y)
    if config.off_image == "raise" and not on_image.all():
        raise OffImageError(_off_image_text(exposure.bbox, x, y, on_image))
    schema = measured_columns(config)
    columns = _blank_columns(schema, len(x))
    columns["x"], columns["y"], columns["centroid_flag"] = x, y, ~np.isfinite(x)
    _flag_unmeasured(columns, ~on_image, on_sky & ~on_image)
    measured = _as_measured(exposure, config)
    with np.errstate(all="ignore"):
        _measure_rows(measured, x, y, np.flatnonzero(on_image), config, columns)
        if config.deblend == "joint":
            others = None if neighbours is None else pixel_positions(exposure, *neighbours)[:2]
            _measure_jointly(measured, (x, y), others, config, columns)
        _calibrate(exposure, schema, columns, config)
    return columns


def flux_unit(exposure: Exposure, config: MeasurementConfig) -> str:
    """Return the unit of the fluxes that `measure_positions` gives, as astropy spells it."""
    return (exposure.unit or "ct") if _calibration(exposure, config) is None else "nJy"


def provenance(exposure: Exposure, config: MeasurementConfig) -> dict[str, str]:
    """Return what made the measurements: version, configuration, variance factor and seed."""
    facts = {"config": json.dumps(config.to_mapping()), "config_digest": config.digest()}
    if config.subtract_background == "mesh":
        facts["background"] = _mesh_subtracted(exposure, config).summary
    if config.do_scale_variance:
        facts["VARIANCE_SCALE"] = repr(scale_variance(_without_background(exposure, config)).factor)
    if config.do_replace_with_noise:
        facts["noise_seed"] = str(config.noise_seed)
    return facts


def _check_joint(config: MeasurementConfig, *, has_neighbours: bool) -> None:
    if has_neighbours and config.deblend != "joint":
        raise ConfigError("neighbours are for a joint fit: set deblend=joint, or leave them out")
    if config.deblend == "joint" and config.subtract_background == "local":
        raise ConfigError(
            "subtract_background=local: stars that are fitted together have no ring of their own; "
            "set deblend_background=true, or subtract_background=mesh"
        )


def _as_measured(exposure: Exposure, config: MeasurementConfig) -> Exposure:
    """Return the exposure on which a configuration measures; the one given is not changed."""
    exposure = _without_background(exposure, config)
    return scale_variance(exposure).exposure if config.do_scale_variance else exposure


def _without_background(exposure: Exposure, config: MeasurementConfig) -> Exposure:
    mesh = config.subtract_background == "mesh"
    return _mesh_subtracted(exposure, config).exposure if mesh else exposure


def _mesh_subtracted(exposure: Exposure, config: MeasurementConfig) -> MeshSubtracted:
    return without_mesh_background(exposure, size=config.mesh_size, filter_size=config.mesh_filter)


def pixel_positions(
    exposure: Exposure, ra: FloatArray, dec: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Place sky positions on an exposure.

    Parameters
    ----------
    exposure : Exposure
    ra, dec : ndarray, (n,) float64, degree
        ICRS; NaN for a missing coordinate.

    Returns
    -------
    x, y : ndarray, (n,) float64, pixel
        Parent coordinates; NaN where there is none.
    on_sky : ndarray, (n,) bool
        Which positions are on the sky at all.

    Raises
    ------
    MissingComponentError
        If the exposure has no sky projection.
    """
    on_sky = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90.0)
    x, y = np.full(len(ra), np.nan), np.full(len(ra), np.nan)
    if on_sky.any():
        x[on_sky], y[on_sky] = exposure.require_wcs().sky_to_pixel(ra[on_sky], dec[on_sky])
    placed = np.isfinite(x) & np.isfinite(y)
    return np.where(placed, x, np.nan), np.where(placed, y, np.nan), on_sky


def _off_image_text(box: Box, x: FloatArray, y: FloatArray, on_image: BoolArray) -> str:
    row = int(np.flatnonzero(~on_image)[0])
    return (
        f"position {row + 1} of {len(x)} is off the image: pixel ({x[row]:.2f}, {y[row]:.2f}), "
        f"image x {box.x0}..{box.x1}, y {box.y0}..{box.y1}; leave it out, or set off_image=flag"
    )


def _blank_columns(schema: tuple[Column, ...], rows: int) -> Columns:
    columns: Columns = {}
    for column in schema:
        dtype = column.type.to_pandas_dtype()
        blank = np.nan if np.issubdtype(dtype, np.floating) else 0
        columns[column.source] = np.full(rows, blank, dtype)
    return columns


def _flag_unmeasured(columns: Columns, unmeasured: BoolArray, off_image: BoolArray) -> None:
    """Raise every general flag where nothing was measured, and say why where that is the image's edge."""
    for name in columns:
        if name.endswith("_flag") and name != "centroid_flag":
            columns[name] |= unmeasured
        if name.endswith(("_flag_apertureTruncated", "_flag_sincCoeffsTruncated")):
            columns[name] |= off_image
    for name in ("offimage", "edge", "edgeCenter", "edgeCenterAll"):
        if f"pixelFlags_{name}" in columns:
            columns[f"pixelFlags_{name}"] |= off_image
    if "pixelFlags_flag" in columns:
        columns["pixelFlags_flag"] &= ~off_image
    for name in ("psfFlux_flag_edge", "psfFlux_flag_noGoodPixels"):
        if name in columns:
            columns[name] |= off_image


def _measure_rows(
    exposure: Exposure,
    x: FloatArray,
    y: FloatArray,
    rows: IntArray,
    config: MeasurementConfig,
    columns: Columns,
) -> None:
    """Fill in the rows of positions on the image; the exposure itself is never changed."""
    views: Iterable[tuple[IntArray, Exposure]] = ((np.arange(len(rows)), exposure),)
    if config.do_replace_with_noise:
        views = uncovered_in_turn(exposure, x[rows], y[rows], config)
    for some, view in views:
        for part, batch in _batches(view, x, y, rows[some], config):
            _run_plugins(batch, config)
            for name, values in batch.measured.items():
                columns[name][part] = values
    for part, batch in _batches(exposure, x, y, rows, config) if config.undeblended else ():
        _run_fluxes(batch, config, config.undeblended)
        for plugin in plugins_in_order(config.undeblended):
            for column in plugin.columns(config):
                columns[UNDEBLENDED + column.source][part] = batch.measured[column.source]


def _measure_jointly(
    exposure: Exposure,
    positions: "PixelPositions",
    neighbours: "PixelPositions | None",
    config: MeasurementConfig,
    columns: Columns,
) -> None:
    """Fill in the columns of a joint fit."""
    from forcedsql.measure.joint_flux import joint_flux  # noqa: PLC0415 - loads SciPy's sparse solvers

    joint = joint_flux(exposure, positions, config, neighbours)
    columns[INVALID_PSF] |= joint.pop(INVALID_PSF)
    columns.update(joint)


def _tile_order(x: FloatArray, y: FloatArray) -> IntArray:
    """Return the order that visits positions tile by tile, row after row within each.

    Most pixels of a position are then still in the cache from the one before.
    """
    tile_x, tile_y = nearest_pixel(x) // _TILE_COLUMNS, nearest_pixel(y) // _TILE_ROWS
    return np.lexsort((y, tile_x, tile_y))


def _batches(
    exposure: Exposure, x: FloatArray, y: FloatArray, rows: IntArray, config: MeasurementConfig
) -> Iterator[tuple[IntArray, Batch]]:
    """Yield rows and their batch, tile by tile of the image."""
    plugins = plugins_in_order((*config.all_plugins, *config.undeblended))
    needs_psf = any(plugin.needs_psf for plugin in plugins)
    if needs_psf:
        exposure.require_supported("psf")
    planes, kernel = planes_so_far(exposure), default_kernel()
    rows = rows[_tile_order(x[rows] - exposure.xy0[0], y[rows] - exposure.xy0[1])]
    for start in range(0, len(rows), _BATCH_ROWS):
        part = rows[start : start + _BATCH_ROWS]
        psf = exposure.psf if needs_psf else None
        with phase(PSF):
            images, shapes = (None, None) if psf is None else psf.images_and_shapes(x[part], y[part])
        measured: Columns = {INVALID_PSF: np.zeros(len(part), np.bool_)}
        batch = Batch(exposure, planes, kernel, x[part], y[part], images, shapes, measured)
        read_needed_rows(batch, plugins, config)
        yield part, batch


def _run_plugins(batch: Batch, config: MeasurementConfig) -> None:
    """Fill in ``batch.measured``, each plugin seeing what those before it have measured."""
    calculated = [p for p in plugins_in_order(config.all_plugins) if p.order >= CATALOG_ORDER]
    _run_fluxes(batch, config, set(config.all_plugins) - {p.name for p in calculated})
    if config.do_ap_corr:
        apply_ap_corr(batch, config)
    for plugin in calculated:
        _run(plugin, batch, config)


def _run_fluxes(batch: Batch, config: MeasurementConfig, names: Collection[str]) -> None:
    """Run plugins on pixels, and take the local background off their fluxes where that is asked for."""
    local = config.subtract_background == "local"
    for plugin in plugins_in_order((*names, LOCAL_BACKGROUND) if local else names):
        _run(plugin, batch, config)
    if local:
        subtract_local_background(batch, config, names)


def _run(plugin: Plugin, batch: Batch, config: MeasurementConfig) -> None:
    columns = plugin.measure(batch, config)
    batch.measured[INVALID_PSF] |= columns.pop(INVALID_PSF, False)
    batch.measured.update(columns)


def _calibration(exposure: Exposure, config: MeasurementConfig) -> PhotoCalib | None:
    """Return what the fluxes are multiplied by, None where they stay in the exposure's own unit."""
    if config.calibrate == "never" or exposure.unit == "nJy":
        return None
    exposure.require_supported("photo_calib")
    return exposure.photo_calib


def _calibrate(
    exposure: Exposure, schema: tuple[Column, ...], columns: Columns, config: MeasurementConfig
) -> None:
    calibration = _calibration(exposure, config)
    if calibration is None:
        return
    factor = calibration.factor(columns["x"], columns["y"])
    for column in schema:
        if column.is_flux:
            calibrated = columns[column.source] * factor
            columns[column.source] = calibrated.astype(columns[column.source].dtype, copy=False)
