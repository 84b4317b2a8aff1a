"""``columns`` and ``config``: made from the schema and the options, nothing by hand."""

import json

import pytest

from forcedsql.config import MeasurementConfig, describe_options
from forcedsql.schema import lsst_schema, source_schema


@pytest.mark.parametrize(("style", "schema"), [("lsst", lsst_schema), ("source", source_schema)])
def test_every_column_is_listed_with_a_meaning(cli, style, schema):
    listing = json.loads(cli("columns", "--columns", style, "--format", "json").out)
    assert [row["column"] for row in listing] == schema(MeasurementConfig(), "flux").names
    assert all(row["meaning"] and row["type"] for row in listing)


def test_options_change_the_listing(cli):
    out = cli("columns", "--set", "radii=5", "--set", "do_ap_corr=no").out
    assert "ap05Flux" in out
    assert "apCorr" not in out


def test_every_option_is_printed_with_its_meaning(cli):
    out = cli("config").out
    for name, _, meaning in describe_options():
        assert f"# {meaning}\n{name} = " in out


def test_what_config_prints_can_be_read_back(cli, tmp_path):
    settings = ["--set", "radii=3,7.5", "--set", "calibrate=never", "--set", "bad_mask_planes=SAT,CR"]
    (tmp_path / "c.toml").write_text(cli("config", *settings).out)
    expected = MeasurementConfig(radii=(3.0, 7.5), calibrate="never", bad_mask_planes=("SAT", "CR"))
    assert MeasurementConfig.from_toml(tmp_path / "c.toml") == expected
