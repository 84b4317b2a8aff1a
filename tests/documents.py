"""Running what a document shows: its blocks, in order, in a folder with the demo's results."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"```(sh|sql|python)\n(.*?)```", re.DOTALL)

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


def run(command: list[str], folder: Path, *, seconds: float = 240.0) -> str:
    """Return what a command prints; one that fails fails the test."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
