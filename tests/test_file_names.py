"""Names that are no names of files, and files that appear whole or not at all."""

import pytest

from forcedsql.errors import OutputError
from forcedsql.file_names import (
    complete_or_not_at_all,
    exists,
    is_file,
    is_folder,
    make_folder,
    why_refused,
)

IMPOSSIBLE = {"NUL": "a\0b.fits", "too long": "n" * 5000, "lone surrogate": "a\ud800.fits"}


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_there_is_no_file_of_a_name_that_cannot_be(name):
    assert not exists(name)
    assert not is_file(name)
    assert not is_folder(name)


def test_files_and_folders_are_told_apart(tmp_path):
    file = tmp_path / "a"
    file.write_text("")
    assert [ask(file) for ask in (exists, is_file, is_folder)] == [True, True, False]
    assert [ask(tmp_path) for ask in (exists, is_file, is_folder)] == [True, False, True]


def test_a_refused_name_has_a_reason():
    assert why_refused(FileNotFoundError(2, "No such file or directory")) == "No such file or directory"
    assert why_refused(ValueError("embedded null byte")) == "it is no name of a file"


def test_a_file_is_there_when_it_is_complete(tmp_path):
    path = tmp_path / ("n" * 250 + ".txt")
    with complete_or_not_at_all(path) as partial:
        partial.write_text("new")
        assert not path.exists()
        assert partial.suffix == ".txt"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_file_stays_as_it_was_if_it_is_not_completed(tmp_path, fault):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half():
        with complete_or_not_at_all(path) as partial:
            partial.write_text("half")
            raise fault

    with pytest.raises(fault):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with complete_or_not_at_all(path) as first, complete_or_not_at_all(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"


def test_a_folder_is_made_with_those_above_it_and_may_be_there(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    ("name", "reason"), [("file/b", "Not a directory"), ("a\0", "it is no name of a file")]
)
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, name, reason):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"cannot make the folder .*: {reason}$"):
        make_folder(tmp_path / name)
