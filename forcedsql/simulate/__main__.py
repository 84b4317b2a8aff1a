"""Command line: write a simulated survey into a folder."""

import argparse
import sys
from pathlib import Path

from forcedsql.errors import ForcedSQLError
from forcedsql.simulate.epochs import EPOCHS_SEED, simulate_epochs
from forcedsql.simulate.survey import SEED, checksums, simulate_survey
from forcedsql.simulate.visits import SurveyDesign


def main(arguments: list[str] | None = None) -> int:
    """Write a survey and print the checksums of its files; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        paths = _epochs(options) if options.survey == "epochs" else _sample(options)
    except (ForcedSQLError, OSError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stdout.write(checksums(paths))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m forcedsql.simulate", description="Write a simulated survey into a folder."
    )
    surveys = parser.add_subparsers(dest="survey", required=True)
    sample = surveys.add_parser("survey", help="the sample survey: a coadd and a visit image")
    sample.add_argument("--seed", type=int, default=SEED, help="random seed (default: %(default)s)")
    epochs = surveys.add_parser("epochs", help="a survey of many visits over years")
    design = SurveyDesign()
    for name, meaning in (
        ("exposures", "number of exposures"),
        ("objects", "number of objects"),
        ("size", "side of an image in pixels"),
        ("fields", "number of fields; half of the visits go to the first"),
    ):
        default = getattr(design, name)
        epochs.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} (default: %(default)s)")
    epochs.add_argument("--years", type=float, default=design.years, help="length (default: %(default)s)")
    epochs.add_argument(
        "--bands",
        nargs="+",
        default=design.bands,
        metavar="BAND",
        help=f"bands (default: {' '.join(design.bands)})",
    )
    epochs.add_argument(
        "--bad-files", action="store_true", help="make three exposures bad: truncated, no PSF, wrong shape"
    )
    epochs.add_argument(
        "--differences", action="store_true", help="write the difference image of each visit, too"
    )
    epochs.add_argument("--seed", type=int, default=EPOCHS_SEED, help="random seed (default: %(default)s)")
    for command in (sample, epochs):
        command.add_argument("directory", type=Path, help="folder to write into; made if it is not there")
    return parser


def _sample(options: argparse.Namespace) -> list[Path]:
    return simulate_survey(options.directory, seed=options.seed)


def _epochs(options: argparse.Namespace) -> list[Path]:
    design = SurveyDesign(
        exposures=options.exposures,
        objects=options.objects,
        size=options.size,
        fields=options.fields,
        years=options.years,
        bands=tuple(options.bands),
    )
    files = simulate_epochs(
        options.directory,
        design,
        bad_files=options.bad_files,
        differences=options.differences,
        seed=options.seed,
    )
    for path, fault in files.bad.items():
        sys.stderr.write(f"{path}: {fault}\n")
    return [*files.exposures, *files.differences, files.objects, files.truth, files.fluxes, files.visits]


if __name__ == "__main__":
    sys.exit(main())
