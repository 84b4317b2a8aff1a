"""``compare`` and ``plot`` on the command line."""

import json

import pytest

from forcedsql.tables import read_table


def test_compare_prints_the_bins(cli, database):
    result = cli("compare", database, "measured", "source", "--format", "json")
    assert result.code == 0, result.err
    bins = json.loads(result.out)
    assert list(bins[0]) == [
        "magnitude",
        "n",
        "median_ratio",
        "scatter",
        "median_pull",
        "pull_scatter",
        "outlier_fraction",
    ]
    # the sources were measured on this very image, at positions rounded to 1e-9 pixels
    assert all(abs(b["median_ratio"] - 1.0) < 1e-4 for b in bins if b["magnitude"] < 22)


def test_a_comparison_inside_its_gate_is_code_0(cli, database):
    gate = ["--gate", "median_ratio=1e-4", "--gate", "faintest=22"]
    result = cli("compare", database, "measured", "source", *gate)
    assert result.code == 0
    assert "within the tolerance" in result.err


def test_a_comparison_outside_its_gate_is_code_4_and_still_printed(cli, database):
    result = cli("compare", database, "measured", "source", "--flux", "ap12Flux", "--gate", "scatter=1e-15")
    assert result.code == 4
    assert result.out.startswith("magnitude")
    assert "scatter" in result.err
    assert "is not within 1e-15 of 0 at magnitude" in result.err


def test_the_reference_may_call_its_flux_otherwise(cli, database):
    cli(
        "sql",
        database,
        "CREATE TABLE object AS SELECT sourceId AS objectId, psfFlux AS i_psfFlux FROM source",
    )
    result = cli(
        "compare", database, "measured", "object", "--reference-flux", "i_psfFlux", "--format", "json"
    )
    assert len(json.loads(result.out)) > 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nosuch", "source"], 1, "nosuch"),
        (["measured", "source", "--flux", "noFlux"], 1, "noFlux"),
        (["measured", "source", "--gate", "ratio=1"], 2, "'ratio' is not a tolerance"),
    ],
)
def test_a_wrong_name_is_one_line(cli, database, arguments, code, message):
    result = cli("compare", database, *arguments)
    assert result.code == code
    assert message in result.err
    assert result.err.count("\n") == 1


def test_tables_without_common_ids_do_not_pass_a_gate(cli, database):
    cli("sql", database, "CREATE TABLE other AS SELECT -sourceId AS id, psfFlux FROM source")
    result = cli("compare", database, "measured", "other", "--gate", "median_ratio=1")
    assert result.code == 4
    assert "check that the ids match" in result.err


def test_the_bins_can_be_saved(cli, database, tmp_path):
    result = cli("compare", database, "measured", "source", "--bin", "0.5", "-o", tmp_path / "bins.ecsv")
    assert (result.code, result.out) == (0, "")
    magnitudes = read_table(tmp_path / "bins.ecsv")["magnitude"].to_pylist()
    assert any(m % 1 == 0.5 for m in magnitudes)


def test_a_row_per_value_of_a_column_on_request(cli, database):
    cli("sql", database, "ALTER TABLE measured ADD COLUMN half INTEGER; UPDATE measured SET half = id % 2")
    result = cli("compare", database, "measured", "source", "--by", "half", "--format", "json")
    rows = json.loads(result.out)
    assert [row["half"] for row in rows] == ["0", "1"]
    assert all(abs(row["median_ratio"] - 1.0) < 1e-4 for row in rows)


def test_a_gate_may_be_a_file(cli, database, tmp_path):
    (tmp_path / "gate.toml").write_text("median_ratio = 1e-4\n[bins]\nfaintest = 22\n")
    assert cli("compare", database, "measured", "source", "--gate", tmp_path / "gate.toml").code == 0
    (tmp_path / "gate.toml").write_text("median = 1e-4\n")
    result = cli("compare", database, "measured", "source", "--gate", tmp_path / "gate.toml")
    assert result.code == 2
    assert "'median' is not a tolerance" in result.err


def test_plot_writes_a_figure(cli, database, tmp_path):
    result = cli("plot", database, "measured", "source", "-o", tmp_path / "p.png", "--title", "visit")
    assert result.code == 0, result.err
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert "428 matched rows plotted" in result.err


def test_a_figure_of_unknown_kind_is_one_line(cli, database, tmp_path):
    result = cli("plot", database, "measured", "source", "-o", tmp_path / "p.xyz")
    assert result.code == 1
    assert "p.xyz" in result.err


def test_plot_draws_exposures_one_by_one_on_request(cli, database, tmp_path):
    cli("sql", database, "CREATE TABLE several AS SELECT *, id % 3 AS exposure_id FROM measured")
    plot = tmp_path / "panels.png"
    result = cli("plot", database, "several", "source", "--by", "exposure_id", "-o", plot)
    assert result.code == 0, result.err
    assert result.err == f"3 groups of rows plotted in {plot}\n"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_an_exposure_with_too_few_sources_is_named_and_not_judged(cli, database):
    cli(
        "sql",
        database,
        "CREATE TABLE several AS SELECT *, CASE WHEN row_number() OVER () < 4 THEN 'few' ELSE 'many' END "
        "AS exposure_id FROM measured",
    )
    result = cli("compare", database, "several", "source", "--gate", "median_ratio=1")
    assert result.code == 0, result.err
    assert "1 exposure not judged, with fewer than 10 sources: few\n" in result.err
