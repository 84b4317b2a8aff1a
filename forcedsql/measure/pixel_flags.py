"""base_PixelFlags: what the mask says about the pixels under a position."""

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns, plane_bits
from forcedsql.measure.footprint_shape import footprint_quadrupole
from forcedsql.measure.reach import footprint_reach
from forcedsql.plugins import FLUX_ORDER, Plugin
from forcedsql.schema import PIXEL_FLAGS, Column, flag_column

NAME = "base_PixelFlags"


def pixel_flag_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the pixel flags, those of further mask planes last."""

    def column(suffix: str, meaning: str) -> Column:
        return flag_column(f"pixelFlags_{suffix}", f"{NAME}_flag_{suffix}", meaning)

    centre = [(plane.lower(), plane) for plane in config.masks_center]
    footprint = [(plane.lower(), plane) for plane in config.masks_footprint]
    return (
        flag_column("pixelFlags_flag", f"{NAME}_flag", "the pixel flags could not be found"),
        column("offimage", "the position is off the image"),
        *(column(f.name, f"a pixel of the footprint is {f.meaning}") for f in PIXEL_FLAGS),
        *(column(f"{f.name}Center", f"one of the central 3x3 pixels is {f.meaning}") for f in PIXEL_FLAGS),
        *(
            column(f"{f.name}CenterAll", f"all of the central 3x3 pixels are {f.meaning}")
            for f in PIXEL_FLAGS
        ),
        *(column(f"{name}Center", f"one of the central 3x3 pixels has {plane}") for name, plane in centre),
        *(
            column(f"{name}CenterAll", f"all of the central 3x3 pixels have {plane}")
            for name, plane in centre
        ),
        *(column(name, f"a pixel of the footprint has {plane}") for name, plane in footprint),
    )


def pixel_flags(batch: Batch, config: MeasurementConfig) -> Columns:
    """Report mask planes in the PSF's ellipse and in the central 3x3 pixels.

    The footprint is the ellipse of the PSF's adaptive moments, `psf_footprint_scaling`
    times as large; a pixel belongs to it when its centre does (meas_base
    ``src/PixelFlags.cc`` and ``forcedMeasurement.py``).  Where the PSF has no value the
    footprint is empty and ``pixelFlags_flag`` says so.  Without any PSF the footprint is a
    circle of `psf_footprint_scaling` pixels; see `footprint_quadrupole`.

    Raises
    ------
    ConfigError
        If `masks_footprint` or `masks_center` names a plane that the exposure does not have.
    """
    n = len(batch)
    footprint = np.zeros(n, np.int32)
    quadrupole = footprint_quadrupole(batch.psf_shapes, n, config)
    known = np.asarray(np.isfinite(quadrupole).all(axis=1))
    x, y = batch.local_position
    footprint[known] = batch.kernel.ellipse_bits(batch.planes, x[known], y[known], quadrupole[known])
    any_centre, all_centre = batch.kernel.centre_bits(batch.planes, *batch.local_pixel)
    columns: Columns = {"pixelFlags_flag": ~known, "pixelFlags_offimage": np.zeros(n, np.bool_)}
    for flag in PIXEL_FLAGS:
        known_plane = (flag.plane,) if flag.plane in batch.exposure.mask_planes else ()
        bits = plane_bits(batch.exposure, known_plane, option="mask_planes")
        columns |= _flags_of_plane(flag.name, bits, footprint, any_centre, all_centre)
    for plane in config.masks_center:
        bits = plane_bits(batch.exposure, (plane,), option="masks_center")
        named = _flags_of_plane(plane.lower(), bits, footprint, any_centre, all_centre)
        columns |= {name: values for name, values in named.items() if "Center" in name}
    for plane in config.masks_footprint:
        bits = plane_bits(batch.exposure, (plane,), option="masks_footprint")
        columns[f"pixelFlags_{plane.lower()}"] = (footprint & np.int32(bits)) != 0
    return columns


def _flags_of_plane(
    name: str, bits: int, footprint: AnyArray, any_centre: AnyArray, all_centre: AnyArray
) -> Columns:
    bit = np.int32(bits)
    return {
        f"pixelFlags_{name}": (footprint & bit) != 0,
        f"pixelFlags_{name}Center": (any_centre & bit) != 0,
        f"pixelFlags_{name}CenterAll": (all_centre & bit) != 0,
    }


PLUGIN = Plugin(
    name=NAME,
    summary="mask planes under the PSF's ellipse and in the central 3x3 pixels",
    order=FLUX_ORDER,
    columns=pixel_flag_columns,
    measure=pixel_flags,
    needs_psf=True,
    reach=footprint_reach,
)
