"""The outcomes of a run as a table for people."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.fuzz.outcome import BUGS, FINE, REFUSED, Outcome


def bugs(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes that must not be."""
    return [outcome for outcome in outcomes if outcome.outcome in BUGS]


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Tables of what became of the files of each kind, and of why they were refused."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.kind or "unknown"].append(outcome)
    lines = [
        "| kind | files | fine | refused | bugs | worst time | worst memory |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(kind, found) for kind, found in sorted(by_kind.items())]
    lines += [_row("all", outcomes), "", "| refused by | files |", "|---|---|"]
    refused = Counter(outcome.error for outcome in outcomes if outcome.outcome == REFUSED)
    lines += [f"| `{name}` | {count} |" for name, count in refused.most_common()]
    lines += ["", *_bug_lines(bugs(outcomes))]
    return "\n".join(lines).rstrip() + "\n"


def _row(kind: str, found: Sequence[Outcome]) -> str:
    counts = Counter(outcome.outcome for outcome in found)
    slowest, largest = max(o.seconds for o in found), max(o.nbytes for o in found)
    faulty = sum(counts[name] for name in BUGS)
    numbers = f"{len(found)} | {counts[FINE]} | {counts[REFUSED]} | {faulty}"
    return f"| {kind} | {numbers} | {slowest:.2f} s | {largest / (1 << 20):.0f} MB |"


def _bug_lines(found: Sequence[Outcome]) -> list[str]:
    return [
        f"- {bug.outcome} case {bug.number} ({bug.kind} {bug.seed}): {bug.error} {bug.message}"
        for bug in found
    ]
