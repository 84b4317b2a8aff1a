"""``plugins``: made from the plugins' own declarations."""

import json

from forcedsql.plugins import find_plugin, plugin_names


def test_every_plugin_is_listed_with_its_columns_and_options(cli):
    listing = {row["plugin"]: row for row in json.loads(cli("plugins", "--format", "json").out)}
    assert set(listing) == set(plugin_names())
    assert listing["base_PsfFlux"]["runs"]
    assert not listing["base_SdssShape"]["runs"]
    assert "psfFlux_area" in listing["base_PsfFlux"]["columns"]
    assert listing["base_Variance"]["options"] == "scale, mask"
    assert all(row["summary"] for row in listing.values())


def test_a_setting_changes_which_ones_run(cli):
    setting = "plugins=base_TransformedCentroidFromCoord,base_Jacobian"
    listing = json.loads(cli("plugins", "--set", setting, "--format", "json").out)
    running = {row["plugin"] for row in listing if row["runs"]}
    assert running == {"base_TransformedCentroidFromCoord", "base_Jacobian"}


def test_one_plugin_is_listed_with_units_and_the_values_of_its_options(cli):
    out = cli("plugins", "base_LocalBackground", "--set", "base_LocalBackground.bgIter=5").out
    for option in find_plugin("base_LocalBackground").options:
        assert f"base_LocalBackground.{option.name}" in out
        assert option.meaning in out
    assert "(now 5)" in out
    assert "sky  " in out


def test_an_unknown_plugin_is_a_usage_error_that_lists_the_known(cli):
    result = cli("plugins", "base_Nothing")
    assert result.code != 0
    assert "'base_Nothing' is not known; there are base_CircularApertureFlux" in result.err


def test_what_config_prints_of_slots_and_plugins_can_be_read_back(cli, tmp_path):
    from forcedsql.config import MeasurementConfig

    settings = ["slots.shape=base_SdssShape", "base_Variance.scale=3", "base_Variance.mask=SAT,BAD"]
    arguments = [a for s in settings for a in ("--set", s)]
    (tmp_path / "c.toml").write_text(cli("config", *arguments).out)
    config = MeasurementConfig.from_toml(tmp_path / "c.toml")
    assert config == MeasurementConfig().with_settings(settings)
    assert config.plugin_option("base_Variance", "mask") == ("SAT", "BAD")
