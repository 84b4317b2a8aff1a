"""Exposure files that are damaged in ways that surveys meet."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from astropy.io import fits

from forcedsql.errors import ConfigError
from forcedsql.exposure import Exposure
from forcedsql.writer import write_exposure

_ROWS_LOST = 8


def write_truncated(exposure: Exposure, path: Path) -> None:
    """Write an exposure's file up to its middle, as a transfer that broke off."""
    write_exposure(exposure, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_without_psf(exposure: Exposure, path: Path) -> None:
    """Write an exposure without its PSF."""
    write_exposure(replace(exposure, psf=None), path)


def write_with_wrong_shape(exposure: Exposure, path: Path) -> None:
    """Write an exposure whose variance has fewer rows than its image."""
    write_exposure(exposure, path)
    with fits.open(path, mode="update") as hdus:
        variance = hdus["VARIANCE"]
        hdus["VARIANCE"] = fits.ImageHDU(variance.data[:-_ROWS_LOST], variance.header)


FAULTS: dict[str, Callable[[Exposure, Path], None]] = {
    "truncated": write_truncated,
    "no PSF": write_without_psf,
    "wrong shape": write_with_wrong_shape,
}
"""Ways of writing a bad file, by what is wrong with it."""


def spread_faults(exposures: int) -> dict[int, str]:
    """Return which exposures of a survey are bad, by their number, one of each fault.

    Raises
    ------
    ConfigError
        If there are fewer exposures than faults.
    """
    if exposures < len(FAULTS):
        raise ConfigError(f"{len(FAULTS)} bad files need as many exposures, not {exposures}")
    return {(2 * i + 1) * exposures // (2 * len(FAULTS)): fault for i, fault in enumerate(FAULTS)}
