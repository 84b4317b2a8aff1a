"""What of a plan is left to do, by what is at the destination already."""

from collections.abc import Mapping
from dataclasses import dataclass

from forcedsql.errors import ConfigError
from forcedsql.exposure_file import is_unchanged
from forcedsql.runs.ledger import Ledger
from forcedsql.runs.plan import Plan, PlannedExposure
from forcedsql.runs.stored_result import StoredResult


@dataclass(frozen=True, slots=True)
class Remainder:
    """The exposures of a plan, by what is to become of them.

    Parameters
    ----------
    todo : tuple of PlannedExposure
        Missing or changed, so to be measured.
    unchanged : tuple of str
        Measured before, from the same file, positions and configuration.
    unrecorded : dict of str to StoredResult
        Those of the unchanged that the ledger does not know of.
    failed_before : dict of str to str
        Failed before from the same ingredients, and why; left alone.
    outdated : tuple of str
        Exposures with a result that is neither of this plan nor replaced by it: none of the
        positions is on them any more, or their configuration is another.
    """

    todo: tuple[PlannedExposure, ...]
    unchanged: tuple[str, ...]
    unrecorded: dict[str, StoredResult]
    failed_before: dict[str, str]
    outdated: tuple[str, ...]


def find_remainder(
    plan: Plan, stored: Mapping[str, StoredResult], ledger: Ledger, *, retry_failed: bool
) -> Remainder:
    """Sort the exposures of a plan by what is to become of them.

    Parameters
    ----------
    plan : Plan
    stored : mapping of str to StoredResult
        Whole results at the destination.
    ledger : Ledger
        Of the destination.
    retry_failed : bool
        Whether exposures that failed are tried again.
    """
    todo, unchanged, unrecorded, failed_before = [], [], {}, {}
    for planned in plan.planned:
        exposure_id = planned.exposure_id
        there = stored.get(exposure_id)
        failure = ledger.failed.get(exposure_id)
        if there is not None and there.fingerprint == planned.fingerprint and not _was_replaced(planned):
            unchanged.append(exposure_id)
            if ledger.done.get(exposure_id) != there:
                unrecorded[exposure_id] = there
        elif failure is not None and failure[0] == planned.fingerprint and not retry_failed:
            failed_before[exposure_id] = failure[1]
        else:
            todo.append(planned)
    of_plan, empty = {planned.exposure_id for planned in plan.planned}, set(plan.empty)
    outdated = tuple(
        exposure_id
        for exposure_id, result in stored.items()
        if exposure_id not in of_plan
        and (exposure_id in empty or result.fingerprint.config_digest != plan.config_digest)
    )
    return Remainder(tuple(todo), tuple(unchanged), unrecorded, failed_before, outdated)


def require_same_catalog(stored: Mapping[str, StoredResult], catalog: str, shown: str) -> None:
    """Refuse to mix the results of two catalogues.

    Raises
    ------
    ConfigError
        If the destination has results for positions from elsewhere.
    """
    for result in stored.values():
        if result.catalog != catalog:
            raise ConfigError(
                f"{shown} holds results for positions from {result.catalog!r}, not {catalog!r}; name another "
                "destination, or replace them with --replace"
            )


def _was_replaced(planned: PlannedExposure) -> bool:
    """Tell whether another file is where the exposure's was: measuring will say so by name."""
    try:
        return not is_unchanged(planned.exposure)
    except OSError:
        return False  # a file that is gone can spoil no result
