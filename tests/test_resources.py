"""The folders of SQL and of the checkout's data are found, from a checkout and from a package."""

import pytest

from forcedsql import resources
from forcedsql.errors import ForcedSQLError


def test_the_sql_folder_of_this_checkout_holds_the_macros():
    assert (resources.sql_dir() / "photometry.sql").is_file()


def test_the_data_folder_is_beside_it():
    assert resources.data_dir() == resources.sql_dir().parent / "data"


def test_an_installed_package_uses_its_own_resources(tmp_path, monkeypatch):
    inside = tmp_path / "forcedsql" / "_resources" / "sql"
    inside.mkdir(parents=True)
    (tmp_path / "sql").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "forcedsql")
    assert resources.sql_dir() == inside


def test_a_missing_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "forcedsql")
    with pytest.raises(ForcedSQLError, match=r"'sql' is missing.*install forcedsql again"):
        resources.sql_dir()
