"""A figure of a benchmark: cost per position against their number, one panel per PSF."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from forcedsql.bench.contestants import CONTESTANTS
from forcedsql.bench.psf_models import PSF_MODELS
from forcedsql.bench.published import LSST
from forcedsql.bench.report import Report, Row
from forcedsql.errors import TableError
from forcedsql.plots.style import BLUE, ORANGE, PURPLE, SKY_BLUE, STYLE, VERMILION, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = dict(zip(CONTESTANTS, (BLUE, SKY_BLUE, ORANGE, PURPLE, VERMILION), strict=True))

_LEGEND_LINE = 0.22
"""Height of a line of the legend, in inches."""


def plot_report(path: str | Path, report: Report) -> Figure:
    """Draw the catalogue workload into a file; its suffix says the format.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TableError
        If there is nothing to draw, or the suffix is of no format.
    OutputError
        If the file cannot be written.
    """
    rows = [row for row in report.of("catalogue") if row.seconds]
    psfs = [psf for psf in PSF_MODELS if any(row.psf == psf for row in rows)]
    if not psfs:
        raise TableError(f"cannot draw {path}: nothing was timed")
    with rc_context(STYLE):
        figure = Figure(figsize=(2.0 + 3.6 * len(psfs), 4.2), dpi=150, layout="constrained")
        axes = figure.subplots(1, len(psfs), squeeze=False, sharey=True)[0]
        for ax, psf in zip(axes, psfs, strict=True):
            _draw_psf(ax, [row for row in rows if row.psf == psf], report)
        axes[0].set_ylabel("time per position (µs)")
        _add_legend(figure, columns=len(psfs))
        save(figure, path)
    return figure


def _add_legend(figure: Figure, *, columns: int) -> None:
    """Say below the panels what all of them show, as many entries in a line as there is room for."""
    handles = {
        label: handle
        for ax in figure.axes
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + _LEGEND_LINE * -(-len(handles) // columns))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9.0,
    )


def _draw_psf(ax: "Axes", rows: list[Row], report: Report) -> None:
    most = max(row.threads for row in rows)
    for name, colour in _COLOURS.items():
        mine = [row for row in rows if row.contestant == name]
        _draw_costs(ax, [row for row in mine if row.threads == 1], "-", colour, name)
        if most > 1:
            threaded = [row for row in mine if row.threads == most]
            _draw_costs(ax, threaded, "--", colour, f"{name}, {most} threads")
    _draw_limits(ax, rows, report)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("positions")
    ax.set_title(rows[0].psf_title)


def _draw_costs(ax: "Axes", rows: list[Row], style: str, colour: str, label: str) -> None:
    costs = {row.count: row.us_each for row in reversed(rows)}  # the first of a contestant's runs counts
    if costs:
        ax.plot(*zip(*sorted(costs.items()), strict=True), style, marker="o", color=colour, label=label)


def _draw_limits(ax: "Axes", rows: list[Row], report: Report) -> None:
    """Draw LSST's published cost above, and the floor of this machine below."""
    floors = [(each.count, each.floor_us) for each in report.rooflines if each.psf == rows[0].psf_title]
    ax.plot(
        *np.transpose(sorted(floors)), ":", color="0.2", marker="_", label="floor of one core of this machine"
    )
    low, high = LSST[rows[0].psf].us_per_source
    ax.axhspan(
        0.97 * low, 1.03 * high, color="0.75", zorder=0, label="LSST driver, published, another machine"
    )
