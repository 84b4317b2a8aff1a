"""Small plain FITS images, made with astropy."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

SHAPE = (60, 80)
SIGMA = 5.0
WCS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 40.5,
    "CRPIX2": 30.5,
    "CD1_1": -1e-4,
    "CD1_2": 0.0,
    "CD2_1": 0.0,
    "CD2_2": 1e-4,
    "RADESYS": "ICRS",
}


def noise(seed: int = 1, shape: tuple[int, int] = SHAPE, sigma: float = SIGMA) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, sigma, shape).astype(np.float32)


def image_hdu(data: np.ndarray | None = None, name: str = "", **cards: Any) -> fits.ImageHDU:
    """Return an image HDU with a sky projection; double underscores in card names are minus signs."""
    hdu = fits.ImageHDU(noise() if data is None else data)
    if name:
        hdu.header["EXTNAME"] = name
    for key, value in {**WCS, **cards}.items():
        hdu.header[key.replace("__", "-")] = value
    return hdu


def write(path: Path, *hdus: fits.ImageHDU, **primary: Any) -> Path:
    """Write HDUs behind an empty primary one with these cards."""
    first = fits.PrimaryHDU()
    for key, value in primary.items():
        first.header[key.replace("__", "-")] = value
    fits.HDUList([first, *hdus]).writeto(path, overwrite=True)
    return path


def write_one(path: Path, data: np.ndarray | None = None, **cards: Any) -> Path:
    """Write a file whose primary HDU is the image."""
    hdu = image_hdu(data, **cards)
    fits.PrimaryHDU(hdu.data, hdu.header).writeto(path, overwrite=True)
    return path
