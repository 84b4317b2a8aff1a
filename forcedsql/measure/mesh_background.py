"""A smooth background of a whole image, by the SExtractor algorithm as the package sep has it."""

from dataclasses import dataclass, replace
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from forcedsql.errors import ConfigError
from forcedsql.exposure import Exposure
from forcedsql.measure.scale_variance import masked_as_no_sky


@dataclass(frozen=True, slots=True, eq=False)
class MeshSubtracted:
    """An exposure without its background, and what was taken off.

    Parameters
    ----------
    exposure : Exposure
    summary : str
        Cells, filter, version, mean level and scatter, for the provenance of results.
    """

    exposure: Exposure
    summary: str


_Subtracted = dict[tuple[int, int], MeshSubtracted]

_subtracted: WeakKeyDictionary[Exposure, _Subtracted] = WeakKeyDictionary()
_lock = Lock()


def without_mesh_background(exposure: Exposure, *, size: int, filter_size: int) -> MeshSubtracted:
    """Return an exposure with a smooth background subtracted; made once per exposure.

    The background is a bicubic spline through clipped modes of cells, median-filtered
    (Bertin & Arnouts 1996, A&AS 117, 393).  Pixels that are not finite or have a mask plane of
    `forcedsql.measure.scale_variance.MASK_PLANES` do not count; the variance stays as it is.
    The whole image is read, and the exposure that is given keeps its own.

    Parameters
    ----------
    exposure : Exposure
    size : int, pixel
        Side of the cells.
    filter_size : int
        Side of the median filter in cells.

    Raises
    ------
    ConfigError
        If sep is not installed.
    """
    with _lock:
        known = _subtracted.setdefault(exposure, {})
        if (size, filter_size) not in known:
            known[size, filter_size] = _subtract(exposure, size, filter_size)
        return known[size, filter_size]


def mesh_bytes(exposure: Exposure) -> int:
    """Return the bytes of the images without background that are kept for an exposure."""
    known = _subtracted.get(exposure, {})
    return sum(found.exposure.image.nbytes for found in tuple(known.values()))


def _subtract(exposure: Exposure, size: int, filter_size: int) -> MeshSubtracted:
    sep = _require_sep()
    bad = ~np.isfinite(exposure.image) | masked_as_no_sky(exposure)
    known = np.where(bad, np.float32(0.0), exposure.image)
    mesh = sep.Background(known, mask=bad, bw=size, bh=size, fw=filter_size, fh=filter_size)
    summary = (
        f"mesh of {size} pixels, median of {filter_size} cells, sep {sep.__version__}: "
        f"mean level {mesh.globalback:.6g}, scatter {mesh.globalrms:.6g}"
    )
    return MeshSubtracted(replace(exposure, image=exposure.image - mesh.back(dtype=np.float32)), summary)


def _require_sep() -> Any:
    try:
        import sep  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise ConfigError(
            "subtract_background=mesh needs the package sep; install it with "
            "pip install 'forcedsql[background]', or set subtract_background=local"
        ) from error
    return sep
