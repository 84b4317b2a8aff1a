"""TOML that is too much for its parser is refused as any other text that is no TOML."""

import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError
from forcedsql.open_options import OpenOptions
from forcedsql.toml_file import MAX_BYTES, read_toml

HOSTILE = {
    "nested lists": "a = " + "[" * 5000,
    "nested tables": "a = " + "{b=" * 5000,
    "long number": "a = " + "9" * 5000,
    "long key": ".".join("a" * MAX_BYTES) + " = 1",
    "no text": "a = '\ud800'",
}


@pytest.fixture(params=HOSTILE)
def hostile(request, tmp_path):
    path = tmp_path / "hostile.toml"
    path.write_bytes(HOSTILE[request.param].encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize("read", [MeasurementConfig.from_toml, OpenOptions.from_profile])
def test_hostile_files_are_refused_by_name(hostile, read):
    with pytest.raises(ConfigError, match=r"hostile\.toml"):
        read(hostile)


def test_a_file_of_the_longest_length_is_read(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text("a = 1\n".ljust(MAX_BYTES, "#"), encoding="utf-8")
    assert read_toml(path) == {"a": 1}
    path.write_text("a = 1\n".ljust(MAX_BYTES + 1, "#"), encoding="utf-8")
    with pytest.raises(ValueError, match=f"longer than {MAX_BYTES} bytes"):
        read_toml(path)
