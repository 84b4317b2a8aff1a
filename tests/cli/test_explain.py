"""``explain`` on the command line."""

import pytest

from forcedsql.tables import read_table
from tests.cli.conftest import VISIT


@pytest.fixture(scope="module")
def star(survey):
    """Id and position of the 100th source, which is not flagged."""
    source = read_table(survey / "source.parquet")
    return {name: source[name][100].as_py() for name in ("sourceId", "ra", "dec", "psfFlux")}


def test_an_id_is_explained_and_drawn(cli, database, star, tmp_path):
    result = cli(
        "explain", database, VISIT, star["sourceId"], "--positions", "source", "--plot", tmp_path / "s.png"
    )
    assert result.code == 0, result.err
    lines = dict(line.split("  ", maxsplit=1) for line in result.out.splitlines())
    assert lines["exposure"].strip() == VISIT
    assert lines["from table"].strip() == "source"
    assert float(lines["psfFlux"].split()[0]) == pytest.approx(star["psfFlux"], rel=1e-4)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert f"stamps: {tmp_path / 's.png'}" in result.err


def test_a_position_gives_the_same_numbers(cli, database, star):
    by_id = cli("explain", database, VISIT, star["sourceId"]).out.splitlines()
    by_position = cli("explain", database, VISIT, f"{star['ra']!r},{star['dec']!r}").out.splitlines()
    assert by_id[2:] == by_position[1:]


def test_the_configuration_decides_what_is_measured(cli, database):
    result = cli("explain", database, VISIT, "53.22,-28.22", "--set", "radii=5")
    assert "ap05Flux" in result.out
    assert "ap12Flux" not in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["visit:0:0", "53.2,-28.2"], 3, "no exposure 'visit:0:0' is registered"),
        ([VISIT, "17"], 1, "there is no id 17 in forced_source or measured or source"),
        ([VISIT, "53.2,north"], 2, "neither an id nor a position"),
        ([VISIT, "17", "--positions", "nowhere"], 1, "cannot look for positions in 'nowhere'"),
        ([VISIT, "53.2,95", "--plot", "s.png"], 1, "there is nothing to draw"),
    ],
)
def test_what_goes_wrong_is_one_line(cli, database, arguments, code, message):
    result = cli("explain", database, *arguments)
    assert result.code == code
    assert message in result.err
    assert result.err.count("\n") == 1
