"""Names of files as users and other files give them, which may be no names at all.

`pathlib` raises where a name is too long or holds a NUL; here there is no such file then.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forcedsql.errors import OutputError


def exists(path: str | Path) -> bool:
    """Tell whether there is a file or folder of this name."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for names that cannot be


def is_file(path: str | Path) -> bool:
    """Tell whether there is a file of this name."""
    return os.path.isfile(path)  # noqa: PTH113 - as above


def is_folder(path: str | Path) -> bool:
    """Tell whether there is a folder of this name."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def why_refused(fault: OSError | ValueError) -> str:
    """Return in words why the operating system, or Python on its behalf, does not take a name."""
    return str(getattr(fault, "strerror", None) or "it is no name of a file")


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where it is not there yet.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as fault:
        raise OutputError(f"cannot make the folder {path}: {why_refused(fault)}") from fault


def unfinished_name(path: Path) -> Path:
    """Return a hidden name of its own beside a path, with its suffix, for what is not complete yet."""
    return path.parent / f".{uuid.uuid4().hex}.partial{path.suffix}"


@contextmanager
def complete_or_not_at_all(path: Path) -> Iterator[Path]:
    """Give away another name to write to; the file gets its own when all is written.

    Parameters
    ----------
    path : Path
        An existing file is replaced; it stays as it was if an exception comes.

    Yields
    ------
    Path
        A name of its own in the same folder, with the same suffix.

    Raises
    ------
    OSError
        If the file cannot get its name.
    """
    partial = unfinished_name(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        # What could not be made need not go.
        with suppress(OSError, ValueError):
            partial.unlink()
