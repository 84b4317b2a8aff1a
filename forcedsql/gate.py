"""The comparison as a gate: tolerances for magnitude bins and for exposures, and what is outside.

A statistic is outside when it is farther from its ideal value than the tolerance by more
than its own noise can explain, so that few sources raise no false alarm.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from forcedsql.errors import ConfigError, ToleranceError
from forcedsql.toml_file import read_toml

_IDEAL = {
    "median_ratio": 1.0,
    "scatter": 0.0,
    "median_pull": 0.0,
    "pull_scatter": 0.0,
    "outlier_fraction": 0.0,
}
"""Statistics that can be judged, and the value of each that they are judged by the distance from."""

_MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, of normal values."""

_SCATTER_ERROR = 1.1664
"""The same of 1.4826 times the median absolute deviation (Rousseeuw & Croux 1993: 37 % efficient)."""

BINS, EXPOSURES = "bins", "exposures"
"""Names of the two kinds of groups in settings and files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One statistic of one group that is outside its tolerance.

    Parameters
    ----------
    group : str
        ``magnitude 18`` or the id of an exposure.
    statistic : str
    value, error : float
        The statistic and its standard error; NaN where it could not be computed.
    limit : float
        Largest distance from the ideal value.
    sources : int
    """

    group: str
    statistic: str
    value: float
    error: float
    limit: float
    sources: int

    def __str__(self) -> str:
        error = f" +- {self.error:.2g}" if self.error > 0.0 else ""
        return (
            f"{self.statistic} {self.value:.4g}{error} is not within {self.limit:g} of "
            f"{_IDEAL[self.statistic]:g} at {self.group} ({self.sources} sources)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a comparison may be off, group by group.

    Parameters
    ----------
    median_ratio : float, optional
        Largest distance of a group's median ratio from 1.
    scatter : float, optional
        Largest scatter of the ratio (its NMAD: 1.4826 times the median absolute deviation).
    median_pull : float, optional
        Largest distance of the median pull from 0.
    pull_scatter : float, optional
        Largest scatter of the pull.
    outlier_fraction : float, optional
        Largest share of sources whose pull is more than 5 scatters from the median pull.
    brightest, faintest : float, mag
        Only bins between these magnitudes are judged, both included, and of exposures only
        the sources of those bins.
    min_sources : float
        Groups with fewer sources are not judged.
    nsigma : float
        Standard errors of a statistic by which it has to be outside.
    """

    median_ratio: float | None = None
    scatter: float | None = None
    median_pull: float | None = None
    pull_scatter: float | None = None
    outlier_fraction: float | None = None
    brightest: float = -np.inf
    faintest: float = np.inf
    min_sources: float = 10
    nsigma: float = 4

    @classmethod
    def from_settings(cls, settings: Iterable[str]) -> Self:
        """Build a tolerance from ``name=number`` texts.

        Raises
        ------
        ConfigError
            If a text is not of that form or its name is not one of the parameters.
        """
        return cls().changed(dict(map(_setting, settings)))

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Return the tolerance with some parameters set.

        Raises
        ------
        ConfigError
            If a name is not one of the parameters, or a value no number.
        """
        names = [f.name for f in fields(self)]
        for name, value in values.items():
            if name not in names:
                raise ConfigError(f"{name!r} is not a tolerance; there are {', '.join(names)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                raise ConfigError(f"the tolerance {name} is {value!r}, which is no number")
        return replace(self, **values)

    def check(self, summary: pa.Table) -> None:
        """Refuse a comparison that is outside the tolerance.

        Parameters
        ----------
        summary : pyarrow.Table
            As `compare_summary` or `compare_exposures` returns it.

        Raises
        ------
        ToleranceError
            If a group is outside, naming each of them, or if there is no group to judge.
        """
        if not any(self.judges(group) for group in summary.to_pylist()):
            raise ToleranceError(_nothing_to_judge(summary, self))
        _refuse(self.failures(summary))

    def failures(self, summary: pa.Table) -> list[Failure]:
        """Return what is outside, of the tables that `check` takes, the worst first."""
        found = [
            failure
            for group in summary.to_pylist()
            if self.judges(group)
            for failure in self._failures_of(group)
        ]
        return sorted(found, key=_badness, reverse=True)

    def judges(self, group: Mapping[str, Any]) -> bool:
        """Tell whether a row of those tables is in range and has enough sources."""
        in_range = True
        if "magnitude" in group:
            magnitude = group["magnitude"]
            in_range = magnitude is not None and self.brightest <= magnitude <= self.faintest
        return bool(in_range and group["n"] >= self.min_sources)

    def _failures_of(self, group: Mapping[str, Any]) -> Iterator[Failure]:
        for name, ideal in _IDEAL.items():
            limit = getattr(self, name)
            if limit is None:
                continue
            value = np.nan if group[name] is None else group[name]
            error = _standard_error(name, group)
            # A statistic that is NaN has not been shown to be inside.
            if not abs(value - ideal) <= limit + self.nsigma * error:
                yield Failure(
                    group=_name_of(group),
                    statistic=name,
                    value=value,
                    error=error,
                    limit=limit,
                    sources=group["n"],
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Tolerances of magnitude bins over all exposures, and of exposures one by one."""

    bins: Tolerance = field(default_factory=Tolerance)
    exposures: Tolerance = field(default_factory=Tolerance)

    @classmethod
    def from_settings(cls, settings: Iterable[str]) -> Self:
        """Build a gate from texts, each changing what those before it said.

        Parameters
        ----------
        settings : iterable of str
            ``name=number`` for both kinds, ``bins.name=number`` or ``exposures.name=number``
            for one, or the name of a TOML file with these names, the last two as tables
            ``[bins]`` and ``[exposures]``.

        Raises
        ------
        ConfigError
            If a file cannot be read, a text is not of that form, or a name is unknown.
        """
        gate = cls()
        for text in settings:
            if "=" in text:
                name, value = _setting(text)
                kind, dot, plain = name.partition(".")
                gate = gate.changed({kind: {plain: value}} if dot else {name: value})
            else:
                gate = gate.changed(_toml(Path(text)))
        return gate

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Return the gate with some parameters set, first those of both kinds of groups.

        Raises
        ------
        ConfigError
            As `Tolerance.changed`.
        """
        shared = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
        for name in values:
            if name not in shared and name not in (BINS, EXPOSURES):
                raise ConfigError(f"{name!r} is not a kind of groups; there are {BINS} and {EXPOSURES}")
        return replace(
            self,
            bins=self.bins.changed(shared).changed(values.get(BINS, {})),
            exposures=self.exposures.changed(shared).changed(values.get(EXPOSURES, {})),
        )

    def check(self, bins: pa.Table, exposures: pa.Table | None = None) -> None:
        """Refuse a comparison that is outside, in its bins or in one of its exposures.

        Parameters
        ----------
        bins : pyarrow.Table
            As `compare_summary` returns it.
        exposures : pyarrow.Table, optional
            As `compare_exposures` returns it, of the magnitudes that `exposures` names.

        Raises
        ------
        ToleranceError
            If anything is outside, exposures first, each with its figures; or if there is
            nothing to judge.
        """
        judged = (
            [(self.bins, bins)] if exposures is None else [(self.exposures, exposures), (self.bins, bins)]
        )
        for tolerance, summary in judged:
            if not any(tolerance.judges(group) for group in summary.to_pylist()):
                raise ToleranceError(_nothing_to_judge(summary, tolerance))
        _refuse([failure for tolerance, summary in judged for failure in tolerance.failures(summary)])


def _refuse(failures: list[Failure]) -> None:
    if failures:
        raise ToleranceError("; ".join(map(str, failures)))


def _nothing_to_judge(summary: pa.Table, tolerance: Tolerance) -> str:
    kind = "magnitude bin" if "magnitude" in summary.column_names else "exposure"
    return f"no {kind} has {tolerance.min_sources:g} sources to compare; check that the ids match"


def _name_of(group: Mapping[str, Any]) -> str:
    if "magnitude" in group:
        return f"magnitude {group['magnitude']:g}"
    return str(next(iter(group.values())))


def _badness(failure: Failure) -> float:
    """Return by how many tolerances a statistic is off; more than any number if it is NaN."""
    distance = abs(failure.value - _IDEAL[failure.statistic])
    return math.inf if math.isnan(distance) else distance / max(failure.limit, 1e-300)


def _standard_error(statistic: str, group: Mapping[str, Any]) -> float:
    """Return the standard error of a statistic, as of normal values; 0 if it is not known."""
    n = group["n"]
    if statistic == "outlier_fraction":
        fraction = group[statistic] or 0.0
        return math.sqrt(fraction * (1.0 - fraction) / n)
    scatter = group["scatter" if statistic in ("median_ratio", "scatter") else "pull_scatter"]
    if scatter is None or not math.isfinite(scatter):
        return 0.0
    factor = _MEDIAN_ERROR if statistic.startswith("median") else _SCATTER_ERROR
    return float(factor * scatter / math.sqrt(n))


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    name = name.strip().replace("-", "_")
    try:
        return name, float(value)
    except ValueError:
        raise ConfigError(f"{text!r} is not of the form {name}=number") from None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except OSError as error:
        raise ConfigError(
            f"--gate {path}: {error.strerror}; give NAME=NUMBER, or a TOML file of such lines"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {str(error).splitlines()[0]}") from error
