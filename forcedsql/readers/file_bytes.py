"""Bytes of a file that must not have changed since it was opened first."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forcedsql.errors import ReadError
from forcedsql.file_names import why_refused


@dataclass(frozen=True, slots=True)
class FileBytes:
    """An open file whose parts are read where they are wanted.

    Parameters
    ----------
    descriptor : int
    size : int, byte
    """

    descriptor: int
    size: int

    def read(self, start: int, count: int) -> bytes:
        """Return `count` bytes from byte `start`.

        Raises
        ------
        ReadError
            If the file ends before, or they cannot be read.
        """
        if start < 0 or count < 0 or start + count > self.size:
            raise ReadError(f"bytes {start} to {start + count} are asked for; the file has {self.size}")
        try:
            data = os.pread(self.descriptor, count, start)
            while len(data) < count:
                more = os.pread(self.descriptor, count - len(data), start + len(data))
                if not more:
                    raise ReadError(f"the file is cut short at byte {start + len(data)}")
                data += more
        except OSError as fault:
            raise ReadError(f"bytes {start} to {start + count} cannot be read: {fault.strerror}") from fault
        return data


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells a file from its other versions: its path, size and time of change."""

    path: Path
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """Return the state of a file now; ReadError if there is none."""
        try:
            status = path.stat()
        except (OSError, ValueError) as fault:
            raise ReadError(f"it cannot be opened: {why_refused(fault)}") from fault
        return cls(path, status.st_size, status.st_mtime_ns)

    @contextmanager
    def open(self) -> Iterator[FileBytes]:
        """Open the file in this very state.

        Raises
        ------
        ReadError
            If it is gone or has changed.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as fault:
            raise ReadError(f"it cannot be opened: {fault.strerror}") from fault
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
                raise ReadError("it has changed since it was opened; open it again")
            yield FileBytes(descriptor, self.size)
        finally:
            os.close(descriptor)
