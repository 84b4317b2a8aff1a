"""What a user may write for the PSF of a plain image, and the model that it stands for."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from forcedsql.errors import ConfigError
from forcedsql.file_names import exists
from forcedsql.geometry import Box
from forcedsql.psf.profiles import MoffatPsf, gaussian_psf
from forcedsql.psf.protocol import Psf
from forcedsql.readers.psf_files import FILE_KINDS, read_psf_file
from forcedsql.readers.psf_options import PsfOptions

_PROFILES = ("gaussian", "moffat")
_ARCSEC = "arcsec"
_WIDEST = 100.0
_USE = (
    "a PSF is gaussian:FWHM, moffat:FWHM,beta, or a FILE, with [option=value,...] after it; "
    f"say {', '.join(f'{kind}:FILE' for kind in FILE_KINDS)} for a file of that kind"
)


@dataclass(frozen=True, slots=True)
class PsfSpec:
    """A PSF as a user names it.

    Parameters
    ----------
    kind : str
        "gaussian", "moffat", one of `FILE_KINDS`, or "" for a file whose content decides.
    target : str
        The file, or the numbers of a profile.
    options : dict of str to str
        What stands in brackets after a file, by lower-case name.
    """

    kind: str
    target: str
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, spec: str) -> "PsfSpec":
        """Take apart ``[KIND:]TARGET[[option=value,...]]``.

        A file whose whole name is `spec`, brackets and all, is meant before anything else.

        Raises
        ------
        ConfigError
            If there is no target, or what stands in brackets is not ``option=value,...``.
        """
        text = spec.strip()
        kind, separator, rest = text.partition(":")
        if not separator or kind not in (*_PROFILES, *FILE_KINDS):
            kind, rest = "", text
        target, options = rest, ""
        if rest.endswith("]") and "[" in rest and not exists(rest):
            target, _, options = rest[:-1].rpartition("[")
        if not target:
            raise ConfigError(f"psf {spec!r}: {_USE}")
        return cls(kind, target, _options(spec, options))


def open_psf(
    spec: str,
    *,
    shape: tuple[int, int],
    xy0: tuple[int, int] = (0, 0),
    pixel_scale: float | None = None,
    before_opening: Callable[[Path], object] | None = None,
) -> Psf:
    """Return the PSF model that a specification stands for.

    Parameters
    ----------
    spec : str
        ``gaussian:FWHM``, ``moffat:FWHM,beta`` with the width in pixels or as ``1.2arcsec``, or
        a FITS file: ``FILE``, ``psfex:FILE``, ``stars.psf[hdu=2]``, ``merged.fits[ccdname=N2]``.
        What may stand in brackets is said by the module of each kind; see `psf_files`.
    shape : (int, int), pixel
        Rows and columns of the image that the PSF is for.
    xy0 : (int, int), pixel
        Parent coordinates of the image's first pixel.
    pixel_scale : float, arcsec, optional
        Side of a pixel, which a width in arcseconds needs.
    before_opening : callable, optional
        Called with the file, if there is one; it raises for one that must not be opened.

    Returns
    -------
    Psf
        It takes parent coordinates of the image.

    Raises
    ------
    ConfigError
        If the specification is not understood, or an option is unknown or of a wrong value.
    ReadError
        If the file is not there, is damaged, or holds no such PSF.
    FileLimitError
        If the model is larger than `forcedsql.readers.limits` grants.
    """
    parsed = PsfSpec.parse(spec)
    if parsed.kind in _PROFILES:
        return _profile(spec, parsed, pixel_scale)
    box = Box(*xy0, shape[1], shape[0])
    if not parsed.kind and not exists(parsed.target):
        raise ConfigError(f"psf {spec!r}: there is no such file; {_USE}")
    path = Path(parsed.target)
    if before_opening is not None:
        before_opening(path)
    return read_psf_file(path, parsed.kind, PsfOptions(parsed.options), box)


def _profile(spec: str, parsed: PsfSpec, pixel_scale: float | None) -> Psf:
    numbers = parsed.target.split(",")
    expected = 1 if parsed.kind == "gaussian" else 2
    if len(numbers) != expected or parsed.options:
        raise ConfigError(f"psf {spec!r}: {_USE}")
    fwhm = _width(spec, numbers[0].strip(), pixel_scale)
    if fwhm > _WIDEST:
        raise ConfigError(f"psf {spec!r}: a FWHM of {fwhm:g} pixels; up to {_WIDEST:g} are drawn")
    psf: Psf = gaussian_psf(fwhm) if expected == 1 else MoffatPsf(fwhm, _number(spec, numbers[1]))
    return psf


def _width(spec: str, text: str, pixel_scale: float | None) -> float:
    if not text.endswith(_ARCSEC):
        return _number(spec, text)
    if pixel_scale is None or not pixel_scale > 0.0:
        raise ConfigError(f"psf {spec!r}: the image has no pixel scale; give the FWHM in pixels")
    return _number(spec, text.removesuffix(_ARCSEC)) / pixel_scale


def _number(spec: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"psf {spec!r}: {text.strip()!r} is not a number; {_USE}") from None


def _options(spec: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, value = (piece.strip() for piece in part.partition("="))
        if not (separator and re.fullmatch(r"\w+", name) and value):
            raise ConfigError(f"psf {spec!r}: {part!r} is not option=value")
        if options.setdefault(name.lower(), value) != value:
            raise ConfigError(f"psf {spec!r}: {name} is given twice")
    return options
