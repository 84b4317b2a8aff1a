"""Files that an exposure is made of: whether they still are what they were."""

import json
import os

import pytest

from forcedsql.exposure_file import RegisteredExposure, changed_file, is_unchanged, sha256_of, states_of


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"content")
    return path


def registered(path, **changes):
    status = path.stat()
    values = {"file_size": status.st_size, "file_mtime_ns": status.st_mtime_ns, "sha256": sha256_of(path)}
    return RegisteredExposure("a", str(path), **(values | changes))


def test_a_file_that_is_as_it_was_is_not_named(file):
    assert changed_file(states_of([file])) == ""
    assert changed_file("") == ""


def test_a_file_that_has_changed_or_gone_is_named(file):
    states = states_of([file])
    file.write_bytes(b"other content")
    assert changed_file(states) == str(file)
    file.unlink()
    assert changed_file(states) == str(file)


@pytest.mark.parametrize("name", ["a\0b", "n" * 5000])
def test_a_name_that_cannot_be_is_that_of_no_file(name):
    assert changed_file(json.dumps({name: [1, 2]})) == name


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', "[" * 20_000])
def test_a_damaged_record_counts_as_changed(text):
    assert "record is damaged" in changed_file(text)


def test_a_copy_is_the_same_file_and_another_content_is_not(file):
    before = registered(file)
    assert is_unchanged(before)
    os.utime(file, ns=(1, 1))
    assert is_unchanged(before)
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=(2, 2))
    assert not is_unchanged(before)


def test_a_changed_side_file_changes_the_exposure(file, tmp_path):
    side = tmp_path / "side.fits"
    side.write_bytes(b"1")
    before = registered(file, side_files=states_of([side]))
    assert is_unchanged(before)
    side.write_bytes(b"12")
    assert not is_unchanged(before)


def test_the_digest_covers_options_and_side_files(file):
    plain = registered(file)
    assert plain.digest == plain.sha256
    assert plain.open_options is None
    with_options = registered(file, options='{"gain":2.0}')
    assert with_options.open_options.gain == 2.0
    assert (
        len({plain.digest, with_options.digest, registered(file, options="{}", side_files="{}").digest}) == 3
    )
