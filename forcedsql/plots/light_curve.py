"""A light curve by band, with upper limits as arrows and flagged points open."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path as MarkerPath
from matplotlib.ticker import MaxNLocator

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.lightcurve import LightCurve
from forcedsql.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    STYLE,
    VERMILION,
    save,
    write_note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND_COLOURS = {"u": BLUE, "g": SKY_BLUE, "r": GREEN, "i": ORANGE, "z": VERMILION, "y": PURPLE}
"""Colours of LSST's bands, in the order of wavelength."""

_OTHER_COLOURS = ("#000000", "#666666", "#8C564B", "#7F7F00")
_MARKERS = "osD^vPX*"

LIMIT_MARKER = MarkerPath(
    [(-0.5, 0.0), (0.5, 0.0), (0.0, 0.0), (0.0, -1.6), (-0.4, -1.0), (0.0, -1.6), (0.4, -1.0)],
    [MarkerPath.MOVETO, MarkerPath.LINETO] * 2 + [MarkerPath.MOVETO] + [MarkerPath.LINETO] * 2,
)
"""Drawn at upper limits: a bar at the limit and an arrow down from it."""

_LIMIT_SIZE, _POINT_SIZE = 14.0, 5.0

_MOST_TIMES = 7
"""Intervals between labels of times: with decimals, more of them would overlap."""

_TITLES = {"visit_image": "visit images", "difference_image": "difference images"}


class _Style(NamedTuple):
    """How a band is drawn."""

    colour: str
    marker: str | MarkerPath


def plot_light_curve(target: "Axes | str | Path", curve: LightCurve, *, title: str = "") -> "list[Axes]":
    """Draw a light curve: detections with error bars, limits as arrows, flagged points open.

    Parameters
    ----------
    target : matplotlib Axes, str or Path
        Axes to draw all kinds of exposures on, or a file to write (png, pdf, svg), in which
        visit and difference images have a panel each.
    curve : LightCurve
        Any number of points, none included.
    title : str
        Usually the id or the position.

    Returns
    -------
    list of matplotlib.axes.Axes
        Of the panels, from top to bottom.

    Raises
    ------
    OutputError, TableError
        If the file cannot be written, or its suffix is of no format.
    """
    styles = _styles_of(curve.bands)
    if not isinstance(target, str | Path):
        _draw_panel(target, curve, styles)
        _set_time_limits(target, curve)
        target.set_title(title)
        return [target]
    kinds = curve.kinds or ("",)
    with rc_context(STYLE):
        figure = Figure(figsize=(10.0, 1.4 + 3.4 * len(kinds)), layout="constrained")
        panels = list(figure.subplots(len(kinds), 1, sharex=True, squeeze=False)[:, 0])
        for ax, kind in zip(panels, kinds, strict=True):
            _draw_panel(ax, curve.of_kind(kind), styles)
            if len(kinds) > 1:
                ax.set_title(_TITLES.get(kind, kind), loc="left", fontsize=11)
        for ax in panels[:-1]:
            ax.set_xlabel("")
        _set_time_limits(panels[0], curve)
        figure.suptitle(title)
        save(figure, target)
    return panels


def _styles_of(bands: Sequence[str]) -> Mapping[str, _Style]:
    return {
        band: _Style(
            BAND_COLOURS.get(band, _OTHER_COLOURS[i % len(_OTHER_COLOURS)]), _MARKERS[i % len(_MARKERS)]
        )
        for i, band in enumerate(bands)
    }


def _draw_panel(ax: "Axes", curve: LightCurve, styles: Mapping[str, _Style]) -> None:
    ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    for band, style in styles.items():
        _draw_band(ax, curve.of_band(band), style)
    _set_flux_limits(ax, curve)
    ax.set_xlabel("MJD (TAI, d)")
    ax.set_ylabel(f"PSF flux ({curve.unit})" if curve.unit else "PSF flux")
    ax.ticklabel_format(useOffset=False, axis="x")
    ax.xaxis.set_major_locator(MaxNLocator(_MOST_TIMES))
    if len(curve):
        handles = _legend(curve, styles)
        ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    else:
        write_note(ax, "no points")


def _draw_band(ax: "Axes", points: LightCurve, style: _Style) -> None:
    for chosen, face in ((points.detected, style.colour), (_drawable(points), "none")):
        ax.errorbar(
            points.mjd[chosen],
            points.flux[chosen],
            points.flux_err[chosen],
            color=style.colour,
            linestyle="none",
            elinewidth=1.0,
            marker=style.marker,
            markersize=_POINT_SIZE,
            markerfacecolor=face,
        )
    limited = np.isfinite(points.limit)
    ax.plot(
        points.mjd[limited],
        points.limit[limited],
        color=style.colour,
        linestyle="none",
        marker=LIMIT_MARKER,
        markersize=_LIMIT_SIZE,
        markerfacecolor="none",
    )


def _drawable(points: LightCurve) -> BoolArray:
    """Tell which flagged points have a flux to draw."""
    return points.flagged & np.isfinite(points.flux) & np.isfinite(points.flux_err)


def _set_time_limits(ax: "Axes", curve: LightCurve) -> None:
    """Show a day around points of one moment; left alone, the axis would span years."""
    if len(curve) and np.ptp(curve.mjd) == 0.0:
        ax.set_xlim(curve.mjd[0] - 0.5, curve.mjd[0] + 0.5)


def _set_flux_limits(ax: "Axes", curve: LightCurve) -> None:
    """Let flagged fluxes, which may be anything, not set the scale where there are others."""
    good = ~curve.flagged
    ends = [
        curve.flux[good & curve.detected] + s * curve.flux_err[good & curve.detected] for s in (-1.0, 1.0)
    ]
    shown: FloatArray = np.concatenate([*ends, curve.limit[good], [0.0]])
    shown = shown[np.isfinite(shown)]
    if good.any() and np.ptp(shown) > 0.0:
        margin = 0.06 * float(np.ptp(shown))
        ax.set_ylim(float(shown.min()) - margin, float(shown.max()) + margin)


def _legend(curve: LightCurve, styles: Mapping[str, _Style]) -> list[Line2D]:
    def entry(label: str, style: _Style, *, face: str = "none", size: float = _POINT_SIZE) -> Line2D:
        return Line2D(
            [],
            [],
            linestyle="none",
            label=label,
            color=style.colour,
            marker=style.marker,
            markerfacecolor=face,
            markersize=size,
        )

    entries = [entry(band or "no band", style, face=style.colour) for band, style in styles.items()]
    if np.isfinite(curve.limit).any():
        entries.append(entry("upper limit", _Style("0.3", LIMIT_MARKER), size=_LIMIT_SIZE))
    if curve.flagged.any():
        entries.append(entry("flagged", _Style("0.3", "o")))
    return entries
