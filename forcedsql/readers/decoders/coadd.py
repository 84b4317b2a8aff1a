"""Decoders of warped and coadd PSFs, of what they are made of, and of a coadd's list of inputs."""

from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import MAX_CHARACTERS
from forcedsql.coadd_inputs import CoaddInputs
from forcedsql.footprints import Footprint
from forcedsql.psf.coadd import CoaddPsf, CoaddPsfInput
from forcedsql.psf.protocol import Psf
from forcedsql.psf.warped import WarpedPsf
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.readers import limits
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.readers.decoders.calibration import box_of_row
from forcedsql.readers.decoders.exposures import COVERAGE, exposure_records, optional_part
from forcedsql.readers.rows import Rows
from forcedsql.transforms import AstTransform
from forcedsql.wcs import SkyWcs

_MAX_INPUTS = 20_000


def _transform(source: ArchiveObject) -> AstTransform:
    text = source.row().blob("bytes", limit=MAX_CHARACTERS)
    try:
        return AstTransform(text.decode("ascii", errors="replace"))
    except UnknownAstClassError as fault:
        raise UnknownClassError(f"AST {fault.class_name}") from fault


def _lanczos_kernel(source: ArchiveObject) -> str:
    return f"lanczos{source.row().integer('order')}"


def _warping_control(source: ArchiveObject) -> WarpingKernel:
    row = source.row()
    name: str = source.refer(row.integer("warpingKernelIndex"), "warping kernel")
    return WarpingKernel(name, row.integer("cacheSize"))


def _warped_psf(source: ArchiveObject) -> WarpedPsf:
    row = source.row()
    psf: Psf = source.refer(row.integer("psfIndex"), "PSF")
    transform: AstTransform = source.refer(row.integer("transformIndex"), "transform")
    kernel: WarpingKernel = source.refer(row.integer("controlIndex"), "warping control")
    warped = WarpedPsf(psf, transform, kernel)
    _require_few(warped.component_count, source)
    return warped


def _coadd_psf(source: ArchiveObject) -> CoaddPsf:
    first = source.rows()
    if first.has("coaddwcs"):
        row = source.row()
        kernel = WarpingKernel(row.text("warpingkernelname"), row.integer("cachesize"))
        wcs_id, rows = row.integer("coaddwcs"), source.rows(1)
        count = len(rows)
    else:
        # Files before 2013 have one catalogue, whose last row holds nothing but the coadd's WCS.
        kernel, rows, count = WarpingKernel(), first, len(first) - 1
        wcs_id = rows.integer("wcs", count)
    limits.require_at_most(count, _MAX_INPUTS, f"inputs of {source.label}")
    coadd_wcs: SkyWcs = source.refer(wcs_id, "sky projection")
    inputs = [_coadd_psf_input(source, rows, row) for row in range(count)]
    psf = CoaddPsf(inputs, coadd_wcs, kernel)
    _require_few(psf.component_count, source)
    return psf


def _coadd_psf_input(source: ArchiveObject, rows: Rows, row: int) -> CoaddPsfInput:
    footprint = Footprint(
        wcs=source.refer(rows.integer("wcs", row), "sky projection"),
        bbox=box_of_row(rows, row),
        valid_polygon=optional_part(source.archive, rows, row, "validPolygon"),
    )
    return CoaddPsfInput(source.refer(rows.integer("psf", row), "PSF"), footprint, rows.number("weight", row))


def _require_few(images: int, source: ArchiveObject) -> None:
    """Refuse coadds of coadds that multiply to more images than any sky survey takes."""
    limits.require_at_most(images, _MAX_INPUTS, f"images in {source.label}")


def _coadd_inputs(source: ArchiveObject) -> CoaddInputs:
    for catalog in (0, 1):
        limits.require_at_most(len(source.rows(catalog)), _MAX_INPUTS, f"rows of {source.label}")
    visits, ccds = (exposure_records(source.archive, source.rows(k), parts=COVERAGE) for k in (0, 1))
    return CoaddInputs(visits, ccds)


DECODERS = {
    # The misspelling is afw's (include/lsst/afw/math/warpExposure.h).
    "BillinearWarpingKernel": Decoder("warping kernel", lambda _: "bilinear"),
    "CoaddInputs": Decoder("coadd inputs", _coadd_inputs),
    "CoaddPsf": Decoder("PSF", _coadd_psf),
    "LanczosWarpingKernel": Decoder("warping kernel", _lanczos_kernel),
    "NearestWarpingKernel": Decoder("warping kernel", lambda _: "nearest"),
    "TransformPoint2ToPoint2": Decoder("transform", _transform),
    "WarpedPsf": Decoder("PSF", _warped_psf),
    "WarpingControl": Decoder("warping control", _warping_control),
}
