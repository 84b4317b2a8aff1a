"""PSF models: Piff fits, Gaussians, one image per cell."""

import math
import re
from collections.abc import Callable, Mapping

import numpy as np

from forcedsql.arrays import BoolArray
from forcedsql.errors import ReadError
from forcedsql.psf.cell import CellPsf
from forcedsql.psf.drawn_gaussian import DrawnGaussianPsf
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.psf.protocol import Psf
from forcedsql.readers import limits
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.geometry import read_cell_grid
from forcedsql.readers.lsst_images.sources import Sources
from forcedsql.readers.lsst_images.tree import Node

_MAX_CELL_PIXELS = 1 << 26
_POSITION_KEYS = ("x", "y", "u", "v")
_LANCZOS = re.compile(
    r"galsim\.Lanczos\((?P<order>\d{1,3})(?:, ?(?P<conserve>True|False))?(?:, ?gsparams=.*)?\)"
)


def read_psf(sources: Sources, node: Node) -> Psf:
    """Return a PSF model.

    Raises
    ------
    ReadError
        If it is damaged.
    FileLimitError
        If it asks for more than a reader grants.
    UnknownClassError
        If it is of a kind that is not known.
    """
    kind = schema_of(node)
    if kind not in _READERS:
        raise UnknownClassError(f"PSF of schema {kind}")
    return _READERS[kind](sources, node)


def schema_of(node: Node) -> str:
    """Return the name of a node's schema: ``piff_psf`` of ``https://.../piff_psf-1.0.0``; "" for none."""
    url = node.child("schema_url").label() if node.has("schema_url") else ""
    return url.rpartition("/")[2].rpartition("-")[0]


def _gaussian_psf(_sources: Sources, node: Node) -> DrawnGaussianPsf:
    return DrawnGaussianPsf(_side(node.child("stamp_size")), node.child("sigma").number())


def _cell_psf(sources: Sources, node: Node) -> CellPsf:
    grid, _ = read_cell_grid(node.child("bounds"))
    images = sources.array(node.child("array"), axes=4, limit=_MAX_CELL_PIXELS)
    limits.require_at_most(
        max(images.shape[2:]), limits.MAX_KERNEL_SIDE, f"side of the images of {node.path}"
    )
    return CellPsf(grid, images)


def _piff_psf(sources: Sources, node: Node) -> PiffPsf:
    """Return a Piff fit from the structures that Piff itself writes (lsst.images ``psfs/_piff.py``)."""
    fit = node.child("piff")
    _require_type(fit.child("structs").child("piff"), "Simple")
    parts = fit.child("objects").child("piff")
    model = _require_type(parts.child("structs").child("model"), "PixelGrid")
    wcs = parts.child("wcs").child("wcs")
    if wcs.child("wcs_type").label() != "pixel_scale":
        raise UnknownClassError(f"Piff fit with a projection of type {wcs.child('wcs_type').text()}")
    grid = PixelGrid(
        size=_side(model.child("size")),
        scale=model.child("scale").number(),
        interpolant=_interpolant(model.child("interp").text(limit=2_000)),
        polynomial=_polynomial(sources, parts),
        pixel_scale=wcs.child("scale").number(),
    )
    return PiffPsf(_side(node.child("stamp_size")), grid)


def _interpolant(text: str) -> LanczosInterpolant:
    match = _LANCZOS.fullmatch(text)
    if match is None:
        raise UnknownClassError(f"Piff fit with the interpolant {text[:40]!r}")
    order = int(match["order"])
    limits.require_at_most(order, limits.MAX_LANCZOS_ORDER, "order of the interpolant")
    return LanczosInterpolant(order, conserve_dc=match["conserve"] != "False")


def _polynomial(sources: Sources, parts: Node) -> BasisPolynomial:
    interp = _require_type(parts.child("structs").child("interp"), "BasisPolynomial")
    keys = tuple(key.label() for key in interp.child("keys").elements(limit=len(_POSITION_KEYS)))
    unknown = [key for key in keys if key not in _POSITION_KEYS]
    if unknown:
        raise UnknownClassError(f"Piff fit in {unknown[0]}")
    table = parts.child("objects").child("interp").child("tables").child("solution").child("table")
    columns = {column.name: column.values for column in sources.columns(table)}
    solution = columns.get("q")
    if solution is None or solution.ndim != 3 or len(solution) != 1 or solution.dtype.kind != "f":
        raise ReadError(f"{table.path} has no column q with one matrix")
    return BasisPolynomial(solution[0].astype(np.float64), keys, _terms(interp, len(keys)))


def _terms(interp: Node, count: int) -> BoolArray:
    """Return which products of powers count: all up to a total order (Piff ``piff/basis_interp.py``)."""
    order, limit = interp.child("order"), limits.MAX_POLYNOMIAL_ORDER
    each = order.elements(limit=count) if isinstance(order.value, list) else [order] * count
    powers = [value.integer(low=0, high=limit) for value in each]
    if not powers or len(powers) != count:
        raise ReadError(f"{order.path} has {len(powers)} orders for {count} keys")
    limits.require_at_most(
        math.prod(power + 1 for power in powers), limits.MAX_COEFFICIENTS, "terms of the polynomial"
    )
    total = (
        interp.child("max_order").integer(low=0, high=4 * limit) if interp.has("max_order") else max(powers)
    )
    terms: BoolArray = np.indices([power + 1 for power in powers]).sum(axis=0) <= total
    return terms


def _require_type(node: Node, wanted: str) -> Node:
    found = node.child("type").label()
    if found != wanted:
        raise UnknownClassError(f"Piff fit with a part of type {found}")
    return node


def _side(node: Node) -> int:
    return node.integer(low=1, high=limits.MAX_KERNEL_SIDE)


_READERS: Mapping[str, Callable[[Sources, Node], Psf]] = {
    "cell_psf": _cell_psf,
    "gaussian_psf": _gaussian_psf,
    "piff_psf": _piff_psf,
}
