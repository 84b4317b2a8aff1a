"""base_PsfFlux: the amplitude of the PSF model at a fixed position."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import INVALID_PSF, Batch, Columns, groups_of_one_size, invalid_psf, plane_bits
from forcedsql.measure.kernels import PsfSums
from forcedsql.measure.kernels.cutouts import inside_image
from forcedsql.measure.reach import psf_box_reach
from forcedsql.native import CombinedImages
from forcedsql.plugins import FLUX_ORDER, Plugin
from forcedsql.psf.protocol import PsfImages
from forcedsql.schema import Column, flag_column, flux_columns, value_column

NAME = "base_PsfFlux"


def psf_flux_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the PSF flux."""
    return (
        *flux_columns(
            "psfFlux", NAME, "flux of the PSF fitted at the position", ucd="phot.flux;instr.det.psf"
        ),
        value_column(
            "psfFlux_area",
            f"{NAME}_area",
            "effective area of the PSF",
            type_=pa.float32(),
            unit="pix",
            ucd="phys.area;instr.det.psf",
        ),
        value_column(
            "psfFlux_chi2",
            f"{NAME}_chi2",
            "chi-square of the PSF fit, before aperture correction",
            type_=pa.float32(),
            ucd="stat.fit.chi2",
        ),
        value_column(
            "psfFlux_npixels",
            f"{NAME}_npixels",
            "pixels in the PSF fit",
            type_=pa.int32(),
            unit="pix",
            ucd="meta.number;instr.pixel",
        ),
        flag_column("psfFlux_flag", f"{NAME}_flag", "the PSF flux could not be measured well"),
        flag_column(
            "psfFlux_flag_noGoodPixels", f"{NAME}_flag_noGoodPixels", "no pixel was left for the PSF fit"
        ),
        flag_column("psfFlux_flag_edge", f"{NAME}_flag_edge", "the PSF reaches over the edge of the image"),
    )


def psf_flux(batch: Batch, config: MeasurementConfig) -> Columns:
    """Fit the PSF image to the pixels of its box by unweighted least squares.

    ``flux = sum(m I) / sum(m^2)`` and ``fluxErr = sqrt(sum(m^2 V)) / sum(m^2)`` over the
    box clipped to the image, without renormalising m (meas_base ``src/PsfFlux.cc``).
    ``area`` is ``sum(m) / sum(m^2)``, as in the releases that made DP1.

    Raises
    ------
    ConfigError
        If `bad_mask_planes` names a plane that the exposure does not have.
    """
    n = len(batch)
    columns: Columns = {
        "psfFlux": np.full(n, np.nan),
        "psfFluxErr": np.full(n, np.nan),
        "psfFlux_area": np.full(n, np.nan, np.float32),
        "psfFlux_chi2": np.full(n, np.nan, np.float32),
        "psfFlux_npixels": np.zeros(n, np.int32),
        "psfFlux_flag": np.zeros(n, np.bool_),
        "psfFlux_flag_noGoodPixels": np.zeros(n, np.bool_),
        "psfFlux_flag_edge": np.zeros(n, np.bool_),
        INVALID_PSF: invalid_psf(batch),
    }
    bad_bits = plane_bits(batch.exposure, config.bad_mask_planes, option="bad_mask_planes")
    if batch.psf_images is not None:
        images = batch.psf_images
        origin_x, origin_y = batch.exposure.xy0
        for rows, model in _models(images):
            _, height, width = model.shape
            x0, y0 = images.x0[rows] - origin_x, images.y0[rows] - origin_y
            sums = batch.kernel.psf_sums(batch.planes, model, x0, y0, bad_bits=bad_bits)
            edge = ~inside_image(batch.planes.shape, x0, y0, height, width)
            for name, values in _fit(sums).items():
                columns[name][rows] = values
            columns["psfFlux_flag_edge"][rows] = edge
            columns["psfFlux_flag"][rows] |= edge
    columns["psfFlux_flag"] |= columns[INVALID_PSF]
    return columns


def _models(images: PsfImages) -> Iterator[tuple[IntArray, FloatArray | CombinedImages]]:
    """Yield rows and their images, unmade where all of them are valid and none has to be kept."""
    if isinstance(images.block, CombinedImages) and images.valid.all():
        yield np.arange(len(images.valid)), images.block
    else:
        yield from groups_of_one_size(images)


def _fit(sums: PsfSums) -> Columns:
    flux = sums.m_image / sums.mm
    error = np.sqrt(sums.mm_variance) / sums.mm
    empty = sums.npixels == 0
    failed = empty | ~np.isfinite(flux) | ~np.isfinite(error)
    return {
        "psfFlux": np.where(failed, np.nan, flux),
        "psfFluxErr": np.where(failed, np.nan, error),
        "psfFlux_area": np.where(empty, np.nan, sums.m / sums.mm).astype(np.float32),
        "psfFlux_chi2": np.where(failed, np.nan, sums.chi2).astype(np.float32),
        "psfFlux_npixels": sums.npixels.astype(np.int32),
        "psfFlux_flag": failed,
        "psfFlux_flag_noGoodPixels": empty,
    }


PLUGIN = Plugin(
    name=NAME,
    summary="amplitude of the PSF model, fitted by unweighted least squares",
    order=FLUX_ORDER,
    columns=psf_flux_columns,
    measure=psf_flux,
    needs_psf=True,
    ap_corr=True,
    reach=psf_box_reach,
)
