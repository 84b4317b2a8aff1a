"""Conventions by which the parts of an image are found where nobody says where they are.

Each is only a guess by name; what was taken is said when an exposure is registered.
"""

from dataclasses import dataclass

from forcedsql.errors import ConfigError, ReadError
from forcedsql.open_options import OpenOptions, psf_file
from forcedsql.readers.plain.locations import Folder, Hdu

SCIENCE_NAMES = ("SCI", "IMAGE", "SCIENCE", "DATA")
_ERROR_NAMES = {
    "VARIANCE": "variance",
    "VAR": "variance",
    "ERR": "rms",
    "ERROR": "rms",
    "RMS": "rms",
    "SIGMA": "rms",
    "UNC": "rms",
    "STD": "rms",
    "IVAR": "invvar",
    "INVVAR": "invvar",
    "IVM": "invvar",
    "WHT": "weight",
    "WEIGHT": "weight",
}
_MASK_NAMES = ("DQ", "MASK", "DATA_QUALITY", "FLAGS", "BPM")

# CCDData of astropy writes UNCERT, and says in UTYPE what it is.
_CCDDATA_KINDS = {"StdDevUncertainty": "rms", "VarianceUncertainty": "variance", "InverseVariance": "invvar"}

_ERROR_FILES = (
    ("{name:_ooi_=_oow_}", "invvar"),
    ("{stem}.weight.fits", "weight"),
    ("{stem}.rms.fits", "rms"),
    ("{stem}_rms.fits", "rms"),
    ("{name:-image=-invvar}", "invvar"),
    ("{name:_sci=_rms}", "rms"),
    ("{name:_sci=_err}", "rms"),
    ("{name:_sci=_wht}", "weight"),
    ("{name:_image=_var}", "variance"),
    ("{name:_image=_err}", "rms"),
    ("{name:_maic=_munc}", "rms"),
)
_MASK_FILES = (
    "{name:_ooi_=_ood_}",
    "{name:sciimg=mskimg}",
    "{stem}.flag.fits",
    "{stem}.mask.fits",
    "{stem}_mask.fits",
    "{name:_sci=_dq}",
    "{name:_image=_mask}",
)
_PSF_FILES = ("{stem}.psf", "{stem}-psfex.fits", "{name:sciimg=sciimgdaopsfcent}")


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The HDUs that an image is made of, and how they came to be taken.

    Parameters
    ----------
    science : Hdu
    error, mask : Hdu or None
    error_kind, mask_kind : str
        As in `OpenOptions`; "" for a mask whose kind its pixels and header decide.
    psf : str
        Specification of the PSF, "" where there is none.
    guessed : frozenset of str
        Which of "error", "mask" and "psf" were found by name.
    images : int
        How many images the file has that could have been the science image.
    """

    science: Hdu
    error: Hdu | None
    error_kind: str
    mask: Hdu | None
    mask_kind: str
    psf: str
    guessed: frozenset[str]
    images: int


def find_parts(folder: Folder, options: OpenOptions) -> Parts:
    """Find the parts of an image, in a file that has one, by the options, and else by convention.

    Raises
    ------
    ConfigError
        If what the options name is not there.
    ReadError
        If an image that is named is not there, or is none.
    """
    science, images = _science(folder, options)
    error, error_kind = _error(folder, options, science)
    mask = _mask(folder, options, science)
    psf, psf_guessed = _psf(folder, options)
    guessed = {
        "error": error is not None and not options.error,
        "mask": mask is not None and not options.mask,
        "psf": psf_guessed,
    }
    named = frozenset(name for name, is_guess in guessed.items() if is_guess)
    return Parts(science, error, error_kind, mask, options.mask_kind, psf, named, images)


def _science(folder: Folder, options: OpenOptions) -> tuple[Hdu, int]:
    if options.science:
        hdu = folder.find(f"[{options.science.strip('[]')}]", what="science")
        if not hdu.is_image():
            raise ReadError(f"science: {hdu.label} is no image of two dimensions")
        return hdu, 1
    images = [hdu for hdu in folder.hdus() if hdu.is_image()]
    for name in SCIENCE_NAMES:
        named = [hdu for hdu in images if hdu.name == name]
        if named:
            return named[0], len(named)
    rest = [hdu for hdu in images if hdu.name not in (*_ERROR_NAMES, *_MASK_NAMES, "UNCERT")]
    return (rest or images)[0], max(len(rest), 1)


def _error(folder: Folder, options: OpenOptions, science: Hdu) -> tuple[Hdu | None, str]:
    kind = options.error_kind
    if options.error == "none" or kind in ("none", "counts"):
        return None, kind or "none"
    if options.error:
        hdu = folder.find(options.error, science, what="error")
        kind = kind or _kind_of(hdu) or _kind_of_file(folder, hdu)
        if not kind:
            raise ConfigError(f"error: {hdu.label} may hold anything; say error_kind, such as rms")
        return hdu, kind
    for hdu in folder.hdus(science.path):
        found = _kind_of(hdu)
        if found and _belongs(hdu, science) and kind in ("", found):
            return hdu, found
    for pattern, found in _ERROR_FILES:
        path = folder.side_file(pattern)
        if path is not None and kind in ("", found):
            return folder.find(str(path), science, what="error"), found
    if kind:
        raise ReadError(f"error_kind is {kind!r}, and no such image is found: give its file or HDU by error")
    return None, "none"


def _kind_of(hdu: Hdu) -> str:
    if hdu.name == "UNCERT":
        return _CCDDATA_KINDS.get(str(hdu.cards.get("UTYPE", "")).strip(), "")
    return _ERROR_NAMES.get(hdu.name, "")


def _kind_of_file(folder: Folder, hdu: Hdu) -> str:
    for pattern, kind in _ERROR_FILES:
        if folder.side_file(pattern) == hdu.path:
            return kind
    return ""


def _mask(folder: Folder, options: OpenOptions, science: Hdu) -> Hdu | None:
    if options.mask == "none" or options.mask_kind == "none":
        return None
    if options.mask:
        if "{" in options.mask and folder.side_file(options.mask) is None:
            return None
        return folder.find(options.mask, science, what="mask")
    for hdu in folder.hdus(science.path):
        if hdu.name in _MASK_NAMES and _belongs(hdu, science):
            return hdu
    for pattern in _MASK_FILES:
        path = folder.side_file(pattern)
        if path is not None:
            return folder.find(str(path), science, what="mask")
    return None


def _belongs(hdu: Hdu, science: Hdu) -> bool:
    return hdu.number != science.number and hdu.is_image() and hdu.version == science.version


def _psf(folder: Folder, options: OpenOptions) -> tuple[str, bool]:
    """Return the specification of the PSF, and whether it was found by name."""
    if options.psf == "none":
        return "", False
    spec = psf_file(options.psf)
    if spec is not None:
        before, file, after = spec
        path = folder.side_file(file)
        if path is None and "{" in file:
            return "", False
        return f"{before}{path or file}{after}", "{" in file
    if options.psf:
        return options.psf, False
    for pattern in _PSF_FILES:
        path = folder.side_file(pattern)
        if path is not None:
            return str(path), True
    return "", False
