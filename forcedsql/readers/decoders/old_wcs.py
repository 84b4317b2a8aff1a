"""Decoder of the sky projections of files before 2018: TanWcs and Wcs objects."""

import math

import numpy as np

from forcedsql.errors import ReadError
from forcedsql.readers.archive import ArchiveObject, Decoder
from forcedsql.readers.rows import Rows
from forcedsql.wcs import FitsWcs

_MAX_SIP_TERMS = 100


def _old_wcs(source: ArchiveObject) -> FitsWcs:
    """Return the projection of FITS cards that the object stands for (afw ``src/geom/OldWcs.cc``)."""
    row = source.row()
    (crval1, crval2), (crpix1, crpix2) = row.pair("crval"), row.pair("crpix")
    cd = row.vector("cd", limit=4)
    if cd.size != 4:
        raise ReadError(f"{source.label} has {cd.size} elements in its matrix cd")
    cards: dict[str, float | str] = {
        "CRVAL1": crval1,
        "CRVAL2": crval2,
        # Stored from pixel 0, as all of LSST's positions; FITS counts from 1.
        "CRPIX1": crpix1 + 1.0,
        "CRPIX2": crpix2 + 1.0,
        "CD1_1": cd[0],
        "CD2_1": cd[1],
        "CD1_2": cd[2],
        "CD2_2": cd[3],
    }
    for name in ("ctype1", "ctype2", "cunit1", "cunit2", "radesys"):
        cards[name.upper()] = row.text(name)
    if math.isfinite(row.number("equinox")):
        cards["EQUINOX"] = row.number("equinox")
    if source.has(1):
        cards |= _sip_cards(source.row(1), source.label)
        for name in ("CTYPE1", "CTYPE2"):
            cards[name] = str(cards[name]).removesuffix("-SIP") + "-SIP"
    return FitsWcs(cards)


def _sip_cards(row: Rows, label: str) -> dict[str, float | str]:
    """Return the cards of the forward distortion; the projection inverts it itself."""
    cards: dict[str, float | str] = {}
    for name in ("A", "B"):
        terms = row.vector(name, limit=_MAX_SIP_TERMS)
        side = math.isqrt(terms.size)
        if side * side != terms.size:
            raise ReadError(f"{label}: its {terms.size} SIP coefficients {name} are no square matrix")
        # Eigen stores matrices by columns.
        matrix = terms.reshape(side, side).T
        cards[f"{name}_ORDER"] = side - 1
        for p, q in np.argwhere(matrix != 0.0):
            cards[f"{name}_{p}_{q}"] = matrix[p, q]
    return cards


DECODERS = {
    "TanWcs": Decoder("sky projection", _old_wcs),
    "Wcs": Decoder("sky projection", _old_wcs),
}
