"""Images of single sources: rendered from a PSF, added to a plane, cut out of it."""

from collections.abc import Iterator

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray, IntArray
from forcedsql.psf.protocol import Psf, PsfImages

_BATCH = 512
"""Sources rendered together: enough to fill the vector units, small enough for the cache."""

_BROADENING_MARGIN = 4.0
"""Pixels added on each side of a broadened stamp, in units of the broadening's sigma."""


def render_stars(
    psf: Psf,
    x: FloatArray,
    y: FloatArray,
    flux: FloatArray,
    shape: tuple[int, int],
    xy0: tuple[int, int] = (0, 0),
) -> FloatArray:
    """Return the noiseless image of stars: the PSF at each position, scaled to its flux.

    Parameters
    ----------
    psf : Psf
    x, y : ndarray, (n,) float64, pixel
        Parent positions; they may lie off the image.
    flux : ndarray, (n,) float64
        In the unit of the image to be.
    shape : (int, int)
        Rows and columns of the image.
    xy0 : (int, int)
        Parent position (x, y) of its first pixel.

    Returns
    -------
    ndarray, (ny, nx) float64
    """
    plane = np.zeros(shape)
    for part in _batches(len(x)):
        add_stamps(plane, psf.images(x[part], y[part]), flux[part], xy0)
    return plane


def render_galaxies(
    psf: Psf,
    x: FloatArray,
    y: FloatArray,
    flux: FloatArray,
    sigma: FloatArray,
    shape: tuple[int, int],
    xy0: tuple[int, int] = (0, 0),
) -> FloatArray:
    """Return the noiseless image of round Gaussian galaxies seen through the PSF.

    Parameters
    ----------
    psf, x, y, flux, shape, xy0
        As for `render_stars`.
    sigma : ndarray, (n,) float64, pixel
        Standard deviation of each galaxy before the PSF; 0 for a point.

    Returns
    -------
    ndarray, (ny, nx) float64
    """
    plane = np.zeros(shape)
    for part in _batches(len(x)):
        add_stamps(plane, broadened(psf.images(x[part], y[part]), sigma[part]), flux[part], xy0)
    return plane


def broadened(stamps: PsfImages, sigma: FloatArray) -> PsfImages:
    """Convolve each stamp with a round Gaussian of standard deviation `sigma` pixels, (n,).

    The convolution is done in Fourier space on stamps that are padded by
    4 sigma of the broadest; the total flux is kept.
    """
    margin = int(np.ceil(_BROADENING_MARGIN * sigma.max(initial=0.0)))
    padded = np.pad(stamps.values, [(0, 0), (margin, margin), (margin, margin)])
    _, height, width = padded.shape
    ky = np.fft.fftfreq(height)[:, None]
    kx = np.fft.rfftfreq(width)[None, :]
    transfer = np.exp(-2.0 * np.pi**2 * sigma[:, None, None] ** 2 * (kx**2 + ky**2))
    values = np.fft.irfft2(np.fft.rfft2(padded) * transfer, s=(height, width))
    return PsfImages.of_one_size(values, stamps.x0 - margin, stamps.y0 - margin, stamps.valid)


def add_stamps(plane: FloatArray, stamps: PsfImages, scale: FloatArray, xy0: tuple[int, int]) -> None:
    """Add stamps times `scale`, (n,), to `plane` in place; what falls off it is dropped."""
    rows, columns, inside = _pixels(plane.shape, xy0, stamps)
    values = scale[:, None, None] * stamps.values
    np.add.at(plane, (rows[inside], columns[inside]), values[inside])


def cut_out(plane: AnyArray, xy0: tuple[int, int], stamps: PsfImages) -> AnyArray:
    """Return the pixels of `plane` under each stamp, (n, h, w); zero off the plane."""
    rows, columns, inside = _pixels(plane.shape, xy0, stamps)
    pixels = plane[np.clip(rows, 0, plane.shape[0] - 1), np.clip(columns, 0, plane.shape[1] - 1)]
    return np.where(inside, pixels, np.zeros((), plane.dtype))


def aligned(stamps: PsfImages, frame: PsfImages) -> FloatArray:
    """Return each of `stamps` on the pixels of the same row of `frame`, (n, h, w); zero outside."""
    n, height, width = stamps.values.shape
    rows, columns = _grid(frame)
    rows, columns = rows - stamps.y0[:, None, None], columns - stamps.x0[:, None, None]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    which = np.arange(n)[:, None, None]
    pixels = stamps.values[which, np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return np.where(inside, pixels, 0.0)


def on_plane(shape: tuple[int, ...], xy0: tuple[int, int], stamps: PsfImages) -> AnyArray:
    """Return which pixels of each stamp lie on a plane, (n, h, w) bool."""
    return _pixels(shape, xy0, stamps)[2]


def square_frames(x: FloatArray, y: FloatArray, half_width: int) -> PsfImages:
    """Return empty stamps of ``2 half_width + 1`` pixels a side around the nearest pixels."""
    side = 2 * half_width + 1
    x0 = np.floor(x + 0.5).astype(np.int64) - half_width
    y0 = np.floor(y + 0.5).astype(np.int64) - half_width
    return PsfImages.of_one_size(np.zeros((len(x), side, side)), x0, y0, np.ones(len(x), dtype=bool))


def distances(frames: PsfImages, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the distance of each pixel of a frame from that frame's (x, y), (n, h, w), pixel."""
    rows, columns = _grid(frames)
    return np.hypot(columns - x[:, None, None], rows - y[:, None, None])


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, _BATCH):
        yield slice(start, start + _BATCH)


def _grid(stamps: PsfImages) -> tuple[IntArray, IntArray]:
    _, height, width = stamps.values.shape
    rows = stamps.y0[:, None, None] + np.arange(height)[:, None]
    columns = stamps.x0[:, None, None] + np.arange(width)
    return np.broadcast_to(rows, stamps.values.shape), np.broadcast_to(columns, stamps.values.shape)


def _pixels(
    shape: tuple[int, ...], xy0: tuple[int, int], stamps: PsfImages
) -> tuple[IntArray, IntArray, AnyArray]:
    rows, columns = _grid(stamps)
    rows, columns = rows - xy0[1], columns - xy0[0]
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows, columns, inside
