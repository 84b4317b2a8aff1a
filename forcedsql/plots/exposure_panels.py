"""Ratios and pulls exposure by exposure: all of them at a glance, and those farthest off in detail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forcedsql.arrays import FloatArray
from forcedsql.compare import FluxComparison, finite_median, robust_scatter
from forcedsql.plots.flux_ratio import plot_flux_ratio
from forcedsql.plots.style import LEGEND, MEDIAN_COLOUR, POINT_COLOUR, STYLE, save, write_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_IN_DETAIL = 4
"""Exposures that have panels of their own."""

_WIDEST_PULL = 6.0
_MANY_NAMES = 12
_NOTHING = "no values: a flux or an error is missing"


@dataclass(frozen=True, slots=True, eq=False)
class _Typical:
    """Median and scatter of a quantity per exposure, (n,) float64, and how many values it has."""

    median: FloatArray
    scatter: FloatArray
    count: FloatArray

    @property
    def error(self) -> FloatArray:
        """Error of the median of normal values; NaN where there are none."""
        count = np.where(self.count > 0.0, self.count, np.nan)
        error: FloatArray = np.sqrt(np.pi / 2.0 / count) * self.scatter
        return error


def plot_exposure_panels(
    path: str | Path,
    comparisons: Mapping[str, FluxComparison],
    *,
    reference: str = "catalogue",
    flux: str = "psfFlux",
    bin_width: float = 0.5,
) -> Figure:
    """Draw the comparisons of several exposures into a file.

    On top stand the median and scatter of the ratio (left) and of the pull (right) of each
    exposure; below, the ratio against magnitude and the distribution of the pull of those four
    whose median ratio is farthest from 1 in units of its error.

    Parameters
    ----------
    path : str or Path
        File to write (png, pdf, svg).
    comparisons : mapping of str to FluxComparison
        By exposure, in the order to draw.
    reference, flux : str
        See `forcedsql.plots.RatioPanel`.
    bin_width : float, mag
        Width of the magnitude bins.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    OutputError, TableError
        If the file cannot be written, or its suffix is not known.
    """
    names = list(comparisons)
    ratio = _typical([comparisons[name].ratio for name in names])
    pull = _typical([comparisons[name].pull for name in names])
    detailed = _farthest_off(names, ratio)
    with rc_context(STYLE):
        rows = 1 + len(detailed)
        figure = Figure(figsize=(12.0, 1.0 + 3.6 * rows), layout="constrained")
        panels = figure.subplots(rows, 2, squeeze=False)
        _draw_overview(panels[0, 0], names, ratio, expected=1.0, label=f"forced / {reference} {flux}")
        _draw_overview(panels[0, 1], names, pull, expected=0.0, label="pull (difference / error)")
        for (left, right), name in zip(panels[1:], detailed, strict=True):
            options = {"title": name, "reference": reference, "flux": flux}
            plot_flux_ratio(left, comparisons[name], bin_width=bin_width, **options)
            _draw_pulls(right, comparisons[name].pull, name)
        save(figure, path)
    return figure


def _typical(values: Sequence[FloatArray]) -> _Typical:
    return _Typical(
        np.array([finite_median(v) for v in values]),
        np.array([robust_scatter(v) for v in values]),
        np.array([float(np.count_nonzero(np.isfinite(v))) for v in values]),
    )


def _farthest_off(names: Sequence[str], ratio: _Typical) -> list[str]:
    """Return the names of the exposures to draw in detail, the worst first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(ratio.median - 1.0) / ratio.error
    order = np.argsort(-np.where(np.isfinite(distance), distance, -1.0), kind="stable")
    return [names[i] for i in order[:MOST_IN_DETAIL] if ratio.count[i] > 0]


def _draw_overview(
    ax: "Axes", names: Sequence[str], typical: _Typical, *, expected: float, label: str
) -> None:
    place = np.arange(len(names))
    ax.axhline(expected, color="0.2", linewidth=1.0, linestyle="--", zorder=1)
    ax.errorbar(
        place, typical.median, typical.scatter, linestyle="none", color="0.7", zorder=2, label="scatter"
    )
    ax.errorbar(
        place,
        typical.median,
        typical.error,
        linestyle="none",
        marker="o",
        markersize=4.0,
        color=POINT_COLOUR,
        zorder=3,
        label="median and its error",
    )
    ax.set_ylabel(label)
    ax.set_xlabel("exposure")
    ax.set_title(f"{len(names):,} exposures" if len(names) != 1 else "1 exposure")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(-0.5, max(len(names), 1) - 0.5)
    if len(names) <= _MANY_NAMES:
        ax.set_xticks(place, names, rotation=30.0, ha="right", fontsize=8.0)
    if typical.count.any():
        ax.margins(y=0.25)  # room for the legend
        ax.legend(loc="upper left", ncols=2, **LEGEND)
    else:
        write_note(ax, _NOTHING if names else "no exposures")


def _draw_pulls(ax: "Axes", pull: FloatArray, name: str) -> None:
    ax.set_xlabel("pull (difference / error)")
    ax.set_ylabel("sources per bin")
    finite = pull[np.isfinite(pull)]
    if not finite.size:
        ax.set(title=name, xlim=(-_WIDEST_PULL, _WIDEST_PULL), ylim=(0.0, 1.0))
        write_note(ax, _NOTHING)
        return
    shown = finite[np.abs(finite) <= _WIDEST_PULL]
    edges = np.linspace(-_WIDEST_PULL, _WIDEST_PULL, 49)
    width = edges[1] - edges[0]
    ax.hist(shown, bins=edges.tolist(), color=POINT_COLOUR, alpha=0.6, label="sources")
    x = np.linspace(-_WIDEST_PULL, _WIDEST_PULL, 241)
    normal = finite.size * width * np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)
    ax.plot(x, normal, color=MEDIAN_COLOUR, linewidth=1.8, label="errors as stated")
    beyond = finite.size - shown.size
    ax.set_title(f"{name}   {beyond:,} beyond the axis" if beyond else name)
    ax.legend(loc="upper left", **LEGEND)
