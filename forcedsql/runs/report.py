"""What a run tells while it works, and when it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

PLANNING, STORING = "planning", "storing"
"""Phases of the parent; those of the workers are reading, psf, measuring and writing."""


class RunWatcher(Protocol):
    """Who is told how a run gets on; all calls come from the thread that called `run`."""

    def planned(self, exposures: int, rows: int) -> None:
        """Take how much is to be measured."""

    def finished(self, exposure_id: str, rows: int, error: str) -> None:
        """Take what became of an exposure: its rows as planned, and why it failed, "" if it did not."""


class SilentWatcher:
    """A `RunWatcher` that says nothing."""

    def planned(self, exposures: int, rows: int) -> None:
        """See `RunWatcher`."""

    def finished(self, exposure_id: str, rows: int, error: str) -> None:
        """See `RunWatcher`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What became of a run.

    Every position that was asked for is in `requested`; each either is on no exposure
    (`uncovered`) or gave one row on every exposure that contains it.

    Parameters
    ----------
    run_id : str
        "" if there was nothing to do.
    destination : str
        The folder or table of the results.
    requested, uncovered, unplaced : int
        Positions asked for, those of them on no exposure, and those of these that have no
        usable coordinates.
    measured, rows : int
        Exposures and rows measured by this run.
    unchanged : int
        Exposures whose results were there.
    failed, failed_before : dict of str to str
        Exposures that failed in this run, or before it and were left alone, and why.
    without_psf : tuple of str
        Exposures that have no PSF: what needs one is flagged in their rows.
    without_sky : tuple of str
        Exposures that have no sky projection, so no positions.
    empty : int
        Exposures that no position is on.
    outdated : tuple of str
        Exposures whose results stay although they are of earlier positions, none of which is on
        them now, or of another configuration.
    seconds : dict of str to float
        Time by phase, summed over workers.
    elapsed : float, second
        Time of the whole run.
    """

    run_id: str
    destination: str
    requested: int
    uncovered: int
    unplaced: int
    measured: int
    rows: int
    unchanged: int
    failed: Mapping[str, str]
    failed_before: Mapping[str, str]
    without_psf: tuple[str, ...]
    without_sky: tuple[str, ...]
    empty: int
    outdated: tuple[str, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    elapsed: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every planned exposure has its rows."""
        return not self.failed and not self.failed_before
