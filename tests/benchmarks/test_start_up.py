"""How long ``forcedsql --help`` takes: run with ``pytest tests/benchmarks --benchmark -s``.

The tests of the command line guard the reason, that no heavy library is imported.
"""

import subprocess
import sys

import pytest

from tests.benchmarks.timing import interleaved, print_table


@pytest.mark.benchmark
def test_help_and_import():
    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    seconds = interleaved(
        {
            "python -c pass": lambda: run("-c", "pass"),
            "import forcedsql": lambda: run("-c", "import forcedsql"),
            "forcedsql --help": lambda: run("-m", "forcedsql", "--help"),
        },
        rounds=7,
    )
    print_table("start-up", [("", "ms"), *((name, f"{1e3 * t:.0f}") for name, t in seconds.items())])
