"""Flux ratio against magnitude, as DP1 tutorial 105.3 draws it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
from matplotlib import rc_context
from matplotlib.figure import Figure

from forcedsql.arrays import FloatArray
from forcedsql.compare import FluxComparison
from forcedsql.plots.style import LEGEND, MEDIAN_COLOUR, POINT_COLOUR, STYLE, save, write_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY_POINTS = 20_000
"""Above this, points become a density of hexagons, which stays readable and small on disk."""

FEWEST_PER_BIN = 3
"""Sources that a bin needs for a median to be drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioPanel:
    """One comparison to draw, and the words around it.

    Parameters
    ----------
    comparison : FluxComparison
    title : str
        Usually the exposure's id; the number of sources is added.
    reference : str
        What the measured fluxes are divided by: ``Object``, ``Source``.
    flux : str
        Name of the compared flux.
    """

    comparison: FluxComparison
    title: str = ""
    reference: str = "catalogue"
    flux: str = "psfFlux"


def plot_flux_ratio(
    target: "Axes | str | Path",
    comparison: FluxComparison,
    *,
    title: str = "",
    reference: str = "catalogue",
    flux: str = "psfFlux",
    bin_width: float = 0.5,
) -> "Axes":
    """Draw forced over catalogue flux against AB magnitude.

    Parameters
    ----------
    target : matplotlib Axes, str or Path
        Axes to draw on, or a file to write (png, pdf, svg).
    comparison : FluxComparison
        Any number of sources, none included.
    title, reference, flux : str
        See `RatioPanel`.
    bin_width : float, mag
        Width of the bins of the median line and of the band of its scatter.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    OutputError, TableError
        If the file cannot be written, or its suffix is of no format.
    """
    panel = RatioPanel(comparison=comparison, title=title, reference=reference, flux=flux)
    if isinstance(target, str | Path):
        return plot_flux_ratios(target, [panel], bin_width=bin_width).axes[0]
    _draw_panel(target, panel, bin_width=bin_width)
    return target


def plot_flux_ratios(path: str | Path, panels: Sequence[RatioPanel], *, bin_width: float = 0.5) -> Figure:
    """Draw several comparisons side by side into a file.

    Parameters
    ----------
    path : str or Path
        File to write; its suffix says the format (png, pdf, svg).
    panels : sequence of RatioPanel
        At least one, left to right.
    bin_width : float, mag
        Width of the bins of the median lines.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    OutputError, TableError
        If the file cannot be written, or its suffix is of no format.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(1.6 + 5.4 * len(panels), 4.8), dpi=150, layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, panel in zip(axes, panels, strict=True):
            _draw_panel(ax, panel, bin_width=bin_width)
        save(figure, path)
    return figure


def _draw_panel(ax: "Axes", panel: RatioPanel, *, bin_width: float) -> None:
    comparison = panel.comparison
    drawn = np.isfinite(comparison.magnitude) & np.isfinite(comparison.ratio)
    magnitude, ratio = comparison.magnitude[drawn], comparison.ratio[drawn]
    limits = _ratio_limits(ratio)
    ax.axhline(1.0, color="0.2", linewidth=1.0, linestyle="--", zorder=3, label="ratio 1")
    if magnitude.size > MANY_POINTS:
        _draw_density(ax, magnitude, ratio, limits)
    elif magnitude.size:
        _draw_points(ax, magnitude, ratio)
    _draw_medians(ax, comparison, bin_width=bin_width)
    ax.set_xlim(*_magnitude_limits(magnitude))
    ax.set_ylim(*limits)
    ax.set_xlabel(f"AB magnitude of {panel.reference} {panel.flux} (mag)")
    ax.set_ylabel(f"forced {panel.flux} / {panel.reference} {panel.flux}")
    count = f"N = {magnitude.size:,}"
    ax.set_title(f"{panel.title}   {count}" if panel.title else count)
    _note_what_is_not_drawn(ax, ratio, limits)
    ax.legend(loc="lower left", scatterpoints=1, **LEGEND)


def _draw_density(ax: "Axes", magnitude: FloatArray, ratio: FloatArray, limits: tuple[float, float]) -> None:
    inside = (ratio >= limits[0]) & (ratio <= limits[1])
    hexagons = ax.hexbin(
        magnitude[inside],
        ratio[inside],
        gridsize=(90, 60),
        extent=(*_magnitude_limits(magnitude), *limits),
        bins="log",
        mincnt=1,
        cmap="Blues",
        linewidths=0.0,
        rasterized=True,
        zorder=1,
    )
    ax.figure.colorbar(hexagons, ax=ax, label="sources per cell", pad=0.01)


def _draw_points(ax: "Axes", magnitude: FloatArray, ratio: FloatArray) -> None:
    alpha = float(np.clip(40.0 / magnitude.size**0.6, 0.15, 0.7))
    ax.scatter(
        magnitude,
        ratio,
        s=14.0,
        color=POINT_COLOUR,
        alpha=alpha,
        linewidths=0.0,
        rasterized=magnitude.size > 2000,
        zorder=1,
        label="sources",
    )


def _draw_medians(ax: "Axes", comparison: FluxComparison, *, bin_width: float) -> None:
    summary = comparison.summary(bin_width=bin_width)
    summary = summary.filter(pc.greater_equal(summary["n"], FEWEST_PER_BIN))
    if summary.num_rows == 0:
        return
    centre = summary["magnitude"].to_numpy() + 0.5 * bin_width
    median, scatter = summary["median_ratio"].to_numpy(), summary["scatter"].to_numpy()
    ax.fill_between(
        centre,
        median - scatter,
        median + scatter,
        facecolor=(MEDIAN_COLOUR, 0.2),
        edgecolor=(MEDIAN_COLOUR, 0.9),
        linewidth=0.8,
        zorder=2,
        label="scatter (1.4826 MAD)",
    )
    label = f"median per {bin_width:g} mag"
    ax.plot(
        centre, median, color=MEDIAN_COLOUR, linewidth=1.8, marker="o", markersize=4.0, zorder=4, label=label
    )


def _note_what_is_not_drawn(ax: "Axes", ratio: FloatArray, limits: tuple[float, float]) -> None:
    beyond = int(np.count_nonzero((ratio < limits[0]) | (ratio > limits[1])))
    if ratio.size == 0:
        write_note(ax, "no sources in common")
    if beyond:
        ax.annotate(
            f"{beyond:,} beyond the axis",
            (0.98, 0.02),
            xycoords="axes fraction",
            ha="right",
            va="bottom",
            color="0.35",
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2.0},
            zorder=5,
        )


def _magnitude_limits(magnitude: FloatArray) -> tuple[float, float]:
    if magnitude.size == 0:
        return 16.0, 26.0
    low, high = float(magnitude.min()), float(magnitude.max())
    margin = max(0.04 * (high - low), 0.5 * (1.0 - (high - low)))
    return low - margin, high + margin


def _ratio_limits(ratio: FloatArray) -> tuple[float, float]:
    """Return limits around 1 that hold 98 % of the ratios, so that one outlier hides nothing."""
    distance = np.abs(ratio - 1.0)
    half = 1.25 * float(np.quantile(distance, 0.98)) if distance.size else 0.5
    half = float(np.clip(half, 1e-3, 2.0))
    return 1.0 - half, 1.0 + half
