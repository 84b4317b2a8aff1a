"""The catalogue workload: many positions on one simulated exposure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forcedsql.arrays import Float32Array, FloatArray
from forcedsql.bench.psf_models import PSF_MODELS, PsfModel
from forcedsql.exposure import Exposure
from forcedsql.simulate import render_stars
from forcedsql.simulate.scene import MASK_PLANES

SKY_SIGMA = 10.0
"""Standard deviation of every pixel, in nJy: the variance is the same all over the image."""

MARGIN = 75
"""Pixels between positions and the border: the largest aperture fits."""

_STARS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Positions on an exposure.

    Parameters
    ----------
    model : PsfModel
    image : ndarray, (side, side) float32, nJy
    x, y : ndarray, (n,) float64, pixel
        Columns and rows of the positions on the image, counted from 0.
    """

    model: PsfModel
    image: Float32Array
    x: FloatArray
    y: FloatArray

    @property
    def side(self) -> int:
        """Side of the image in pixels."""
        return len(self.image)

    def exposure(self) -> Exposure:
        """Return the exposure, made anew: nothing derived from its pixels or its PSF is kept."""
        psf, wcs = self.model.make(self.side)
        return Exposure(
            image=self.image,
            variance=np.full_like(self.image, SKY_SIGMA**2),
            mask=np.full(self.image.shape, 0, np.int32),  # zeros() would take memory only when read
            mask_planes=MASK_PLANES,
            xy0=self.model.origin(self.side),
            wcs=wcs,
            psf=psf,
            unit="nJy",
        )

    def sky(self, exposure: Exposure, count: int) -> tuple[FloatArray, FloatArray]:
        """Return the first positions on the sky: ra, dec, each (count,) float64, ICRS degrees."""
        x0, y0 = exposure.xy0
        return exposure.require_wcs().pixel_to_sky(x0 + self.x[:count], y0 + self.y[:count])

    def save(self, folder: Path) -> None:
        """Write the arrays into a folder, for `load` in another process."""
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path, psf: str) -> "Catalogue":
        """Read what `save` wrote; ``psf`` names the model."""
        image, x, y = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("image", "x", "y"))
        return cls(PSF_MODELS[psf], image, x, y)

    def _arrays(self) -> Mapping[str, Float32Array | FloatArray]:
        return {"image": self.image, "x": self.x, "y": self.y}


def make_catalogue(psf: str, *, side: int, positions: int, seed: int = 1) -> Catalogue:
    """Simulate an exposure and positions spread evenly over it; the first 2,000 have stars.

    Parameters
    ----------
    psf : str
        Name of a `PSF_MODELS`.
    side : int, pixel
        More than twice `MARGIN`.
    positions, seed : int
    """
    model = PSF_MODELS[psf]
    rng = np.random.Generator(np.random.PCG64(seed))
    x, y = rng.uniform(MARGIN, side - 1 - MARGIN, (2, positions))
    image = rng.standard_normal((side, side), dtype=np.float32) * np.float32(SKY_SIGMA)
    flux = 10.0 ** rng.uniform(2.5, 5.0, min(positions, _STARS))
    x0, y0 = model.origin(side)
    light = render_stars(
        model.make(side)[0], x0 + x[: len(flux)], y0 + y[: len(flux)], flux, image.shape, (x0, y0)
    )
    image += light.astype(np.float32)
    return Catalogue(model, image, x, y)
