"""What a database that somebody else made may do: read itself, and exposures below stated folders."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from forcedsql.errors import DatabaseError

if TYPE_CHECKING:
    import duckdb

_LOCKED = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders below which exposures may lie.

    Parameters
    ----------
    folders : tuple of Path
        Absolute, without symbolic links.
    """

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, folders: Iterable[str | Path]) -> Self:
        """Return folders, resolved now.

        Raises
        ------
        DatabaseError
            If one of them is not a folder.
        """
        resolved = tuple(sorted({Path(folder).resolve() for folder in folders}))
        for folder in resolved:
            if not folder.is_dir():
                raise DatabaseError(f"{folder} is not a folder that exposures could lie below; name another")
        return cls(resolved)

    def require(self, path: str | Path, *, exposure_id: str) -> Path:
        """Return where a file is, symbolic links resolved.

        Raises
        ------
        DatabaseError
            If it lies outside every folder.
        """
        resolved = Path(path).resolve()
        if not any(resolved.is_relative_to(folder) for folder in self.folders):
            allowed = ", ".join(map(str, self.folders)) or "none"
            raise DatabaseError(
                f"exposure {exposure_id!r} is made of {resolved}, outside the folders that this "
                f"connection may read ({allowed}); name its folder as a root if you trust the database"
            )
        return resolved


def lock_down(con: "duckdb.DuckDBPyConnection") -> None:
    """Take SQL's access to files, the network and Python variables away for good."""
    for command in _LOCKED:
        con.execute(command)
