"""Command line: write the simulated survey into a folder."""

import argparse
import sys
from pathlib import Path

from forcedsql.errors import ForcedSQLError
from forcedsql.simulate.survey import SEED, checksums, simulate_survey


def main(arguments: list[str] | None = None) -> int:
    """Write the survey and print the checksums of its files; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m forcedsql.simulate", description="Write the simulated survey into a folder."
    )
    parser.add_argument("directory", type=Path, help="folder to write into; made if it is not there")
    parser.add_argument("--seed", type=int, default=SEED, help="random seed (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        paths = simulate_survey(options.directory, seed=options.seed)
    except (ForcedSQLError, OSError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stdout.write(checksums(paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
