"""The file of an exposure as the registry knows it, and whether it still is that file."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from forcedsql.open_options import OpenOptions


@dataclass(frozen=True, slots=True)
class RegisteredExposure:
    """What the registry knows of an exposure's file, and of how it is opened.

    Parameters
    ----------
    exposure_id, path : str
    file_size : int, byte
    file_mtime_ns : int, nanosecond
    sha256 : str
    options : str or None
        JSON of the `OpenOptions` of a plain FITS image.
    side_files : str or None
        The other files that it is made of; see `states_of`.
    """

    exposure_id: str
    path: str
    file_size: int
    file_mtime_ns: int
    sha256: str
    options: str | None = None
    side_files: str | None = None

    @property
    def open_options(self) -> OpenOptions | None:
        """How a plain FITS image is opened, None for exposures that describe themselves."""
        return OpenOptions.from_json(self.options) if self.options else None

    @property
    def digest(self) -> str:
        """Checksum of the file, together with all else that its pixels depend on."""
        if not self.options:
            return self.sha256
        text = "\n".join((self.sha256, self.options, self.side_files or ""))
        return hashlib.sha256(text.encode()).hexdigest()


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_unchanged(registered: RegisteredExposure) -> bool:
    """Tell whether an exposure's file is the one that was registered, and its side files are.

    Its size and time decide; where only the time differs, as of a copy, its checksum does.

    Raises
    ------
    OSError
        If the file is not there, or cannot be read.
    """
    status = Path(registered.path).stat()
    if changed_file(registered.side_files or ""):
        return False
    return status.st_size == registered.file_size and (
        status.st_mtime_ns == registered.file_mtime_ns or sha256_of(registered.path) == registered.sha256
    )


def states_of(paths: Iterable[Path]) -> str:
    """Return sizes and times of change of files as JSON, for `changed_file`."""
    states = {}
    for path in paths:
        status = path.stat()
        states[str(path.resolve())] = [status.st_size, status.st_mtime_ns]
    return json.dumps(states)


def changed_file(states: str) -> str:
    """Return the first file that is not in its state of then any more, "" if all are."""
    try:
        known = [(path, tuple(state)) for path, state in json.loads(states or "{}").items()]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "a file of which the registry's record is damaged"
    for path, state in known:
        try:
            status = Path(path).stat()
        except (OSError, ValueError):
            return str(path)
        if (status.st_size, status.st_mtime_ns) != state:
            return str(path)
    return ""
