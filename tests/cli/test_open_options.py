"""Plain FITS images on the command line: options in, and on stderr what was taken."""

import inspect

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from forcedsql.cli.catalogs import ingest
from tests.readers.plain.plain_file import SHAPE, SIGMA, noise, write_one


@pytest.fixture
def image(tmp_path):
    """An image in adu, and beside it something that may be its noise."""
    write_one(tmp_path / "night.fits", noise(), BUNIT="adu")
    sigma = np.full(SHAPE, SIGMA, np.float32)
    fits.PrimaryHDU(sigma).writeto(tmp_path / "sigma.fits")
    return tmp_path / "night.fits"


@pytest.fixture
def nights(cli, tmp_path):
    path = tmp_path / "nights.duckdb"
    assert cli("init", path).code == 0
    return path


def test_ingest_says_line_by_line_what_it_took(cli, nights, image, tmp_path):
    options = (
        "--error",
        tmp_path / "sigma.fits",
        "--error-kind",
        "rms",
        "--zeropoint",
        "25",
        "--mask",
        "none",
    )
    result = cli("ingest", nights, image, *options, "--psf", "gaussian:2.5")
    assert result.code == 0
    assert result.out == f"night\tadded\t{image}\n"
    lines = [line.strip() for line in result.err.splitlines()]
    assert lines[0] == "night:"
    for start in (
        "image       night.fits[0] in adu",
        "error       rms, from sigma.fits[0]; 5 per pixel, the sky's own noise is ",
        "mask        none",
        "PSF         ",
        "zero point  25 (AB); 1 unit is 363.07",
        "background  subtracted, its level is",
    ):
        assert any(line.startswith(start) for line in lines), (start, lines)
    again = cli("ingest", nights, image, *options, "--psf", "gaussian:2.5")
    assert again.out == f"night\tunchanged\t{image}\n"
    assert again.err == result.err


def test_doctor_warns_of_a_variance_that_is_not_that_of_the_sky(cli, nights, image, tmp_path):
    cli("ingest", nights, image)
    right = cli("doctor", nights)
    assert right.code == 0
    assert "OK    night: the noise of the sky is 1.0" in right.out
    cli("ingest", nights, image, "--error", tmp_path / "sigma.fits", "--error-kind", "variance")
    wrong = cli("doctor", nights)
    assert wrong.code == 0
    assert "WARN  night: the noise of the sky is 2.2" in wrong.out
    assert "the variance of 1 of 1 exposure does not agree" in wrong.err
    image.unlink()
    gone = cli("doctor", nights)
    assert gone.code == 1
    assert "FAIL  night: " in gone.out


def test_measure_takes_the_options_too(cli, image, tmp_path):
    (tmp_path / "p.csv").write_text("id,ra,dec\n1,150.0,2.0\n")
    plain = cli("measure", image, tmp_path / "p.csv", "-o", tmp_path / "a.parquet", "--zeropoint", "31.4")
    assert plain.code == 0
    assert "zero point  31.4 (AB)" in plain.err
    cli("measure", image, tmp_path / "p.csv", "-o", tmp_path / "b.parquet", "--zeropoint", "28.9")
    errors = [
        pq.read_table(tmp_path / f"{name}.parquet")["base_CircularApertureFlux_3_0_fluxErr"][0].as_py()
        for name in "ab"
    ]
    assert errors[1] == pytest.approx(10 * errors[0], rel=1e-9)


def test_info_shows_what_was_taken(cli, image):
    result = cli("info", image, "--open", "saturation=1000", "--gain", "2")
    assert result.code == 0
    assert "taken for error" in result.out
    assert "plus photon noise at 2 e- per unit" in result.out


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--profile", "decan"), 2, "no file and none of decam"),
        (("--error-kind", "sigma"), 2, "error_kind: 'sigma' is not one of"),
        (("--open", "nothing=1"), 2, "'nothing' is no option of opening"),
        (("--error", "none.fits", "--error-kind", "rms"), 3, "there is no file 'none.fits' here or beside"),
        (("--zeropoint", "MAGZP"), 3, "the header has no number MAGZP"),
    ],
)
def test_unusable_options_are_one_line(cli, image, options, code, message):
    result = cli("info", image, *options)
    assert result.code == code
    assert message in result.err
    assert result.err.count("\n") == 1


def test_a_profile_of_ones_own_is_a_file(cli, image, tmp_path):
    (tmp_path / "mine.toml").write_text('error = "sigma.fits"\nerror_kind = "rms"\nzeropoint = 27.0\n')
    result = cli("info", image, "--profile", tmp_path / "mine.toml", "--zeropoint", "26")
    assert "profile mine" in result.out
    assert "rms, from sigma.fits[0]" in result.out
    assert "26 (AB)" in result.out


def test_the_options_are_those_of_every_command_and_are_explained(cli):
    for command in ("ingest", "measure", "info"):
        text = cli(command, "--help").out
        for option in ("--profile", "--error-kind", "--mask-kind", "--zeropoint", "--psf", "--open"):
            assert option in text
    assert "opening" not in inspect.signature(ingest).parameters
