"""What all figures share: fonts, ticks, colours, and how they get into a file."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from forcedsql.errors import OutputError, TableError

# Okabe & Ito (2008), told apart with every kind of colour vision.
POINT_COLOUR = "#0072B2"
MEDIAN_COLOUR = "#D55E00"

STYLE: dict[Any, Any] = {
    "font.size": 11.0,
    "axes.titlesize": 12.0,
    "axes.labelsize": 12.0,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
}


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
