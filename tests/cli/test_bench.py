"""``bench``: data on stdout, narration on stderr, and every figure in a file."""

import json
import sys

import pytest

from forcedsql.cli.bench import QUICK, parse_options
from forcedsql.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")  # of peers

TINY = ("--sizes", "20", "--psf", "gaussian", "--threads", "1", "--rounds", "1", "--image-size", "200")
ALONE = (*TINY, "--peers", "none", "--no-lightcurve", "--no-sql", "--no-memory")


def test_the_table_is_on_stdout_and_the_rest_on_stderr(cli):
    result = cli("bench", *ALONE)
    assert result.code == 0
    assert "forcedsql numpy" in result.out
    assert "SingleGaussianPsf 25 x 25: 20 positions on 200 x 200" in result.err
    assert "SingleGaussianPsf 25 x 25: 20 positions" not in result.out


def test_markdown_and_json_are_formats(cli):
    assert "\n| PSF | positions |" in cli("bench", *ALONE, "--format", "markdown").out
    assert json.loads(cli("bench", *ALONE, "--format", "json").out)["side"] == 200


def test_files_are_written(cli, tmp_path):
    result = cli("bench", *ALONE, "--json", tmp_path / "b.json", "--plot", tmp_path / "b.png")
    assert result.code == 0, result.err
    assert {row["psf"] for row in json.loads((tmp_path / "b.json").read_text())["rows"]} == {"gaussian"}
    assert (tmp_path / "b.png").stat().st_size > 5000


def test_quick_is_a_smaller_run_and_options_beside_it_count(cli):
    quick = parse_options(QUICK, rounds=2, side=4000, exposures=0, sql=False, memory=True)
    assert (quick.sizes, quick.psfs, quick.peers) == ((1000, 10_000), ("gaussian", "varying"), ("sep",))
    result = cli("bench", "--quick", *ALONE, "--format", "json")
    assert {row["count"] for row in json.loads(result.out)["rows"]} == {20}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--sizes", "many"), "--sizes: 'many' is not a whole number"),
        (("--threads", "-1"), "--threads: '-1' is not a whole number"),
        (("--psf", "moffat"), "--psf: 'moffat' is not one of gaussian, varying, piff, coadd"),
        (("--peers", "iraf"), "--peers: 'iraf' is not one of sep, photutils"),
        (("--exposures", "-3"), "--exposures must be at least"),
    ],
)
def test_a_wrong_option_is_code_2_in_one_line(cli, arguments, text):
    result = cli("bench", *arguments)
    assert result.code == 2
    assert text in result.err
    assert result.out == ""


def test_quick_has_two_rounds_and_no_light_curve(cli, monkeypatch):
    asked = []

    def stop(options, **_):
        asked.append(options)
        raise ConfigError("enough")

    monkeypatch.setattr("forcedsql.bench.run", stop)
    assert cli("bench", "--quick", "--threads", "1, all").code == 2
    (options,) = asked
    assert (options.rounds, options.threads, options.exposures) == (2, (1, 0), 0)


def test_without_threadpoolctl_it_says_that_numpy_may_use_all_threads(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    result = cli("bench", *ALONE)
    assert result.code == 0
    assert result.err.startswith("threadpoolctl is not installed: NumPy may use all threads everywhere\n")
