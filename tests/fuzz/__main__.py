"""Open many mutated files, and say what became of them."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.cases import make_case
from tests.fuzz.harness import Harness
from tests.fuzz.outcome import Outcome
from tests.fuzz.report import bugs, markdown
from tests.fuzz.seeds import KINDS, seeds
from tests.fuzz.worker import work

_SHARED = Path(__file__).resolve().parents[3] / "shared"


def main() -> int:
    """Run the harness; 1 if it found a bug."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many mutated files")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same files")
    parser.add_argument("--kind", choices=KINDS, default="", help="only files of this kind")
    parser.add_argument("--shared", type=Path, default=_SHARED, help="folder of real files, if there is one")
    parser.add_argument("--log", type=Path, help="file of outcomes; a run that was stopped goes on with it")
    parser.add_argument("--report", type=Path, help="where to write the report, beside stdout")
    parser.add_argument("--keep", type=Path, help="folder to which files that show a bug are written")
    options = parser.parse_args()
    shared = options.shared if options.shared.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        harness = Harness(folder, shared, options.seed, options.kind, work=work)
        outcomes = logged(options.log)
        done = {outcome.number for outcome in outcomes}
        numbers = [n for n in range(options.first, options.first + options.count) if n not in done]
        for outcome in harness.outcomes(numbers):
            outcomes.append(outcome)
            narrate(outcome, len(outcomes), options.count)
            if options.log is not None:
                with options.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(asdict(outcome)) + "\n")
        if options.keep is not None:
            keep(bugs(outcomes), folder, shared, options)
    text = markdown(outcomes)
    sys.stdout.write(text)
    if options.report is not None:
        options.report.write_text(text, encoding="utf-8")
    return 1 if bugs(outcomes) else 0


def logged(log: Path | None) -> list[Outcome]:
    """The outcomes in a file of an earlier run, if there is one."""
    if log is None or not log.exists():
        return []
    return [Outcome(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]


def narrate(outcome: Outcome, done: int, count: int) -> None:
    """Say on stderr what was found, at once, and now and then how far it is."""
    for bug in bugs([outcome]):
        sys.stderr.write(f"{bug.outcome} {bug.number} {bug.kind} {bug.seed}: {bug.error} {bug.message}\n")
    if done % 500 == 0:
        sys.stderr.write(f"{done} of {count}\n")
    sys.stderr.flush()


def keep(found: list[Outcome], folder: Path, shared: Path | None, options: argparse.Namespace) -> None:
    """Write the files that showed a bug under the numbers of their cases."""
    good = seeds(folder, shared)
    options.keep.mkdir(parents=True, exist_ok=True)
    for bug in found:
        case = make_case(good, options.seed, bug.number, options.kind)
        (options.keep / f"{bug.number}_{case.seed.kind}{case.seed.suffix}").write_bytes(case.content)


if __name__ == "__main__":
    sys.exit(main())
