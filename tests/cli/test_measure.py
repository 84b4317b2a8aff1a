"""``forcedsql measure``: files in, a file out, rows in order, faults named."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.measure import measure
from forcedsql.readers import open_exposure
from forcedsql.tables import field_metadata, read_table, write_table


@pytest.fixture
def positions(survey, tmp_path):
    table = read_table(survey / "source.parquet").select(["sourceId", "ra", "dec"]).slice(10, 40)
    path = tmp_path / "positions.parquet"
    write_table(table.take(np.random.default_rng(3).permutation(40)), path)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".fits", ".vot", ".arrow"])
def test_every_format_comes_out_with_rows_in_order(cli, visit_image, positions, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    result = cli("measure", visit_image, positions, "-o", out)
    assert result.code == 0, result.err
    assert result.out == ""
    got, given = read_table(out), read_table(positions)
    assert got["objectId"].to_pylist() == given["sourceId"].to_pylist()
    assert got.num_columns == 100
    expected = measure(open_exposure(visit_image), given)
    np.testing.assert_array_equal(
        got["base_PsfFlux_flux"].to_numpy(), expected["base_PsfFlux_flux"].to_numpy()
    )


def test_the_unit_of_fluxes_is_written(cli, visit_image, positions, tmp_path):
    cli("measure", visit_image, positions, "-o", tmp_path / "o.parquet", "--columns", "source")
    schema = read_table(tmp_path / "o.parquet").schema
    assert field_metadata(schema.field("psfFlux"))["unit"] == "nJy"


def test_the_summary_is_on_stderr(cli, visit_image, positions, tmp_path):
    result = cli("measure", visit_image, positions, "-o", tmp_path / "o.parquet")
    assert "800 x 800 pixels, PcaPsf" in result.err
    assert "40 positions measured in" in result.err
    assert f"100 columns written to {tmp_path / 'o.parquet'}" in result.err


@pytest.mark.parametrize("columns", ["lsst", "source"])
def test_positions_off_the_image_are_counted_and_keep_their_rows(cli, visit_image, tmp_path, columns):
    table = pa.table({"id": [5, 6], "ra": [53.2206, 120.0], "dec": [-28.2279, 10.0]})
    write_table(table, tmp_path / "p.csv")
    result = cli("measure", visit_image, tmp_path / "p.csv", "-o", tmp_path / "o.csv", "--columns", columns)
    assert "2 positions measured" in result.err
    assert "1 off the image" in result.err
    assert read_table(tmp_path / "o.csv").num_rows == 2


def test_columns_and_unit_can_be_named(cli, visit_image, positions, tmp_path):
    given = read_table(positions)
    radians = pa.table(
        {"name": given["sourceId"], "alpha": np.deg2rad(given["ra"]), "delta": np.deg2rad(given["dec"])}
    )
    write_table(radians, tmp_path / "rad.csv")
    names = ["--id-column", "name", "--ra-column", "alpha", "--dec-column", "delta", "--unit", "rad"]
    assert cli("measure", visit_image, tmp_path / "rad.csv", "-o", tmp_path / "a.parquet", *names).code == 0
    assert cli("measure", visit_image, positions, "-o", tmp_path / "b.parquet").code == 0
    a, b = (read_table(tmp_path / f"{n}.parquet")["base_TransformedCentroidFromCoord_x"] for n in "ab")
    # one rounding to radians and back: 1e-14 degrees are 2e-10 pixels of 0.2 arcsec
    np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), atol=1e-9)


def test_options_are_set_by_file_and_by_set_which_wins(cli, visit_image, positions, tmp_path):
    (tmp_path / "c.toml").write_text("radii = [5.0, 8.0]\ndo_ap_corr = true\n")
    result = cli(
        *("measure", visit_image, positions, "-o", tmp_path / "o.parquet", "--columns", "source"),
        *("--config", tmp_path / "c.toml", "--set", "do_ap_corr=false"),
    )
    assert result.code == 0
    names = read_table(tmp_path / "o.parquet").column_names
    assert [n for n in names if n.startswith("ap") and n.endswith("Flux")] == ["ap05Flux", "ap08Flux"]
    assert "psfFlux_apCorr" not in names


def test_no_rows_in_are_no_rows_out(cli, visit_image, tmp_path):
    write_table(
        pa.table(
            {
                "id": pa.array([], pa.int64()),
                "ra": pa.array([], pa.float64()),
                "dec": pa.array([], pa.float64()),
            }
        ),
        tmp_path / "p.parquet",
    )
    result = cli("measure", visit_image, tmp_path / "p.parquet", "-o", tmp_path / "o.parquet")
    assert result.code == 0, result.err
    assert read_table(tmp_path / "o.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{image}", "nowhere.csv", "-o", "{tmp}/o.csv"], 1, "nowhere.csv: there is no such file"),
        (["nowhere.fits", "{positions}", "-o", "{tmp}/o.csv"], 3, "nowhere.fits"),
        (["{positions}", "{positions}", "-o", "{tmp}/o.csv"], 3, "positions.parquet"),
        (["{image}", "{positions}", "-o", "{tmp}/o.xyz"], 1, "'.xyz'"),
        (["{image}", "{positions}", "-o", "{tmp}/o.csv", "--ra-column", "alpha"], 1, "'alpha'"),
        (
            ["{image}", "{positions}", "-o", "{tmp}/o.csv", "--set", "radius=3"],
            2,
            "'radius' is not an option",
        ),
        (["{image}", "{positions}", "-o", "{tmp}/o.csv", "--set", "radii=-3"], 2, "radii: -3.0"),
        (["{image}", "{positions}", "-o", "{tmp}/o.csv", "--config", "no.toml"], 2, "no.toml"),
    ],
)
def test_a_fault_is_one_line_with_its_exit_code(
    cli, visit_image, positions, tmp_path, arguments, code, message
):
    names = {"image": visit_image, "positions": positions, "tmp": tmp_path}
    result = cli("measure", *(a.format(**names) for a in arguments))
    assert result.code == code
    assert result.out == ""
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not list(tmp_path.glob("o.*"))


def test_a_wrong_output_suffix_is_told_before_anything_is_measured(cli, positions, tmp_path):
    assert "'.xyz'" in cli("measure", "nowhere.fits", positions, "-o", tmp_path / "o.xyz").err


def test_a_reference_exposure_is_reproduced_from_the_command_line(cli, reference, tmp_path):
    folder = reference / "singlegauss_tan"
    result = cli(
        *("measure", folder / "exposure.fits", folder / "positions.parquet", "-o", tmp_path / "o.parquet"),
        *("--set", "calibrate=never"),
    )
    assert result.code == 0
    got, expected = read_table(tmp_path / "o.parquet"), read_table(folder / "expected.parquet")
    assert got.num_columns == expected.num_columns
    flux, error = (expected[f"base_PsfFlux_instFlux{s}"].to_numpy() for s in ("", "Err"))
    difference = (got["base_PsfFlux_flux"].to_numpy() - flux) / error
    assert np.nanmax(np.abs(difference)) < 1e-8  # sigma, as the issue asks


def test_the_background_that_was_subtracted_is_written(cli, visit_image, positions, tmp_path):
    out = tmp_path / "o.parquet"
    result = cli("measure", visit_image, positions, "-o", out, "--set", "subtract_background=mesh")
    assert result.code == 0, result.err
    assert "sky         taken off by subtract_background=mesh" in result.err
    assert read_table(out).schema.metadata[b"forcedsql.background"].startswith(b"mesh of 64 pixels")


def test_positions_that_move_are_measured_where_they_are_seen(cli, visit_image, positions, tmp_path):
    still = read_table(positions)
    n = still.num_rows
    moving = still.append_column("pm_dec", pa.array([200.0] * n)).append_column(
        "ref_epoch", pa.array([2014.9] * n)
    )
    write_table(moving, tmp_path / "moving.fits")
    places = {}
    for name, options in (("auto", ()), ("never", ("--set", "space_motion=never"))):
        out = tmp_path / f"{name}.parquet"
        result = cli("measure", visit_image, tmp_path / "moving.fits", "-o", out, *options)
        assert result.code == 0, result.err
        places[name] = read_table(out)
    x, y = (
        places["auto"][f"slot_Centroid_{axis}"].to_numpy()
        - places["never"][f"slot_Centroid_{axis}"].to_numpy()
        for axis in "xy"
    )
    # Ten years of 0.2 arcsec, in pixels of 0.2 arcsec.
    np.testing.assert_allclose(np.hypot(x, y), 10.0, atol=0.3)
    assert places["auto"]["coord_dec"].equals(places["never"]["coord_dec"])
