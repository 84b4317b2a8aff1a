"""Reader of afw ExposureF files: calexps, visit images, coadds of the LSST pipelines.

Layout: afw ``src/image/ExposureFitsReader.cc``, ``ExposureInfo.cc``.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from forcedsql.errors import ReadError
from forcedsql.exposure import Exposure, ExposureInfo
from forcedsql.fields.calibration import ApCorrMap, PhotoCalib
from forcedsql.lazy_exposure import LazyExposure
from forcedsql.pixel_rows import PixelRows
from forcedsql.readers.archive import Archive, ArchiveClass, UnknownClassError
from forcedsql.readers.cards import Cards, component_id, integer_card, number_card, text_card
from forcedsql.readers.decoders import DECODERS
from forcedsql.readers.decoders.calibration import DecodedApCorrMap, photo_calib_of_zero_point
from forcedsql.readers.decoders.detector import read_detector, read_detector_number
from forcedsql.readers.decoders.information import FilterLabel
from forcedsql.readers.fits_file import FitsFile
from forcedsql.readers.planes import (
    PlaneHdus,
    find_planes,
    read_float_plane,
    read_mask_plane,
    read_mask_planes,
    read_origin,
)
from forcedsql.readers.visit_info import visit_info_from_cards
from forcedsql.wcs import FitsWcs, SkyWcs, has_sky_cards

_NEWEST_VERSION = 2
_PSF_FLUX = "base_PsfFlux_instFlux"
_BAND = re.compile(r"[ugrizy]|SH|PH|VR|white|N\d+|I\d{2,}")
_BUTLER = "LSST BUTLER"
_DATA_ID = f"{_BUTLER} DATAID"

Part = TypeVar("Part")


def recognises(file: FitsFile) -> bool:
    """Tell whether a file is laid out as an afw exposure."""
    if any(name in file.cards(0) for name in ("EXPINFO_V", "AR_HDU")):
        return True
    return file.has(1) and text_card(file.cards(1), "EXTTYPE") == "IMAGE"


def read_exposure(file: FitsFile) -> Exposure:
    """Read an afw exposure.

    The archive's sky projection is the exposure's; the header's, which only approximates it,
    counts where the archive has none.  A component whose class no decoder knows is named in
    `Exposure.unsupported`.

    Raises
    ------
    ReadError
        If the file is damaged, or in a newer format.
    FileLimitError
        If it asks for more than `forcedsql.readers.limits` grants.
    """
    hdus = find_planes(file)
    return Exposure(
        image=read_float_plane(file, hdus.image),
        mask=read_mask_plane(file, hdus.mask),
        variance=read_float_plane(file, hdus.variance),
        **_all_but_pixels(file, hdus),
    )


def read_lazily(file: FitsFile, rows_of: Callable[[PlaneHdus], PixelRows]) -> LazyExposure:
    """Read an afw exposure but for its pixels, which come from `rows_of` as they are needed.

    Raises
    ------
    ReadError, FileLimitError
        As `read_exposure`, for what is read.
    """
    hdus = find_planes(file)
    return LazyExposure(rows=rows_of(hdus), **_all_but_pixels(file, hdus))


def _all_but_pixels(file: FitsFile, hdus: PlaneHdus) -> dict[str, Any]:
    version = _format_version(file)
    image_cards = file.cards(hdus.image)
    metadata = _metadata(file, image_cards)
    xy0 = read_origin(image_cards)
    parts = _Components(file, metadata)
    return {
        "mask_planes": read_mask_planes(file.cards(hdus.mask)),
        "xy0": xy0,
        "wcs": _wcs(parts, image_cards, xy0),
        "psf": parts.get("psf", "PSF", "PSF"),
        "photo_calib": _photo_calib(parts, metadata, version),
        "ap_corr": _ap_corr(parts),
        "detector": parts.if_readable("detector", "DETECTOR", read_detector),
        "coadd_inputs": parts.get("coadd_inputs", "COADD_INPUTS", "coadd inputs"),
        "unit": text_card(image_cards, "BUNIT") or text_card(metadata, "BUNIT"),
        "info": _info(parts, metadata),
        "unsupported": parts.unsupported,
    }


def archive_classes(file: FitsFile) -> tuple[ArchiveClass, ...]:
    """Return the classes of the objects in the file's archive; see `Archive.classes`."""
    archive = _open_archive(file, _metadata(file, file.cards(find_planes(file).image)))
    return () if archive is None else archive.classes()


