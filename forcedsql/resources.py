"""Where the SQL files and the sample data are: in a wheel, an editable install or a checkout."""

from pathlib import Path

from forcedsql.errors import ForcedSQLError

_PACKAGE = Path(__file__).resolve().parent


def sql_dir() -> Path:
    """Return the folder of the SQL macros.

    Raises
    ------
    ForcedSQLError
        If the installation has no such folder.
    """
    return _folder("sql")


def data_dir() -> Path:
    """Return the folder of the simulated sample survey.

    Raises
    ------
    ForcedSQLError
        If the installation has no such folder.
    """
    return _folder("data")


def _folder(name: str) -> Path:
    for folder in (_PACKAGE / "_resources" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise ForcedSQLError(f"the folder {name!r} is missing beside {_PACKAGE}; install forcedsql again")
