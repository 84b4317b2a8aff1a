"""What all figures share: fonts, ticks, colours, notes, and how they get into a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from forcedsql.errors import OutputError, TableError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito (2008), told apart with every kind of colour vision.
BLUE, SKY_BLUE, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"

POINT_COLOUR = BLUE
MEDIAN_COLOUR = VERMILION

LEGEND: dict[str, Any] = {"framealpha": 0.85, "edgecolor": "none"}
"""Legends inside of panels: what is behind them shows through."""

STYLE: dict[Any, Any] = {
    "font.size": 11.0,
    "axes.titlesize": 12.0,
    "axes.labelsize": 12.0,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
}


def write_note(ax: "Axes", text: str, *, height: float = 0.6) -> None:
    """Write into a panel why it is empty, at a share of its height."""
    ax.annotate(text, (0.5, height), xycoords="axes fraction", ha="center", color="0.35")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file; its suffix says the format (png, pdf, svg).

    Raises
    ------
    OutputError
        If the file cannot be written.
    TableError
        If matplotlib draws no files of that suffix.
    """
    try:
        figure.savefig(path)
    except OSError as error:
        raise OutputError(f"cannot write the plot {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise TableError(f"cannot write the plot {path}: {error}") from error
