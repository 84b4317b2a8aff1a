"""The pixels of one position: data, model, and what is left."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure

from forcedsql.arrays import FloatArray
from forcedsql.errors import TableError
from forcedsql.explain import Explanation, Stamps
from forcedsql.plots.style import LEGEND, MEDIAN_COLOUR, PURPLE, STYLE, save, write_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MARK = (2.0, 6.0)
"""Where the two strokes that mark the position begin and end, in pixels from it."""

MASK_COLOUR = PURPLE  # which no colour of the scale is like

_PANEL_POINTS = 235.0
"""Side of a panel, in points."""

_MASK_SIDE = 0.7
"""Side of the square on a masked pixel, in pixels."""

RESIDUAL_LIMIT = 5.0
"""Standard deviations at which the colours of the residual end."""

_BELOW: dict[str, Any] = {"location": "bottom", "shrink": 0.8, "aspect": 30, "pad": 0.02}
"""Where colour bars are, and their size."""


def plot_stamps(path: str | Path, explained: Explanation, *, title: str = "") -> Figure:
    """Draw data, model (PSF times flux) and residual over noise, the position marked in each.

    Parameters
    ----------
    path : str or Path
        File to write (png, pdf, svg).
    explained : Explanation
    title : str
        Usually the exposure's id and the source's.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TableError
        If the position has no place in pixels, or the suffix is of no format.
    OutputError
        If the file cannot be written.
    """
    stamps = explained.stamps
    if stamps is None:
        raise TableError("there is nothing to draw: the position cannot be placed on the exposure")
    with rc_context(STYLE):
        figure = Figure(figsize=(11.4, 5.2), dpi=150, layout="constrained")
        data, model, residual = figure.subplots(1, 3, sharex=True, sharey=True)
        scale = _flux_scale(stamps)
        drawn = _draw(data, stamps, stamps.data, scale, "data")
        _draw(model, stamps, stamps.model, scale, "model: PSF x flux")
        if drawn is not None:
            label = f"per pixel ({stamps.unit or 'image unit'})"
            figure.colorbar(drawn, ax=[data, model], label=label, ticks=_ticks(scale), format="%g", **_BELOW)
        limits = Normalize(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)
        drawn = _draw(residual, stamps, stamps.residual, limits, "residual", cmap="RdBu_r")
        if drawn is not None:
            figure.colorbar(drawn, ax=residual, label="(data - model) / noise", extend="both", **_BELOW)
        for ax in (data, model, residual):
            _mark(ax, explained.x, explained.y)
            ax.set_xlabel("x (pixel)")
        data.set_ylabel("y (pixel)")
        if stamps.masked.any():
            _outline_masked(data, stamps)
        figure.suptitle("   ".join(part for part in (title, _caption(explained)) if part), fontsize=12)
        save(figure, path)
    return figure


def _flux_scale(stamps: Stamps) -> AsinhNorm | Normalize:
    """Return a scale that shows the noise and the star alike."""
    both = np.concatenate([stamps.data.ravel(), stamps.model.ravel()])
    noise = stamps.noise[np.isfinite(stamps.noise) & (stamps.noise > 0.0)]
    if not (np.isfinite(both).any() and noise.size):
        return Normalize(0.0, 1.0)
    typical = float(np.median(noise))
    return AsinhNorm(
        linear_width=3.0 * typical, vmin=-3.0 * typical, vmax=max(np.nanmax(both), 3.0 * typical)
    )


def _ticks(scale: Normalize) -> list[float]:
    """Return zero and the powers of ten that stand apart on a scale."""
    low, high = float(getattr(scale, "linear_width", 0.1)), float(scale.vmax or 1.0)
    first, last = np.ceil(np.log10(low)), np.floor(np.log10(high))
    return [0.0, *(10.0 ** np.arange(first, last + 1)).tolist()]


def _draw(
    ax: "Axes", stamps: Stamps, values: FloatArray, norm: Normalize, title: str, cmap: str = "viridis"
) -> "AxesImage | None":
    """Draw one panel in parent pixels; None where no pixel has a value."""
    height, width = values.shape
    left, bottom = stamps.x0 - 0.5, stamps.y0 - 0.5
    ax.set_title(title)
    ax.set_facecolor("0.85")
    ax.set(xlim=(left, left + width), ylim=(bottom, bottom + height), aspect="equal")
    if not np.isfinite(values).any():
        write_note(ax, "no value", height=0.85)
        return None
    extent = (left, left + width, bottom, bottom + height)
    return ax.imshow(values, norm=norm, cmap=cmap, origin="lower", extent=extent, interpolation="nearest")


def _mark(ax: "Axes", x: float, y: float) -> None:
    """Point at the position from two sides, and leave the star itself free."""
    for dx, dy in ((1.0, 0.0), (0.0, 1.0)):
        ax.plot(
            [x + MARK[0] * dx, x + MARK[1] * dx],
            [y + MARK[0] * dy, y + MARK[1] * dy],
            color=MEDIAN_COLOUR,
            linewidth=2.0,
            scalex=False,
            scaley=False,
        )


def _outline_masked(ax: "Axes", stamps: Stamps) -> None:
    rows, columns = np.nonzero(stamps.masked)
    ax.scatter(
        columns + stamps.x0,
        rows + stamps.y0,
        marker="s",
        s=(_MASK_SIDE * _PANEL_POINTS / stamps.data.shape[1]) ** 2,
        facecolors="none",
        edgecolors=MASK_COLOUR,
        linewidths=1.1,
        label="mask plane set",
    )
    ax.legend(loc="lower left", **LEGEND)


def _caption(explained: Explanation) -> str:
    lines = dict(explained.lines())
    return "   ".join(f"{name} {lines[name]}" for name in ("psfFlux",) if name in lines)
