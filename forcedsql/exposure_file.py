"""The file of an exposure as the registry knows it, and whether it still is that file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RegisteredExposure:
    """What the registry knows of an exposure's file."""

    exposure_id: str
    path: str
    file_size: int
    file_mtime_ns: int
    sha256: str


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_unchanged(registered: RegisteredExposure) -> bool:
    """Tell whether an exposure's file is the one that was registered.

    Its size and time decide; where only the time differs, as of a copy, its checksum does.

    Raises
    ------
    OSError
        If the file is not there, or cannot be read.
    """
    status = Path(registered.path).stat()
    return status.st_size == registered.file_size and (
        status.st_mtime_ns == registered.file_mtime_ns or sha256_of(registered.path) == registered.sha256
    )
