"""How a run gets on: a bar with rate and time left on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from forcedsql.cli.narrate import say
from forcedsql.cli.output import count

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_INTERVAL = 30.0
"""Seconds between two lines where stderr is not a terminal."""


class RunProgress:
    """A `forcedsql.runs.RunWatcher` that tells a person; rate and time left go by rows."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._exposures = self._exposures_done = 0
        self._rows = self._rows_done = 0
        self._failed = 0
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def planned(self, exposures: int, rows: int) -> None:
        """Begin: so much is to be measured."""
        if not exposures:
            return
        say(f"{count(rows, 'row')} to measure on {count(exposures, 'exposure')}")
        self._exposures, self._rows = exposures, rows
        self._started = self._said = time.monotonic()
        if sys.stderr.isatty():
            self._bar = _new_bar()
            self._task = self._bar.add_task("measuring", total=rows, done=self._words())
            self._bar.start()

    def finished(self, exposure_id: str, rows: int, error: str) -> None:
        """Count an exposure, and name it if it failed."""
        self._exposures_done += 1
        self._rows_done += rows
        if error:
            self._failed += 1
            say(f"forcedsql: {exposure_id} failed: {error}")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._rows_done, done=self._words())
        elif time.monotonic() - self._said >= LINE_INTERVAL:
            self._said = time.monotonic()
            say(f"{self._words()}, {_duration(self._seconds_left())} left")

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _words(self) -> str:
        rate = self._rows_done / max(time.monotonic() - self._started, 1e-3)
        failed = f", {self._failed:,} failed" if self._failed else ""
        return f"{self._exposures_done:,}/{self._exposures:,} exposures{failed}, {rate:,.0f} rows/s"

    def _seconds_left(self) -> float:
        spent = time.monotonic() - self._started
        return spent * (self._rows - self._rows_done) / max(self._rows_done, 1)


def _new_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _duration(seconds: float) -> str:
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}"
