"""Files beside the code: the SQL macros, which every installation has, and the data of a checkout."""

from pathlib import Path

from forcedsql.errors import ForcedSQLError

_PACKAGE = Path(__file__).resolve().parent


def sql_dir() -> Path:
    """Return the folder of the SQL macros: in a wheel, an editable install or a checkout.

    Raises
    ------
    ForcedSQLError
        If the installation has no such folder.
    """
    for folder in (_PACKAGE / "_resources" / "sql", _PACKAGE.parent / "sql"):
        if folder.is_dir():
            return folder
    raise ForcedSQLError(f"the folder 'sql' is missing beside {_PACKAGE}; install forcedsql again")


def data_dir() -> Path:
    """Return where a checkout or an editable install has its data; a wheel has none."""
    return _PACKAGE.parent / "data"
