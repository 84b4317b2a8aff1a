"""Crowded fields of known truth, drawn pixel by pixel, and joint fits by dense matrices."""

from dataclasses import dataclass

import numpy as np

from forcedsql.psf.protocol import PsfImages
from tests.measure.exposures import make_exposure


@dataclass(frozen=True)
class SampledGaussian:
    """A round Gaussian evaluated at pixel centres: no interpolation comes between it and truth."""

    sigma: float = 1.8
    side: int = 25
    kind: str = "SampledGaussian"
    fails_below_x: float = -np.inf

    def images(self, x, y):
        half = self.side // 2
        x0, y0 = (np.floor(v + 0.5).astype(np.int64) - half for v in (x, y))
        step = np.arange(self.side)
        across = np.exp(-((x0[:, None] + step - x[:, None]) ** 2) / (2 * self.sigma**2))
        along = np.exp(-((y0[:, None] + step - y[:, None]) ** 2) / (2 * self.sigma**2))
        values = along[:, :, None] * across[:, None, :] / (2 * np.pi * self.sigma**2)
        valid = np.isfinite(x) & (x >= self.fails_below_x)
        return PsfImages.of_one_size(np.where(valid[:, None, None], values, 0.0), x0, y0, valid)

    def shapes(self, x, y):
        return np.tile([self.sigma**2, self.sigma**2, 0.0], (len(x), 1))

    def images_and_shapes(self, x, y):
        return self.images(x, y), self.shapes(x, y)


def draw(shape, x, y, flux, *, sigma=1.8, side=25):
    """Add up stars one by one, each within its stamp."""
    image = np.zeros(shape)
    half = side // 2
    for at_x, at_y, f in zip(x, y, flux, strict=True):
        column, row = int(np.floor(at_x + 0.5)), int(np.floor(at_y + 0.5))
        rows = np.arange(max(row - half, 0), min(row + half + 1, shape[0]))
        columns = np.arange(max(column - half, 0), min(column + half + 1, shape[1]))
        squared = (rows[:, None] - at_y) ** 2 + (columns - at_x) ** 2
        star = np.exp(-squared / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        image[rows[:, None], columns] += f * star
    return image


def crowded_exposure(*, shape, x, y, flux, noise=3.0, gain=2.0, seed=0, sigma=1.8, side=25, **parts):
    """Stars on a flat sky with the Gaussian noise of sky and light; the variance plane is the truth."""
    sky_and_stars = draw(shape, x, y, flux, sigma=sigma, side=side)
    variance = noise**2 + sky_and_stars / gain
    image = sky_and_stars + np.random.default_rng(seed).normal(0.0, 1.0, shape) * np.sqrt(variance)
    planes = {"image": image.astype(np.float32), "variance": variance.astype(np.float32)}
    return make_exposure(shape=shape, **({"psf": SampledGaussian(sigma, side)} | planes | parts))


def dense_fit(exposure, x, y, *, bad_bits=0, background=False):
    """Flux, error and constants by one dense matrix over the usable pixels of the stamps."""
    stamps = exposure.psf.images(x, y)
    rows, columns = exposure.image.shape
    design = np.zeros((rows, columns, len(x)))
    covered = np.zeros((rows, columns), bool)
    for i in range(len(x)):
        for j in range(stamps.height[i]):
            for k in range(stamps.width[i]):
                row, column = stamps.y0[i] + j - exposure.xy0[1], stamps.x0[i] + k - exposure.xy0[0]
                if 0 <= row < rows and 0 <= column < columns:
                    design[row, column, i] = stamps.values[i, j, k]
                    covered[row, column] = True
    good = np.isfinite(exposure.image) & np.isfinite(exposure.variance)
    used = covered & good & ((exposure.mask & bad_bits) == 0)
    matrix = design[used]
    if background:
        matrix = np.column_stack([matrix, np.ones(len(matrix))])
    solution = np.linalg.lstsq(matrix, exposure.image[used].astype(float), rcond=None)[0]
    inverse = np.linalg.pinv(matrix)
    error = np.sqrt(np.square(inverse) @ exposure.variance[used].astype(float))
    return solution, error
