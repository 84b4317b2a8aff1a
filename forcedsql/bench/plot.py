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
from forcedsql.plots.style import STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito (2008), told apart with every kind of colour vision.
_COLOURS = dict(zip(CONTESTANTS, ("#0072B2", "#56B4E9", "#E69F00", "#CC79A7", "#D55E00"), strict=True))


def plot_report(path: str | Path, report: Report) -> None:
    """Draw the catalogue workload into a file; its suffix says the format.

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
        figure = Figure(figsize=(2.0 + 3.6 * len(psfs), 4.6), dpi=150, layout="constrained")
        axes = figure.subplots(1, len(psfs), squeeze=False, sharey=True)[0]
        for ax, psf in zip(axes, psfs, strict=True):
            _draw_psf(ax, [row for row in rows if row.psf == psf], report)
        axes[0].set_ylabel("time per position (µs)")
        handles = {
            label: handle
            for ax in axes
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=4,
            frameon=False,
            fontsize=9.0,
        )
        save(figure, path)


def _draw_psf(ax: "Axes", rows: list[Row], report: Report) -> None:
    threads = max(row.threads for row in rows)
    for name, colour in _COLOURS.items():
        for count, style in ({threads: "--"} | {1: "-"}).items():
            mine = [row for row in rows if (row.contestant, row.threads) == (name, count)]
            drawn = {row.count: row.us_each for row in reversed(mine)}  # the first run counts
            if drawn:
                label = name if count == 1 else f"{name}, {count} threads"
                ax.plot(
                    *zip(*sorted(drawn.items()), strict=True), style, marker="o", color=colour, label=label
                )
    _draw_limits(ax, rows, report)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("positions")
    ax.set_title(rows[0].psf_title)


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