class _Components:
    """The parts of an exposure that its archive holds."""

    def __init__(self, file: FitsFile, metadata: Cards) -> None:
        self._metadata = metadata
        self._archive = _open_archive(file, metadata)
        self.unsupported: dict[str, str] = {}

    def get(self, name: str, component: str, kind: str) -> Any:
        """Return a component, None where the file has none or no decoder knows its class."""
        object_id = component_id(self._metadata, component)
        if object_id == 0 or self._archive is None:
            return None
        try:
            return self._archive.get(object_id, kind)
        except UnknownClassError as unknown:
            outer, inner = self._archive.class_name(object_id), unknown.class_name
            self.unsupported[name] = inner if inner.startswith(outer) else f"{outer} with {inner}"
            return None

    def if_readable(self, name: str, component: str, read: Callable[[Archive, int], Part]) -> Part | None:
        """Return what a function makes of a component that few need, None where it is damaged."""
        object_id = component_id(self._metadata, component)
        if object_id == 0 or self._archive is None:
            return None
        try:
            return read(self._archive, object_id)
        except UnknownClassError as unknown:
            self.unsupported[name] = unknown.class_name
        except ReadError as fault:
            self.unsupported[name] = f"damaged {component} ({fault})"
        return None


def _format_version(file: FitsFile) -> int:
    version = integer_card(file.cards(0), "EXPINFO_V") or 0
    if version > _NEWEST_VERSION:
        raise ReadError(f"it is an afw exposure of format {version}; forcedsql reads up to {_NEWEST_VERSION}")
    return version


def _metadata(file: FitsFile, image_cards: Cards) -> Cards:
    """Return the header that describes the exposure: the primary one where IMAGE says INHERIT."""
    return file.cards(0) if "INHERIT" in image_cards else image_cards


def _open_archive(file: FitsFile, metadata: Cards) -> Archive | None:
    index_hdu = integer_card(metadata, "AR_HDU") or 0
    # The card counts HDUs from 1.
    return Archive(file, index_hdu - 1, DECODERS) if index_hdu > 0 else None


def _wcs(parts: _Components, image_cards: Cards, xy0: tuple[int, int]) -> SkyWcs | None:
    wcs: SkyWcs | None = parts.get("wcs", "SKYWCS", "sky projection")
    if wcs is not None or "wcs" in parts.unsupported:
        return wcs
    if has_sky_cards(image_cards):
        return FitsWcs(image_cards, xy0)
    # Files before 2018 have a projection of this name, which the header repeats exactly.
    old: SkyWcs | None = parts.get("wcs", "WCS", "sky projection")
    return old


def _photo_calib(parts: _Components, metadata: Cards, version: int) -> PhotoCalib | None:
    calib: PhotoCalib | None = parts.get("photo_calib", "PHOTOCALIB", "photometric calibration")
    if calib is None and version == 0:
        zero_point = number_card(metadata, "FLUXMAG0") or 0.0
        calib = photo_calib_of_zero_point(zero_point, number_card(metadata, "FLUXMAG0ERR") or 0.0)
    return calib


def _ap_corr(parts: _Components) -> ApCorrMap | None:
    decoded: DecodedApCorrMap | None = parts.get("ap_corr", "AP_CORR_MAP", "aperture correction map")
    if decoded is None:
        return None
    if _PSF_FLUX in decoded.unknown:
        parts.unsupported["ap_corr"] = decoded.unknown[_PSF_FLUX]
    return decoded.known


def _info(parts: _Components, metadata: Cards) -> ExposureInfo:
    label = parts.get("filter", "FILTER", "filter label") or _label_of_card(text_card(metadata, "FILTER"))
    visit_info = visit_info_from_cards(metadata)
    detector = parts.if_readable("detector", "DETECTOR", read_detector_number)
    if detector is None:
        detector = integer_card(metadata, f"{_DATA_ID} DETECTOR", "DETSER")
    visit = integer_card(metadata, f"{_DATA_ID} VISIT")
    patch = integer_card(metadata, f"{_DATA_ID} PATCH")
    return ExposureInfo(
        band=label.band or text_card(metadata, f"{_DATA_ID} BAND"),
        physical_filter=label.physical_filter or text_card(metadata, f"{_DATA_ID} PHYSICAL_FILTER"),
        visit=visit_info.visit if visit is None else visit,
        detector=detector,
        tract=integer_card(metadata, f"{_DATA_ID} TRACT"),
        patch="" if patch is None else str(patch),
        mjd=visit_info.mjd,
        exposure_time=visit_info.exposure_time,
        dataset_type=text_card(metadata, f"{_BUTLER} DATASETTYPE"),
        background_mean=number_card(metadata, "BGMEAN"),
    )


def _label_of_card(name: str) -> FilterLabel:
    """Return the names that a FILTER card of older files stands for: a band or a physical filter."""
    if name in {"", "_unknown_"}:
        return FilterLabel()
    return FilterLabel(band=name) if _BAND.fullmatch(name) else FilterLabel(physical_filter=name)
