"""The whole benchmark: which cases there are, and what is measured in each."""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.bench import light_curve as curves
from forcedsql.bench.agreement import POSITIONS, agreement
from forcedsql.bench.catalogue import MARGIN, Catalogue, make_catalogue
from forcedsql.bench.contestants import CONTESTANTS, OURS, YARDSTICK, Contestant
from forcedsql.bench.machine import Machine, describe_machine, usable_cores
from forcedsql.bench.memory import peak_megabytes
from forcedsql.bench.psf_models import PSF_MODELS
from forcedsql.bench.report import Report, Row
from forcedsql.bench.roofline import Roofline, roofline
from forcedsql.bench.sql_query import DIRECT, sql_rows
from forcedsql.bench.timing import Timing, Turns, affordable_turns, interleaved, limited_threads
from forcedsql.errors import ConfigError

PEERS = tuple(dict.fromkeys(each.package for each in CONTESTANTS.values() if each.package))
"""Packages that are compared with."""

MAIN_PSF = "varying"
"""Where it is timed, photutils is timed with it alone: its cost is nearly the same with every PSF."""

_BUSY = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is to be measured.

    Parameters
    ----------
    sizes : tuple of int
        Numbers of positions.
    psfs : tuple of str
        Names of PSF models.
    threads : tuple of int
        Numbers of threads; 0 for all.
    peers : tuple of str
        Packages to compare with.
    rounds : int
        Turns of each contestant in each case.
    side : int, pixel
        Of the images.
    exposures : int
        Of the light curve; 0 for none.
    sql : int
        Positions that are asked for in SQL; 0 for none.
    memory : bool
        Whether peak memory is measured, for the largest size.

    Raises
    ------
    ConfigError
        If one of them cannot be used.
    """

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    psfs: tuple[str, ...] = tuple(PSF_MODELS)
    threads: tuple[int, ...] = (1, 0)
    peers: tuple[str, ...] = PEERS
    rounds: int = 3
    side: int = 4000
    exposures: int = 20
    sql: int = 40_000
    memory: bool = True

    def __post_init__(self) -> None:
        for option, values, known in (("psf", self.psfs, PSF_MODELS), ("peers", self.peers, PEERS)):
            for value in values:
                if value not in known:
                    raise ConfigError(f"--{option}: {value!r} is not one of {', '.join(known)}")
        if self.rounds < 1 or any(size < 1 for size in self.sizes) or min(self.threads, default=0) < 0:
            raise ConfigError("--rounds and --sizes must be at least 1, --threads at least 0 (all)")
        if not (self.sizes and self.psfs and self.threads):
            raise ConfigError("--sizes, --psf and --threads need at least one value each")
        for option, count in (("exposures", self.exposures), ("sql", self.sql)):
            if count < 0:
                raise ConfigError(f"--{option} must be at least 0 (none), not {count}")
        if self.side <= 2 * MARGIN + 1:
            raise ConfigError(f"--image-size must be more than {2 * MARGIN + 1} pixels, not {self.side}")

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """Numbers of threads, each once."""
        return tuple(dict.fromkeys(count or usable_cores() for count in self.threads))

    @property
    def main_psf(self) -> str:
        """The PSF with which contestants are timed that take one only."""
        return MAIN_PSF if MAIN_PSF in self.psfs else self.psfs[0]

    @property
    def psfs_in_files(self) -> tuple[str, ...]:
        """The PSFs that can be written into files: for light curves and SQL."""
        return tuple(psf for psf in self.psfs if psf in curves.WRITABLE)

    @property
    def steps(self) -> int:
        """How often `run` calls ``step``."""
        in_files = len(self.psfs_in_files)
        curve_psfs, sql_psfs = in_files * bool(self.exposures), in_files * bool(self.sql)
        return len(self.psfs) * (len(self.sizes) * len(self.thread_counts) + 1) + curve_psfs + sql_psfs


def run(
    options: Options,
    *,
    say: Callable[[str], None] = lambda _: None,
    step: Callable[[], None] = lambda: None,
) -> Report:
    """Measure all cases.

    Parameters
    ----------
    options : Options
    say : callable
        Told in words what is being done.
    step : callable
        Called after each of `Options.steps` steps.
    """
    machine = describe_machine()
    say(str(machine))
    rows: list[Row] = []
    for psf in options.psfs:
        say(f"{PSF_MODELS[psf].title}: {max(options.sizes):,} positions on {options.side} x {options.side}")
        rows += _catalogue_rows(options, psf, step)
        step()
    for psf in options.psfs_in_files if options.exposures else ():
        say(f"{PSF_MODELS[psf].title}: one position on {options.exposures} exposures")
        rows += _light_curve_rows(options, psf)
        step()
    for psf in options.psfs_in_files if options.sql else ():
        say(f"{PSF_MODELS[psf].title}: {options.sql:,} positions in SQL")
        rows += _sql_rows(options, psf)
        step()
    if (options.exposures or options.sql) and options.psfs_in_files != options.psfs:
        others = ", ".join(PSF_MODELS[psf].title for psf in options.psfs if psf not in options.psfs_in_files)
        say(f"{others}: no light curve and no SQL, as forcedsql cannot write this PSF into files")
    slowdown = busy_factor(rows)
    if slowdown > _BUSY:
        say(f"the machine was busy: turns took {slowdown:.1f} times their processor time; figures are noisy")
    return Report(
        machine=machine,
        side=options.side,
        rows=rows,
        rooflines=_rooflines(options, machine, rows),
        yardsticks={"catalogue": "sep", "light curve": curves.LIGHT_CURVE_YARDSTICK, "sql": DIRECT},
    )


def busy_factor(rows: Sequence[Row]) -> float:
    """Return how much longer one-thread turns took than they used the processor; 1 for a free machine."""
    turns = [row for row in rows if row.workload == "catalogue" and row.threads == 1]
    wall, cpu = (sum(sum(getattr(row, name)) for row in turns) for name in ("seconds", "cpu_seconds"))
    return wall / cpu if cpu else 1.0


def _catalogue_rows(options: Options, psf: str, step: Callable[[], None]) -> list[Row]:
    """Time all sizes and numbers of threads of one PSF, then compare fluxes and measure memory."""
    catalogue = make_catalogue(psf, side=options.side, positions=max(options.sizes))
    rows = []
    for size in options.sizes:
        for threads in options.thread_counts:
            rows += _case(options, catalogue, size, threads)
            step()
    agreements = _agreements(catalogue, {row.contestant for row in rows if row.seconds})
    rows = [replace(row, agreement=agreements.get(row.contestant, "")) for row in rows]
    return _with_memory(catalogue, rows, max(options.sizes)) if options.memory else rows


def _case(options: Options, catalogue: Catalogue, size: int, threads: int) -> list[Row]:
    """Time all contestants with one number of positions and threads."""
    rows, able = [], []
    for each in CONTESTANTS.values():
        if each.package and each.package not in options.peers:
            continue
        if not each.every_psf and catalogue.model.name != options.main_psf:
            continue
        if threads > 1 and not each.threaded and each.name != YARDSTICK:
            continue
        blank = Row(
            workload="catalogue",
            psf=catalogue.model.name,
            psf_title=catalogue.model.title,
            count=size,
            threads=threads if each.threaded else 1,
            contestant=each.name,
            work=each.work,
            note=each.why_missing(),
        )
        rows.append(blank)
        if not blank.note:
            able.append(each)
    with limited_threads(threads):
        timings = _timed(able, catalogue, size, options.rounds)
    yardstick = timings[YARDSTICK].us_each if YARDSTICK in timings else math.nan
    return [
        row.filled(timings[row.contestant], yardstick) if row.contestant in timings else row for row in rows
    ]


def _timed(able: Sequence[Contestant], catalogue: Catalogue, size: int, rounds: int) -> dict[str, Timing]:
    turns = {each.name: affordable_turns(each, catalogue, size, rounds) for each in able}
    prepared = {each.name: partial(each.prepare, catalogue, turns[each.name].count) for each in able}
    return interleaved(prepared, turns)


def _agreements(catalogue: Catalogue, names: set[str]) -> dict[str, str]:
    ours = next(CONTESTANTS[name] for name in OURS if name in names)
    count = min(POSITIONS, len(catalogue.x))
    reference: Mapping[str, AnyArray] = ours.prepare(catalogue, count)()
    others = (CONTESTANTS[name] for name in names if name != ours.name)
    found = {each.name: agreement(each, catalogue, reference) for each in others}
    return {name: str(value) for name, value in found.items() if value is not None}


def _with_memory(catalogue: Catalogue, rows: list[Row], size: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="forcedsql-bench-") as name:
        folder = Path(name)
        catalogue.save(folder)
        return [
            replace(row, megabytes=peak_megabytes(folder, row.psf, row.contestant, row.timed))
            if row.count == size and row.threads == 1 and row.seconds and not _repeated(rows, row)
            else row
            for row in rows
        ]


def _repeated(rows: list[Row], row: Row) -> bool:
    """Tell whether the same contestant comes earlier with the same size: the yardstick does."""
    first = next(r for r in rows if (r.contestant, r.count) == (row.contestant, row.count))
    return first is not row


def _light_curve_rows(options: Options, psf: str) -> list[Row]:
    """Time the light curve of one PSF; only forcedsql takes part with several threads, too."""
    entries = {
        f"{each.name} {threads}": (each, threads)
        for each in curves.LIGHT_CURVE_CONTESTANTS
        if {*each.packages} <= {*options.peers}
        for threads in ((1,) if each.packages else options.thread_counts)
    }
    turns = {
        key: Turns(min(options.exposures, curves.PEER_EXPOSURES), 1)
        if each.packages
        else Turns(options.exposures, options.rounds)
        for key, (each, _) in entries.items()
        if not each.why_missing()
    }
    with tempfile.TemporaryDirectory(prefix="forcedsql-bench-") as folder:
        curve = curves.make_light_curve(Path(folder), psf, side=options.side, exposures=options.exposures)
        prepared = {
            key: partial(_with_threads, threads, partial(each.prepare, curve, turns[key].count))
            for key, (each, threads) in entries.items()
            if key in turns
        }
        fluxes = {key: prepare()() for key, prepare in prepared.items()}
        timings = interleaved(prepared, turns)
    ours = next(flux for key, flux in fluxes.items() if entries[key][0].name == curves.LIGHT_CURVE_OURS)
    yardstick = timings.get(f"{curves.LIGHT_CURVE_YARDSTICK} 1")
    yardstick_us = math.nan if yardstick is None else yardstick.us_each
    rows = []
    for key, (each, threads) in entries.items():
        blank = Row(
            workload="light curve",
            psf=psf,
            psf_title=PSF_MODELS[psf].title,
            count=options.exposures,
            threads=threads,
            contestant=each.name,
            work=each.work,
            note=each.why_missing(),
            agreement=_flux_ratio(fluxes.get(key), ours) if each.packages else "",
        )
        rows.append(blank.filled(timings[key], yardstick_us) if key in timings else blank)
    return rows


def _sql_rows(options: Options, psf: str) -> list[Row]:
    return sql_rows(
        psf,
        side=options.side,
        count=options.sql,
        thread_counts=options.thread_counts,
        rounds=options.rounds,
    )


def _with_threads(threads: int, prepare: Callable[[], curves.Work]) -> curves.Work:
    work = prepare()

    def run() -> FloatArray:
        with limited_threads(threads):
            return work()

    return run


def _flux_ratio(theirs: AnyArray | None, ours: AnyArray) -> str:
    if theirs is None:
        return ""
    largest = float(abs(theirs / ours[: len(theirs)] - 1.0).max())
    return f"flux of r = {curves.COMPARED_RADIUS:g}: largest difference {largest:.1g}"


def _rooflines(options: Options, machine: Machine, rows: Sequence[Row]) -> list[Roofline]:
    best = {
        (row.psf, row.count): row.us_each
        for row in reversed(rows)
        if row.contestant in OURS and row.threads == 1 and row.workload == "catalogue" and row.seconds
    }
    return [
        roofline(
            PSF_MODELS[psf],
            machine,
            side=options.side,
            count=size,
            measured_us=best.get((psf, size), math.nan),
        )
        for psf in options.psfs
        for size in options.sizes
    ]
