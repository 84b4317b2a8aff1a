"""Decoder of PiffPsf, whose state is a Python pickle that is read without running it.

Layout: meas_extensions_piff ``python/lsst/meas/extensions/piff/piffPsf.py``; the attributes are
those of Piff 1.1 to 1.7.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray
from forcedsql.errors import ReadError
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.readers import limits
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.readers.inert_objects import Bag
from forcedsql.readers.inert_pickle import read_inert_pickle
from forcedsql.readers.plain_arrays import array_of_plain, plain_array

_POSITION_KEYS = ("x", "y", "u", "v")


def _piff_psf(source: ArchiveObject) -> PiffPsf:
    data = source.row().blob("bytes", limit=limits.MAX_PICKLE_BYTES)
    try:
        return _psf_of_pickle(read_inert_pickle(data))
    except UnknownClassError:
        raise
    except ReadError as fault:
        raise type(fault)(f"{source.label}: {fault}") from fault


def _psf_of_pickle(content: Any) -> PiffPsf:
    if not isinstance(content, tuple) or len(content) != 3:
        raise ReadError("its pickle is not a width, a height and a fit")
    width, height = (_whole(side, "side of the image", limits.MAX_KERNEL_SIDE) for side in content[:2])
    if width != height:
        raise ReadError(f"its image is {width} x {height} pixels and not square")
    fit = _require_class(content[2], "piff", "SimplePSF")
    return PiffPsf(width, _pixel_grid(fit))


def _pixel_grid(fit: Bag) -> PixelGrid:
    model = _require_class(fit.get("model"), "piff", "PixelGrid")
    interpolant = _require_class(model.get("interp"), "galsim", "Lanczos")
    projections = fit.get("wcs")
    if not isinstance(projections, dict) or 0 not in projections:
        raise ReadError("its fit has no projection of chip 0")
    projection = _require_class(projections[0], "galsim", "PixelScale")
    return PixelGrid(
        size=_whole(model.get("size"), "side of the grid", limits.MAX_KERNEL_SIDE),
        scale=_number(model.get("scale"), "scale of the grid"),
        interpolant=LanczosInterpolant(
            _whole(interpolant.get("_n"), "order of the interpolant", limits.MAX_LANCZOS_ORDER),
            conserve_dc=interpolant.get("_conserve_dc") is True,
        ),
        polynomial=_polynomial(_require_class(fit.get("interp"), "piff", "BasisPolynomial")),
        pixel_scale=_number(projection.get("_scale"), "pixel scale"),
    )


def _polynomial(interpolation: Bag) -> BasisPolynomial:
    keys = _sequence(interpolation.get("_keys"), "keys")
    for key in keys:
        if not isinstance(key, str) or key not in _POSITION_KEYS:
            raise UnknownClassError(f"{interpolation.class_name} in more than the position")
    solution = _array(interpolation.get("q"), "solution", kind="f", axes=2)
    limits.require_at_most(solution.shape[1], limits.MAX_COEFFICIENTS, "terms of the polynomial")
    return BasisPolynomial(solution.astype(np.float64), tuple(keys), _terms(interpolation, len(keys)))


def _terms(interpolation: Bag, count: int) -> BoolArray:
    """Return which products of powers count: all up to a total order, where they are not listed."""
    if interpolation.has("_mask"):
        terms = _array(interpolation.get("_mask"), "mask of terms", kind="b", axes=count)
        limits.require_at_most(max(terms.shape), limits.MAX_POLYNOMIAL_ORDER + 1, "powers of the polynomial")
        return terms
    orders = _sequence(interpolation.get("_orders"), "orders")
    if len(orders) != count:
        raise ReadError(f"its polynomial has {count} keys and {len(orders)} orders")
    limit = limits.MAX_POLYNOMIAL_ORDER
    powers = [_whole(order, "order of the polynomial", limit, lowest=0) for order in orders]
    limits.require_at_most(
        math.prod(power + 1 for power in powers), limits.MAX_COEFFICIENTS, "terms of the polynomial"
    )
    total = _whole(interpolation.get("_max_order"), "total order of the polynomial", 2 * limit, lowest=0)
    products: BoolArray = np.indices([power + 1 for power in powers]).sum(axis=0) <= total
    return products


def _require_class(value: Any, package: str, class_name: str) -> Bag:
    if not isinstance(value, Bag):
        raise ReadError(f"its pickle has a {type(value).__name__} where a {package} {class_name} is expected")
    if not value.is_a(package, class_name):
        raise UnknownClassError(value.class_name)
    return value


def _whole(value: Any, what: str, limit: int, *, lowest: int = 1) -> int:
    number = _number(value, what)
    if not number.is_integer() or number < lowest:
        raise ReadError(f"its {what} is {value}, not a whole number from {lowest} up")
    limits.require_at_most(int(number), limit, what)
    return int(number)


def _number(value: Any, what: str) -> float:
    if type(value) not in {int, float}:
        raise ReadError(f"its {what} is a {type(value).__name__}, not a number")
    return float(value)


def _sequence(value: Any, what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= len(_POSITION_KEYS):
        raise ReadError(f"the {what} of its polynomial are not a list of 1 to {len(_POSITION_KEYS)}")
    return value


def _array(value: Any, what: str, *, kind: str, axes: int) -> AnyArray:
    if not isinstance(value, np.ndarray) or value.dtype.kind != kind or value.ndim != axes or not value.size:
        raise ReadError(f"the {what} of its polynomial is not a filled array of {axes} axes")
    return value


def _condense(psf: PiffPsf) -> dict[str, Any]:
    grid, polynomial = psf.grid, psf.grid.polynomial
    return {
        "width": psf.width,
        "size": grid.size,
        "scale": grid.scale,
        "order": grid.interpolant.order,
        "conserve_dc": grid.interpolant.conserve_dc,
        "pixel_scale": grid.pixel_scale,
        "keys": polynomial.keys,
        "solution": plain_array(polynomial.solution.astype(np.float64)),
        "terms": plain_array(polynomial.terms),
    }


def _expand(condensed: Any) -> PiffPsf:
    try:
        terms = array_of_plain(condensed["terms"], np.bool_)
        polynomial = BasisPolynomial(
            array_of_plain(condensed["solution"], np.float64), tuple(condensed["keys"]), terms
        )
        limits.require_at_most(max(terms.shape), limits.MAX_POLYNOMIAL_ORDER + 1, "powers of the polynomial")
        limits.require_at_most(
            polynomial.solution.shape[1], limits.MAX_COEFFICIENTS, "terms of the polynomial"
        )
        grid = PixelGrid(
            size=_whole(condensed["size"], "side of the grid", limits.MAX_KERNEL_SIDE),
            scale=_number(condensed["scale"], "scale of the grid"),
            interpolant=LanczosInterpolant(
                _whole(condensed["order"], "order of the interpolant", limits.MAX_LANCZOS_ORDER),
                conserve_dc=condensed["conserve_dc"] is True,
            ),
            polynomial=polynomial,
            pixel_scale=_number(condensed["pixel_scale"], "pixel scale"),
        )
        return PiffPsf(_whole(condensed["width"], "side of the image", limits.MAX_KERNEL_SIDE), grid)
    except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
        raise ReadError(f"the condensed PiffPsf is damaged: {type(fault).__name__}: {fault}") from fault


DECODERS = {"PiffPsf": Decoder("PSF", _piff_psf, _condense, _expand)}
