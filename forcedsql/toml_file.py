"""Small TOML files: configurations, survey profiles, tolerances."""

import tomllib
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 14
"""The parser takes memory for the square of the length of a dotted key."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file says.

    Raises
    ------
    OSError
        If it is not there, or cannot be read.
    ValueError
        If it is not TOML in UTF-8, nested too deeply, or longer than `MAX_BYTES`.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} bytes, the most that forcedsql reads of one")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
