"""A PSF that is one image of a FITS file: as ZTF's ``_sciimgdaopsfcent.fits``.

Options in brackets: ``oversampling``, elements per pixel (by default what the card OVERSAMP says,
or 1); ``center_x`` and ``center_y``, the element, from 0, on which the PSF is centred (by default
the middle of the image); ``size``, the longest side to keep, in pixels; ``hdu``.
"""

from forcedsql.geometry import Box
from forcedsql.psf.stamp import StampPsf
from forcedsql.readers.cards import number_card
from forcedsql.readers.fits_file import FitsFile
from forcedsql.readers.psf_options import PsfOptions
from forcedsql.readers.psf_pixels import image_axes, model_faults, psf_pixels, require_drawable

_OPTIONS = frozenset(("hdu", "oversampling", "center_x", "center_y", "size"))


def recognises(file: FitsFile, index: int) -> bool:
    """Tell whether an HDU is an image of two axes."""
    return len(image_axes(file, index)) == 2


def read_psf(file: FitsFile, index: int, options: PsfOptions, _: Box) -> StampPsf:
    """Read a PSF stamp; see the module for `options`.

    Raises
    ------
    ConfigError
        If an option is unknown, or of a wrong value.
    ReadError
        If the image is not finite, has no positive sum, or is too small or too large.
    """
    options.require_known("stamp", _OPTIONS)
    (image,) = psf_pixels(file, index)
    stated = number_card(file.cards(index), "OVERSAMP")
    oversampling = options.number("oversampling", 1.0 if stated is None else stated)
    rows, columns = image.shape
    centre = (
        options.number("center_x", (columns - 1) / 2.0),
        options.number("center_y", (rows - 1) / 2.0),
    )
    size = options.whole("size", lowest=1)
    with model_faults():
        psf = StampPsf(image, oversampling, centre, size)
    require_drawable(psf.width, psf.height)
    return psf
