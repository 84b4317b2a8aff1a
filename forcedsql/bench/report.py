"""What came out: rows, and their text, Markdown and JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from forcedsql.bench.contestants import OURS
from forcedsql.bench.machine import Machine
from forcedsql.bench.published import CITATION, LSST, PUBLISHED_POSITIONS
from forcedsql.bench.roofline import Roofline

if TYPE_CHECKING:
    from forcedsql.bench.timing import Timing

Table = tuple[tuple[str, ...], ...]
"""Cells as they are printed, the first row of them a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one contestant did in one case.

    Parameters
    ----------
    workload : {"catalogue", "light curve", "sql"}
    psf : str
        Name of the PSF model; `psf_title` says it in full.
    count : int
        Positions, or exposures.
    threads : int
    contestant, work : str
    us_each : float, microsecond
        Per position or exposure, of the median turn; NaN where it did not run.
    times_faster : float
        Than the yardstick, in the same interleaved run; below 1 is slower.
    timed : int
        Positions in each turn: fewer than ``count`` where all would take too long.
    seconds, cpu_seconds : tuple of float
        Wall clock, and time of all processors, of every turn.
    megabytes : float
        Peak memory above the planes; NaN where it was not measured.
    agreement, note : str
        How its fluxes compare with forcedsql's; why it did not run.
    """

    workload: str
    psf: str
    psf_title: str
    count: int
    threads: int
    contestant: str
    work: str
    us_each: float = math.nan
    times_faster: float = math.nan
    timed: int = 0
    seconds: tuple[float, ...] = ()
    cpu_seconds: tuple[float, ...] = ()
    megabytes: float = math.nan
    agreement: str = ""
    note: str = ""

    def filled(self, timing: "Timing", yardstick_us: float) -> "Row":
        """Return the row with what was timed, beside a yardstick's microseconds for each position."""
        return replace(
            self,
            us_each=timing.us_each,
            times_faster=yardstick_us / timing.us_each,
            timed=timing.count,
            seconds=timing.seconds,
            cpu_seconds=timing.cpu_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a benchmark measured.

    Parameters
    ----------
    machine : Machine
    side : int, pixel
        Of the square images.
    rows : sequence of Row
    rooflines : sequence of Roofline
    yardsticks : dict of str to str
        What ``times_faster`` refers to, by workload.
    """

    machine: Machine
    side: int
    rows: Sequence[Row]
    rooflines: Sequence[Roofline]
    yardsticks: dict[str, str]

    def of(self, workload: str) -> list[Row]:
        """Return the rows of a workload."""
        return [row for row in self.rows if row.workload == workload]


def as_mapping(report: Report) -> dict[str, Any]:
    """Return the report for JSON: NaN is None."""
    published = {
        name: {"us_per_source": list(cost.us_per_source), "times_sep": cost.times_sep, "psf": cost.psf}
        for name, cost in LSST.items()
    }
    content = asdict(report) | {"published": {"citation": CITATION, "lsst": published}}
    return {name: _plain(value) for name, value in content.items()}


def as_text(report: Report) -> str:
    """Return the tables for a terminal: columns aligned, numbers to the right."""
    return _joined(report, _aligned, heading="")


def as_markdown(report: Report) -> str:
    """Return the tables in Markdown."""
    return _joined(report, _piped, heading="### ")


def _joined(report: Report, write: Any, *, heading: str) -> str:
    parts = [f"{report.machine}"]
    for title, table, remark in _tables(report):
        parts += [f"{heading}{title}", write(table), *([remark] if remark else [])]
    return "\n\n".join(parts) + "\n"


def _tables(report: Report) -> list[tuple[str, Table, str]]:
    tables = []
    if report.of("catalogue"):
        title = f"Positions on {report.side} x {report.side} pixels"
        remark = (
            "* fewer positions were timed. MB: resident memory above the planes, in a process of its own, "
            "one thread. Differences of fluxes are in units of their errors."
        )
        tables.append((title, _rows_table(report, "catalogue", "positions", cost="us/position"), remark))
        tables.append(("LSST, published", _lsst_table(report), CITATION + "."))
    if report.of("light curve"):
        title = f"One position on compressed exposures of {report.side} x {report.side} pixels"
        remark = "* fewer exposures were timed. Files are in the page cache of the system."
        table = _rows_table(report, "light curve", "exposures", cost="ms/exposure", us_per_unit=1e3)
        tables.append((title, table, remark))
    if report.of("sql"):
        title = f"SQL: positions on one exposure of {report.side} x {report.side} pixels"
        remark = "The query and the call give the same Arrow table."
        tables.append((title, _rows_table(report, "sql", "positions", cost="us/position"), remark))
    if report.rooflines:
        remark = "The floor counts every sum that the definitions need once, on one core."
        tables.append(("Roofline, one thread", _roofline_table(report.rooflines), remark))
    return tables


def _rows_table(report: Report, workload: str, counted: str, *, cost: str, us_per_unit: float = 1.0) -> Table:
    faster = f"times faster than {report.yardsticks[workload]}"
    lines = [("PSF", counted, "threads", "", "measures", cost, faster, "MB", "agreement")]
    for row in report.of(workload):
        starred = "*" if 0 < row.timed < row.count else ""
        lines.append(
            (
                row.psf_title,
                f"{row.count:,}",
                str(row.threads),
                row.contestant,
                row.work,
                f"{number(row.us_each / us_per_unit)}{starred}" if row.seconds else "-",
                number(row.times_faster),
                f"{row.megabytes:.0f}" if math.isfinite(row.megabytes) else "",
                row.note or row.agreement,
            )
        )
    return tuple(lines)


def _lsst_table(report: Report) -> Table:
    """Return the published figures; sep, timed beside LSST then and beside forcedsql now, joins them."""
    lines = [("PSF", "us/position", "times the cost of sep", "forcedsql here, by way of sep")]
    for psf in dict.fromkeys(row.psf for row in report.of("catalogue")):
        cost = LSST[psf]
        times = "" if cost.times_sep is None else number(cost.times_sep)
        lines.append((cost.psf, cost.us_text, times, _faster_than_lsst(report, psf, cost.times_sep)))
    return tuple(lines)


def _faster_than_lsst(report: Report, psf: str, times_sep: float | None) -> str:
    ran = [row for row in report.of("catalogue") if row.psf == psf and row.threads == 1 and row.seconds]
    ours = [row for row in ran if row.contestant in OURS and math.isfinite(row.times_faster)]
    if times_sep is None or not ours:
        return ""
    row = min(ours, key=lambda row: abs(math.log(row.count / PUBLISHED_POSITIONS)))
    return f"{number(row.times_faster * times_sep)} times faster ({row.count:,} positions)"


def _roofline_table(rooflines: Sequence[Roofline]) -> Table:
    lines = [("PSF", "positions", "kB each", "kFLOP each", "memory us", "compute us", "measured us", "floor")]
    for each in rooflines:
        share = each.floor_us / each.measured_us
        lines.append(
            (
                each.psf,
                f"{each.count:,}",
                number(each.bytes_each / 1e3),
                number(each.flops_each / 1e3),
                number(each.memory_us),
                number(each.compute_us),
                number(each.measured_us),
                f"{100 * share:.0f} %" if math.isfinite(share) else "",
            )
        )
    return tuple(lines)


def number(value: float) -> str:
    """Return a number with three digits, "" for NaN."""
    if not math.isfinite(value):
        return ""
    if value == 0.0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 3)}f}"


def _aligned(table: Table) -> str:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    right = _numeric_columns(table)
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in table
    )


def _piped(table: Table) -> str:
    rule = ["---:" if right else "---" for right in _numeric_columns(table)]
    cells = [table[0], rule, *table[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _numeric_columns(table: Table) -> list[bool]:
    columns = list(zip(*table[1:], strict=True)) or [()] * len(table[0])
    return [any(cells) and all(not c or c[0].isdigit() or c == "-" for c in cells) for cells in columns]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
