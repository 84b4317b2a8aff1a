"""Sky projections for an afw file: the AST text of its archive and its FITS cards."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import fits
from starlink import Ast

from forcedsql.arrays import FloatArray
from forcedsql.ast.frame_set import pixel_to_sky_text
from forcedsql.errors import ForcedSQLError
from forcedsql.wcs import AstWcs, FitsWcs, SkyWcs
from forcedsql.writer.hdus import CardTuple

_INVERSE = "IterInverse=1,NiterInverse=20,TolInverse=5e-9"
"""How a distortion is inverted: Newton's iteration, as in LSST's fitted projections."""

_APPROXIMATION = "Encoding=FITS-WCS,CDMatrix=1,FitsAxisOrder=<copy>,FitsTol=1e-4,SipOK=1"
"""FITS cards are written where they place pixels to 1e-4 pixels or better."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitsProjection:
    """The numbers of a FITS celestial projection with optional SIP distortion.

    Parameters
    ----------
    crval : (float, float), degree
        Sky position of the reference pixel.
    crpix : (float, float), pixel
        The reference pixel in parent pixels (zero-based, not as in FITS).
    cd : ndarray, (2, 2) float64, degree per pixel
    code : str
        FITS projection code: ``TAN``.
    a, b : mapping of (int, int) to float
        SIP coefficients of u^p v^q by (p, q) (Shupe et al. 2005, ASP Conf. Ser. 347, 491).
    parameters : mapping of str to value
        Further cards of the projection, such as ``LONPOLE`` or ``PV2_1``; the system is ICRS
        unless ``RADESYS`` or ``EQUINOX`` says otherwise.
    """

    crval: tuple[float, float]
    crpix: tuple[float, float]
    cd: FloatArray
    code: str = "TAN"
    a: Mapping[tuple[int, int], float] = field(default_factory=dict)
    b: Mapping[tuple[int, int], float] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def ast_text(self) -> str:
        """Return the AST frame set from parent pixels to ICRS radians, as text.

        Its frames are those of LSST: PIXELS, IWC (intermediate world coordinates, degrees)
        and SKY (afw ``src/geom/SkyWcs.cc``).
        """
        projected = self._projection_frames()
        iwc = _index_of(projected, "IWC")
        frames = Ast.FrameSet(Ast.Frame(2, "Domain=PIXELS"))
        frames.addframe(1, self._pixels_to_iwc(), projected.getframe(iwc))
        to_sky = projected.getmapping(iwc, Ast.CURRENT)
        frames.addframe(2, to_sky, projected.getframe(Ast.CURRENT))
        frames.System = "ICRS"
        return _dump(frames)

    def _pixels_to_iwc(self) -> Any:
        mapping = Ast.ShiftMap([-self.crpix[0], -self.crpix[1]])
        if self.a or self.b:
            terms = np.array([*_polynomial(self.a, 1, (1, 0)), *_polynomial(self.b, 2, (0, 1))])
            mapping = Ast.CmpMap(mapping, Ast.PolyMap(terms, None, _INVERSE), True)
        linear = Ast.MatrixMap(self.cd.tolist())
        return Ast.CmpMap(mapping, linear, True).simplify()

    def _projection_frames(self) -> Any:
        cards = {
            "CTYPE1": f"RA---{self.code}",
            "CTYPE2": f"DEC--{self.code}",
            "CRPIX1": 0.0,
            "CRPIX2": 0.0,
            "CRVAL1": self.crval[0],
            "CRVAL2": self.crval[1],
            "CD1_1": 1.0,
            "CD2_2": 1.0,
            **({} if "EQUINOX" in self.parameters else {"RADESYS": "ICRS"}),
            **self.parameters,
        }
        channel = Ast.FitsChan(None, None, "Iwc=1")
        for keyword, value in cards.items():
            if isinstance(value, str):
                channel.setfitsS(keyword, value, "", True)
            else:
                channel.setfitsF(keyword, float(value), "", True)
        channel.clear("Card")
        try:
            return channel.read()
        except (Ast.AstError, UnicodeDecodeError) as fault:
            # The binding takes the text of AST's complaint from freed memory, which may be no text.
            raise ForcedSQLError(
                f"cannot write a sky projection of type {self.code!r}: AST does not know it"
            ) from fault


def ast_text_of(wcs: SkyWcs) -> str:
    """Return the AST text of an exposure's sky projection.

    An `AstWcs` gives back its own text; a `FitsWcs` is rebuilt from its numbers.

    Raises
    ------
    ForcedSQLError
        If the projection is of another kind.
    """
    if isinstance(wcs, AstWcs):
        text = wcs.text[wcs.text.index("Begin") :]
        # Comments behind a tab are legal, but AST's own channel refuses to read them back.
        return "\n".join(line.partition("\t")[0].rstrip() for line in text.splitlines()) + "\n"
    if isinstance(wcs, FitsWcs):
        return _numbers_of(wcs).ast_text()
    raise ForcedSQLError(
        f"cannot write a sky projection of class {type(wcs).__name__}; use AstWcs or FitsWcs"
    )


