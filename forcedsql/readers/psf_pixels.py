"""What readers of PSF images share: bounded reading, and faults of a model as faults of its file."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError, ReadError
from forcedsql.geometry import Box
from forcedsql.readers import limits
from forcedsql.readers.cards import integer_card
from forcedsql.readers.fits_file import FitsFile

Pair = tuple[float, float]


def image_axes(file: FitsFile, index: int) -> tuple[int, ...]:
    """Return the sides of an image HDU as its header has them, rows before columns; () for none."""
    cards = file.cards(index)
    if str(cards.get("XTENSION", "IMAGE")).strip() != "IMAGE" and not cards.get("ZIMAGE"):
        return ()
    count = integer_card(cards, "NAXIS") or 0
    return tuple(integer_card(cards, f"NAXIS{k}") or 0 for k in range(min(count, 9), 0, -1))


def psf_pixels(file: FitsFile, index: int) -> FloatArray:
    """Return the images of an HDU of two or three axes, within the limits of a PSF.

    Returns
    -------
    ndarray, (k, rows, columns) float64
        One image where the HDU has two axes.

    Raises
    ------
    FileLimitError
        If there are more, or larger ones.
    ReadError
        If they are damaged.
    """
    axes = image_axes(file, index)
    for side in axes[-2:]:
        limits.require_at_most(
            side, limits.MAX_KERNEL_SIDE, f"elements along a side of the PSF in HDU {index}"
        )
    if len(axes) == 3:
        limits.require_at_most(axes[0], limits.MAX_KERNEL_COMPONENTS, f"PSF images in HDU {index}")
    limits.require_at_most(math.prod(axes), limits.MAX_PSF_ELEMENTS, f"elements of PSF images in HDU {index}")
    values = file.pixels(index, axes=len(axes)).values
    return values.reshape(-1, *axes[-2:]).astype(np.float64)


def require_drawable(width: int, height: int) -> None:
    """Refuse a PSF that is drawn on more pixels than make sense, which many positions multiply.

    Raises
    ------
    FileLimitError
        If a side is too long.
    """
    limits.require_at_most(
        max(width, height), limits.MAX_PSF_SIDE, "pixels along a side of the PSF (keep fewer with [size=...])"
    )


def require_centred_within(box: Box, low: Pair, high: Pair, what: str) -> None:
    """Refuse a model that was made for another part of the sky or detector than the image.

    Parameters
    ----------
    box : Box
        The image, in parent pixels.
    low, high : (float, float), pixel
        Between which x and y its centre must lie.
    what : str
        The model, for the message.

    Raises
    ------
    ReadError
        If the centre is elsewhere, as it is for an image that was cut out unsaid.
    """
    if not all(first <= at <= last for first, at, last in zip(low, box.centre, high, strict=True)):
        raise ReadError(
            f"{what} is for images centred between pixels ({low[0]:.0f}, {low[1]:.0f}) and "
            f"({high[0]:.0f}, {high[1]:.0f}), and this one is centred on ({box.centre[0]:.0f}, "
            f"{box.centre[1]:.0f}): say where it was cut out with [origin_x=...,origin_y=...]"
        )


@contextmanager
def model_faults() -> Iterator[None]:
    """Turn what a model says of its parameters into an error of the file that they came from."""
    try:
        yield
    except ConfigError as fault:
        raise ReadError(str(fault)) from fault
