"""Writing an exposure as afw ExposureF FITS."""

from pathlib import Path

import numpy as np
from astropy.time import Time

from forcedsql.arrays import AnyArray
from forcedsql.errors import ForcedSQLError, OutputError
from forcedsql.exposure import Exposure, ExposureInfo
from forcedsql.file_names import complete_or_not_at_all, why_refused
from forcedsql.writer.archive import ArchiveWriter
from forcedsql.writer.components import COMPONENT_ENCODERS, ApertureCorrections, AstText, FilterLabel
from forcedsql.writer.hdus import CardTuple, Hdu, compressed_image_hdu, image_hdu, primary_hdu
from forcedsql.writer.piff import PIFF_ENCODERS
from forcedsql.writer.projection import approximate_cards, ast_text_of, origin_cards
from forcedsql.writer.psfs import PSF_ENCODERS

_ARCHIVE_HDU = 5
"""FITS number, from 1, of the HDU that follows the primary, image, mask and variance."""

_FORMAT_VERSION = 2


def write_exposure(exposure: Exposure, path: str | Path, *, compress: bool = True) -> None:
    """Write an exposure as an afw ExposureF file, as the LSST stack writes its own.

    Of a detector only the number is written.

    The file appears whole or not at all, and its bytes depend on the exposure alone.

    Parameters
    ----------
    exposure : Exposure
    path : str or Path
        An existing file is replaced.
    compress : bool
        Lossless tile compression (GZIP_2, one row per tile).  Without it, readers that follow
        cfitsio turn infinite pixels into NaN.

    Raises
    ------
    ForcedSQLError
        If a component is of a class that afw files cannot hold, or that was read from a file
        without being understood.
    OutputError
        If the file cannot be written.

    Notes
    -----
    Layout from afw ``src/image/ExposureInfo.cc`` and ``src/image/MaskedImage.cc``.
    """
    content = b"".join(hdu.to_bytes() for hdu in _exposure_hdus(exposure, compress=compress))
    target = Path(path)
    try:
        with complete_or_not_at_all(target) as partial:
            partial.write_bytes(content)
    except (OSError, ValueError) as fault:
        raise OutputError(f"cannot write {target}: {why_refused(fault)}") from fault


def _exposure_hdus(exposure: Exposure, *, compress: bool) -> list[Hdu]:
    lost = {name: kind for name, kind in exposure.unsupported.items() if name != "detector"}
    if lost:
        component, name = next(iter(lost.items()))
        raise ForcedSQLError(
            f"cannot write the exposure: its {component} is a {name} that was never understood; "
            "replace `unsupported` by {} to leave it out"
        )
    text = None if exposure.wcs is None else ast_text_of(exposure.wcs)
    archive = ArchiveWriter({**COMPONENT_ENCODERS, **PSF_ENCODERS, **PIFF_ENCODERS})
    component_ids = _put_components(exposure, text, archive)
    cards = [*_archive_cards(component_ids), *_info_cards(exposure.info)]
    return [primary_hdu(cards), *_plane_hdus(exposure, text, compress=compress), *archive.hdus()]


def _put_components(exposure: Exposure, text: str | None, archive: ArchiveWriter) -> dict[str, int]:
    info = exposure.info
    has_filter = bool(info.band or info.physical_filter)
    corrections = None if exposure.ap_corr is None else ApertureCorrections(exposure.ap_corr, exposure.bbox)
    components = {
        "FILTER": FilterLabel(info.band, info.physical_filter) if has_filter else None,
        "AP_CORR_MAP": corrections,
        "PHOTOCALIB": exposure.photo_calib,
        "PSF": exposure.psf,
        "SKYWCS": None if text is None else AstText(text),
    }
    return {name: archive.put(part) for name, part in components.items() if part is not None}


def _archive_cards(component_ids: dict[str, int]) -> list[CardTuple]:
    cards: list[CardTuple] = [
        ("EXPINFO_V", _FORMAT_VERSION, ""),
        ("AR_HDU", _ARCHIVE_HDU, "HDU (1-indexed) of the archive"),
    ]
    for name, archive_id in component_ids.items():
        cards += [(f"{name}_ID", archive_id, "archive ID"), (f"ARCHIVE_ID_{name}", archive_id, "archive ID")]
    return cards


def _info_cards(info: ExposureInfo) -> list[CardTuple]:
    """Return the VisitInfo cards (afw ``src/image/VisitInfo.cc``) and those of the butler's provenance."""
    cards: list[CardTuple] = []
    if info.exposure_time is not None:
        cards.append(("EXPTIME", float(info.exposure_time), "[s]"))
    if info.mjd is not None:
        date = str(Time(info.mjd, format="mjd", scale="tai", precision=9).isot)
        cards += [("DATE-AVG", date, "TAI date at middle of observation"), ("TIMESYS", "TAI", "")]
    if info.visit is not None:
        cards.append(("IDNUM", info.visit, "identifier of this full focal plane exposure"))
    patch = int(info.patch) if info.patch.isdecimal() else info.patch or None
    provenance = {
        "DATASETTYPE": info.dataset_type or None,
        "DATAID VISIT": info.visit,
        "DATAID DETECTOR": info.detector,
        "DATAID TRACT": info.tract,
        "DATAID PATCH": patch,
        "DATAID BAND": info.band or None,
        "DATAID PHYSICAL_FILTER": info.physical_filter or None,
    }
    return cards + [(f"LSST BUTLER {k}", value, "") for k, value in provenance.items() if value is not None]


def _plane_hdus(exposure: Exposure, text: str | None, *, compress: bool) -> list[Hdu]:
    planes: list[tuple[str, AnyArray, list[CardTuple]]] = [
        ("IMAGE", np.asarray(exposure.image, dtype=np.float32), _unit_cards(exposure.unit, power=1)),
        (
            "MASK",
            np.asarray(exposure.mask, dtype=np.int32),
            [(f"MP_{name}", exposure.mask_planes[name], "") for name in sorted(exposure.mask_planes)],
        ),
        ("VARIANCE", np.asarray(exposure.variance, dtype=np.float32), _unit_cards(exposure.unit, power=2)),
    ]
    projection = [] if text is None else approximate_cards(text, exposure.xy0)
    origin: list[CardTuple] = [("LTV1", float(-exposure.xy0[0]), ""), ("LTV2", float(-exposure.xy0[1]), "")]
    make = compressed_image_hdu if compress else image_hdu
    hdus = []
    for name, pixels, own_cards in planes:
        names: list[CardTuple] = [("INHERIT", True, ""), ("EXTTYPE", name, ""), ("EXTNAME", name, "")]
        cards = [*projection, *origin, *names, *own_cards, *origin_cards(exposure.xy0)]
        hdus.append(make(pixels, cards))
    return hdus


def _unit_cards(unit: str, *, power: int) -> list[CardTuple]:
    if not unit:
        return []
    return [("BUNIT", unit if power == 1 else f"{unit}**{power}", "")]
