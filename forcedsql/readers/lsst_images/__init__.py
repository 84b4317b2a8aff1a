"""Reader of lsst.images FITS files: visit images and cell-based coadds from Rubin's DP2 on.

A JSON tree in the last but one HDU describes the file and points to arrays in the others
(lsst.images ``fits/_input_archive.py``).  The package lsst-images is not needed.

Where a coadd has no data its variance is infinite.  Such pixels keep it: a PSF flux over them
is NaN and flagged, as in LSST, unless they are left out by ``bad_mask_planes=("NO_DATA",)``.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from forcedsql.errors import ConfigError, ReadError
from forcedsql.exposure import Exposure
from forcedsql.fields.calibration import ApCorrMap
from forcedsql.geometry import Box
from forcedsql.readers.archive import ArchiveClass, UnknownClassError
from forcedsql.readers.cards import integer_card
from forcedsql.readers.fits_file import FitsFile
from forcedsql.readers.lsst_images.calibration import read_ap_corr, read_photo_calib
from forcedsql.readers.lsst_images.detector import read_detector
from forcedsql.readers.lsst_images.information import read_info
from forcedsql.readers.lsst_images.planes import read_float_plane, read_mask
from forcedsql.readers.lsst_images.projection import read_sky_projection
from forcedsql.readers.lsst_images.psfs import read_psf, schema_of
from forcedsql.readers.lsst_images.sources import Sources
from forcedsql.readers.lsst_images.tree import Node

_NEWEST_CONTAINER = 1
_NEWEST_SCHEMA = 1
_LARGEST_VERSION = 1_000_000
_PSF_FLUX = "base_PsfFlux_instFlux"
_PLANES = ("image", "mask", "variance")

# Schemas of what measuring needs; of the rest at most an id is taken.
_READ_SCHEMAS = frozenset(
    [
        "aperture_correction_map",
        "camera_frame_set",
        "cell_aperture_correction_map",
        "cell_coadd",
        "cell_psf",
        "chebyshev_field",
        "detector",
        "difference_image",
        "gaussian_psf",
        "image",
        "mask",
        "masked_image",
        "piff_psf",
        "product_field",
        "sky_projection",
        "spline_field",
        "sum_field",
        "template_coadd",
        "transform",
        "visit_image",
    ]
)

Part = TypeVar("Part")


def recognises(file: FitsFile) -> bool:
    """Tell whether a file is laid out as lsst.images writes it."""
    return "JSONADDR" in file.cards(0)


def read_exposure(file: FitsFile) -> Exposure:
    """Read a visit image, a difference image or a cell-based coadd.

    A component of a kind that is not known is named in `Exposure.unsupported`.

    Raises
    ------
    ReadError
        If the file is damaged, in a newer format, or no image with mask and variance.
    FileLimitError
        If it asks for more than a reader grants.
    """
    _require_container(file)
    sources = Sources(file)
    try:
        return _exposure_of(sources, sources.tree())
    except ConfigError as fault:
        raise ReadError(f"it holds what is not usable: {fault}") from fault


def archive_classes(file: FitsFile) -> tuple[ArchiveClass, ...]:
    """Return the schemas of the parts of the file, and whether they are read."""
    counts = Counter(filter(None, _schemas(Sources(file).tree().value)))
    return tuple(
        ArchiveClass(name, "lsst.images", count, name in _READ_SCHEMAS)
        for name, count in sorted(counts.items())
    )


class _Components:
    """The parts of an exposure that may be missing, or of a kind that is not known."""

    def __init__(self, sources: Sources, tree: Node) -> None:
        self._sources = sources
        self._tree = tree
        self.unsupported: dict[str, str] = {}

    def get(self, name: str, key: str, read: Callable[[Node], Part]) -> Part | None:
        """Return what the tree has under a key, None where that is nothing or not known."""
        return self.attempt(name, lambda: self._read(key, read)) if self._tree.has(key) else None

    def if_readable(self, name: str, key: str, read: Callable[[Node], Part]) -> Part | None:
        """Return what the tree has under a key that few need, None where it is damaged."""
        try:
            return self.get(name, key, read)
        except ReadError as fault:
            self.unsupported[name] = f"damaged {key} ({fault})"
        return None

    def attempt(self, name: str, read: Callable[[], Part]) -> Part | None:
        """Return what a function reads, None where that is not known."""
        try:
            return read()
        except UnknownClassError as unknown:
            self.unsupported[name] = unknown.class_name
            return None

    def ap_corr(self) -> ApCorrMap | None:
        """Return the aperture corrections; a file without any has no map."""
        found = self.get("ap_corr", "aperture_corrections", lambda node: read_ap_corr(self._sources, node))
        if found is None:
            return None
        if _PSF_FLUX in found.unknown:
            self.unsupported["ap_corr"] = found.unknown[_PSF_FLUX]
        return found.known or None

    def _read(self, key: str, read: Callable[[Node], Part]) -> Part:
        node = self._tree.child(key)
        version = _required_version(node)
        if version > _NEWEST_SCHEMA:
            raise UnknownClassError(f"{schema_of(node)} of version {version}")
        return read(node)


def _exposure_of(sources: Sources, tree: Node) -> Exposure:
    _require_masked_image(tree)
    image, variance = (read_float_plane(sources, tree.child(name)) for name in ("image", "variance"))
    mask = read_mask(sources, tree.child("mask"))
    if not image.xy0 == mask.xy0 == variance.xy0:
        raise ReadError(f"its planes start at {image.xy0}, {mask.xy0} and {variance.xy0}")
    height, width = image.values.shape
    bbox = Box(*image.xy0, width, height)
    parts = _Components(sources, tree)
    return Exposure(
        image=image.values,
        mask=mask.values,
        variance=variance.values,
        mask_planes=mask.bits,
        xy0=image.xy0,
        wcs=parts.get("wcs", "sky_projection", read_sky_projection),
        psf=parts.get("psf", "psf", lambda node: read_psf(sources, node)),
        photo_calib=parts.attempt(
            "photo_calib", lambda: read_photo_calib(sources, tree, unit=image.unit, bbox=bbox)
        ),
        ap_corr=parts.ap_corr(),
        unit=image.unit,
        detector=parts.if_readable("detector", "detector", read_detector),
        info=read_info(tree),
        unsupported=parts.unsupported,
    )


def _require_container(file: FitsFile) -> None:
    version = integer_card(file.cards(0), "FMTVER") or _NEWEST_CONTAINER
    if version > _NEWEST_CONTAINER:
        raise ReadError(
            f"it is an lsst.images file of layout {version}; forcedsql reads up to {_NEWEST_CONTAINER}"
        )


def _require_masked_image(tree: Node) -> None:
    name = schema_of(tree) or "tree of no schema"
    missing = [plane for plane in _PLANES if not tree.has(plane)]
    if missing:
        raise ReadError(f"it holds a {name}, which has no {missing[0]}; an exposure has {', '.join(_PLANES)}")
    version = _required_version(tree)
    if version > _NEWEST_SCHEMA:
        raise ReadError(f"it holds a {name} of version {version}; forcedsql reads up to {_NEWEST_SCHEMA}")


def _required_version(node: Node) -> int:
    """Return the version of a schema that a reader must know."""
    if not node.has("min_read_version"):
        return _NEWEST_SCHEMA
    return node.child("min_read_version").integer(low=0, high=_LARGEST_VERSION)


def _schemas(value: Any) -> Iterator[str]:
    """Yield the names of the schemas of a tree's parts, "" for parts without one."""
    if isinstance(value, dict):
        with suppress(ReadError):
            yield schema_of(Node(value))
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _schemas(part)
