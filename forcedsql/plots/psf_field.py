"""The PSF of an exposure at points over its field."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from forcedsql.errors import MissingComponentError
from forcedsql.exposure import Exposure
from forcedsql.plots.style import STYLE, save
from forcedsql.psf.protocol import gaussian_fwhm

_FAINTEST = 1e-4
"""Share of the PSF's peak at which its colours end."""

_NARROWEST = 6.0
"""Width of a figure in inches that holds the name of a file."""


def plot_psf_field(path: str | Path, exposure: Exposure, *, title: str = "", points: int = 3) -> Figure:
    """Draw the PSF at points over an exposure, on a logarithmic scale that all panels share.

    Parameters
    ----------
    path : str or Path
        File to write (png, pdf, svg).
    exposure : Exposure
    title : str
    points : int
        Columns and rows of panels, spread evenly over the field; the top row of panels is
        the top of the image.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingComponentError
        If the exposure has no PSF.
    UnsupportedError
        If its PSF is of a class that cannot be evaluated.
    OutputError, TableError
        If the file cannot be written, or its suffix is of no format.
    """
    exposure.require_supported("psf")
    if exposure.psf is None:
        raise MissingComponentError("the exposure has no PSF to draw")
    x, y = exposure.bbox.grid(points)
    images, shapes = exposure.psf.images_and_shapes(x, y)
    fwhm = gaussian_fwhm(shapes)
    peak = images.values.max(initial=0.0) or 1.0
    with rc_context(STYLE):
        figure = Figure(
            figsize=(max(2.6 * points + 1.2, _NARROWEST), 2.7 * points + 0.8), layout="constrained"
        )
        panels = figure.subplots(points, points, squeeze=False)[::-1].ravel()
        scale = LogNorm(vmin=peak * _FAINTEST, vmax=peak, clip=True)
        for i, ax in enumerate(panels):
            ax.set(xticks=[], yticks=[])
            label = f"({x[i]:.0f}, {y[i]:.0f})"
            if not images.valid[i]:
                ax.set_title(f"{label}  no PSF", fontsize=9)
                continue
            stamp = images.values[i, : images.height[i], : images.width[i]]
            drawn = ax.imshow(np.maximum(stamp, peak * _FAINTEST), norm=scale, origin="lower", cmap="viridis")
            ax.set_title(f"{label}  FWHM {fwhm[i]:.2f} px", fontsize=9)
        if images.valid.any():
            figure.colorbar(drawn, ax=panels.tolist(), shrink=0.6, label="share of the flux per pixel")
        figure.suptitle("\n".join(part for part in (title, exposure.psf.kind) if part), fontsize=11)
        save(figure, path)
    return figure
