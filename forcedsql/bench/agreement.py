"""Do the contestants measure the same? Differences of fluxes, in units of their errors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.bench.catalogue import Catalogue
from forcedsql.bench.contestants import Contestant

POSITIONS = 1000
"""Compared on the first so many."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two contestants are apart.

    Parameters
    ----------
    what : str
        Which fluxes were compared.
    median, largest : float, sigma
        Of the differences, in units of forcedsql's errors.
    """

    what: str
    median: float
    largest: float

    def __str__(self) -> str:
        return f"{self.what}: median {self.median:.1g}, largest {self.largest:.1g} sigma"


def agreement(
    contestant: Contestant, catalogue: Catalogue, reference: Mapping[str, AnyArray]
) -> Agreement | None:
    """Compare a contestant's fluxes with forcedsql's, where both define them alike.

    Parameters
    ----------
    contestant : Contestant
    catalogue : Catalogue
    reference : mapping of str to ndarray
        What forcedsql measured on the first `POSITIONS`.

    Returns
    -------
    Agreement or None
        None where no value can be compared.
    """
    count = len(reference["psfFlux"])
    theirs = contestant.compared(catalogue, count)()
    names = [name for name in theirs if name.endswith("Flux") and f"{name}Err" in reference]
    differences = [np.abs(theirs[name] - reference[name]) / reference[f"{name}Err"] for name in names]
    finite = np.concatenate([d[np.isfinite(d)] for d in differences]) if names else np.empty(0)
    if finite.size == 0:
        return None
    return Agreement(_named(names), float(np.median(finite)), float(finite.max()))


def _named(names: list[str]) -> str:
    apertures = [name for name in names if name.startswith("ap")]
    parts = [name for name in names if not name.startswith("ap")]
    if apertures:
        parts.append(apertures[0] if len(apertures) == 1 else f"{apertures[0]} to {apertures[-1]}")
    return ", ".join(parts)