def _numbers_of(wcs: FitsWcs) -> FitsProjection:
    cards, sip = wcs.wcs.wcs, wcs.wcs.sip
    longitude, latitude = (str(ctype) for ctype in cards.ctype)
    if longitude[:5] != "RA---" or latitude[:5] != "DEC--":
        raise ForcedSQLError(
            f"cannot write a sky projection of axes {longitude!r}, {latitude!r}; give RA, DEC"
        )
    parameters: dict[str, Any] = {f"PV{axis}_{m}": value for axis, m, value in cards.get_pv()}
    for keyword in ("lonpole", "latpole", "equinox"):
        if math.isfinite(value := getattr(cards, keyword)):
            parameters[keyword.upper()] = float(value)
    parameters["RADESYS"] = str(cards.radesys)
    return FitsProjection(
        crval=(float(cards.crval[0]), float(cards.crval[1])),
        crpix=(float(cards.crpix[0]) - 1.0 + wcs.xy0[0], float(cards.crpix[1]) - 1.0 + wcs.xy0[1]),
        cd=np.asarray(wcs.wcs.pixel_scale_matrix, dtype=np.float64),
        code=longitude[5:8],
        a={} if sip is None else _nonzero(sip.a),
        b={} if sip is None else _nonzero(sip.b),
        parameters=parameters,
    )


def approximate_cards(text: str, xy0: tuple[int, int]) -> list[CardTuple]:
    """Return the FITS cards that say the same as an AST text, to 1e-4 pixels.

    Parameters
    ----------
    text : str
        AST frame set from parent pixels to the sky.
    xy0 : (int, int)
        Parent position of the first pixel of the image the cards are for.

    Returns
    -------
    list of (str, value, str)
        Empty where FITS has no words for the projection; readers then need the archive.
    """
    # The text may be a file's: AST sees only what has been checked and written anew.
    to_sky = Ast.Channel(pixel_to_sky_text(text).splitlines()).read()
    shift = Ast.ShiftMap([xy0[0] - 1.0, xy0[1] - 1.0])
    local = Ast.FrameSet(Ast.Frame(2, "Domain=GRID"))
    local.addframe(1, Ast.CmpMap(shift, to_sky, True).simplify(), Ast.SkyFrame("System=ICRS"))
    lines = _Lines()
    channel = Ast.FitsChan(None, lines, _APPROXIMATION)
    if channel.write(local) != 1:
        return []
    channel.writefits()
    cards = [fits.Card.fromstring(line) for line in lines]
    return [(c.keyword, c.value, c.comment) for c in cards if not c.keyword.startswith(("AP_", "BP_"))]


def origin_cards(xy0: tuple[int, int]) -> list[CardTuple]:
    """Return the cards of the alternate WCS "A", which carries the origin of the pixels."""
    return [
        ("CTYPE1A", "LINEAR", "Type of projection"),
        ("CTYPE2A", "LINEAR", "Type of projection"),
        ("CRPIX1A", 1.0, "Column Pixel Coordinate of Reference"),
        ("CRPIX2A", 1.0, "Row Pixel Coordinate of Reference"),
        ("CRVAL1A", float(xy0[0]), "Column pixel of Reference Pixel"),
        ("CRVAL2A", float(xy0[1]), "Row pixel of Reference Pixel"),
        ("CUNIT1A", "PIXEL", "Column unit"),
        ("CUNIT2A", "PIXEL", "Row unit"),
    ]


def _polynomial(
    terms: Mapping[tuple[int, int], float], output: int, linear: tuple[int, int]
) -> list[list[float]]:
    all_terms = dict(terms)
    all_terms[linear] = all_terms.get(linear, 0.0) + 1.0
    return [[value, output, p, q] for (p, q), value in all_terms.items()]


def _nonzero(coefficients: FloatArray) -> dict[tuple[int, int], float]:
    return {(int(p), int(q)): float(coefficients[p, q]) for p, q in np.argwhere(coefficients)}


def _index_of(frames: Any, domain: str) -> int:
    return next(i for i in range(1, frames.Nframe + 1) if frames.getframe(i).Domain == domain)


class _Lines(list[str]):
    def astsink(self, line: str) -> None:
        self.append(line)


def _dump(frames: Any) -> str:
    lines = _Lines()
    Ast.Channel(None, lines, "Comment=0").write(frames)
    return "\n".join(lines).strip() + "\n"
