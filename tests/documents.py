"""Running what a document shows: its blocks, in order, in a folder with the demo's results."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from astropy.io import fits
from pyarrow import csv

_BLOCK = re.compile(r"```(sh|sql|python|toml|console)\n(.*?)```", re.DOTALL)
_VISIT = "visit_image_2024120600102_4_i.fits"

ROOT = Path(__file__).resolve().parent.parent

DEMO = ("demo", "data/survey")
"""As the README's first command has it."""

DEMO_DATABASE = "forcedsql-demo/survey.duckdb"


@dataclass(frozen=True)
class Block:
    """One block of a document: its language and text."""

    language: str
    text: str

    def command(self) -> list[str]:
        """Return the command that runs the block; SQL runs on the demo's database."""
        if self.language == "sh":
            return ["bash", "-euo", "pipefail", "-c", self.text]
        if self.language == "python":
            return [sys.executable, "-W", "error", "-c", self.text]
        return [sys.executable, "-m", "forcedsql", "sql", DEMO_DATABASE, self.text]


def blocks_of(path: Path) -> list[Block]:
    """Return the blocks of a Markdown file that can be run."""
    return [Block(*found) for found in _BLOCK.findall(path.read_text(encoding="utf-8"))]


def make_folder(folder: Path) -> Path:
    """Make a folder look like a checkout to the examples, with the demo's results in it.

    ``night.fits`` is a plain image with its zero point in a card, and ``stars.csv`` a table of positions on
    it under names of its own.
    """
    (folder / "data").symlink_to(ROOT / "data")
    run([sys.executable, "-m", "forcedsql", *DEMO], folder)
    with fits.open(ROOT / "data" / "survey" / _VISIT) as hdus:
        cards = {k: v for k, v in hdus[1].header.items() if not k.startswith(("EXT", "CRVAL1A", "CRVAL2A"))}
        header = fits.Header([(k, v) for k, v in cards.items() if k not in ("COMMENT", "HISTORY", "")])
        header["MAGZERO"] = 31.4
        fits.PrimaryHDU(hdus[1].data, header).writeto(folder / "night.fits")
        fits.PrimaryHDU(np.sqrt(hdus[3].data)).writeto(folder / "night_sigma.fits")
    stars = pq.read_table(ROOT / "data" / "survey" / "source.parquet", columns=["sourceId", "ra", "dec"])
    csv.write_csv(
        stars.slice(0, 20).rename_columns(["star name", "RAJ2000", "DEJ2000"]), folder / "stars.csv"
    )
    return folder


def run(command: list[str], folder: Path, *, typed: str = "", seconds: float = 240.0) -> str:
    """Return what a command prints, `typed` being its input; one that fails fails the test."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
