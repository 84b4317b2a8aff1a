"""What a command says while it works: lines and progress bars, all on stderr."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

from forcedsql.errors import PrecisionWarning

PATIENCE = 1.0
"""Seconds that work may take before it gets a progress bar."""


def say(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Say warnings about the user's data in one line each; others are shown as Python does."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", PrecisionWarning)
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, PrecisionWarning):
                say(f"forcedsql: warning: {message}")
            else:
                shown(message, category, *where, **more)

        warnings.showwarning = show
        yield


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Show a progress bar on a terminal while the body works for longer than `PATIENCE`.

    Parameters
    ----------
    what : str
        What is being done.
    total : int, optional
        Number of steps; a bar without end where not given.

    Yields
    ------
    callable
        To be called after each step.
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    counter = [] if total is None else [MofNCompleteColumn()]
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *counter,
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(what, total=total)
    starter = Timer(PATIENCE, bar.start)
    starter.daemon = True
    starter.start()
    try:
        yield lambda: bar.advance(task)
    finally:
        starter.cancel()
        starter.join()
        if bar.live.is_started:
            bar.stop()
