"""Plugins are found by name; those of other packages take part without any change here."""

import subprocess
import sys
from pathlib import Path

import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError
from forcedsql.plugins import BUILT_IN, FLUX_ORDER, Plugin, find_plugin, plugin_names, plugins_in_order
from forcedsql.schema import flux_of, lsst_names, measured_columns, source_schema, value_column

PACKAGE = Path(__file__).parent / "plugin_package"
FORCED = "base_TransformedCentroidFromCoord"


def with_plugins(*names, **options):
    return MeasurementConfig(plugins=(FORCED, *names), **options)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_plugin_is_what_its_entry_says(name):
    plugin = find_plugin(name)
    assert plugin.name == name
    assert len(plugin.summary) > 15
    assert all(len(option.meaning) > 15 for option in plugin.options)
    if not plugin.slots:
        columns = plugin.columns(with_plugins(name))
        assert all(c.lsst is None or c.lsst.startswith(name) for c in columns)


def test_listing_names_imports_no_measurement():
    code = "import sys, forcedsql.plugins as p; p.plugin_names(); print('forcedsql.measure' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_an_unknown_plugin_is_refused_and_those_known_are_listed():
    for option in ("plugins", "undeblended"):
        names = (FORCED, "base_Nothing") if option == "plugins" else ("base_Nothing",)
        with pytest.raises(ConfigError, match=f"{option}: 'base_Nothing' is not known; there are base_"):
            MeasurementConfig(**{option: names})


def test_plugins_run_by_stage_and_then_by_name():
    names = ("base_PsfFlux", "base_GaussianFlux", "base_SdssShape", "base_FootprintArea", FORCED)
    order = [plugin.name for plugin in plugins_in_order(names)]
    assert order == [FORCED, "base_SdssShape", "base_GaussianFlux", "base_PsfFlux", "base_FootprintArea"]


def test_all_plugins_together_have_columns_of_different_names():
    config = with_plugins(*BUILT_IN, slots={"shape": "base_SdssShape"})
    for style in ("source", "lsst"):
        names = [getattr(c, style) for c in measured_columns(config) if getattr(c, style)]
        assert len(set(names)) == len(names)
    for field in source_schema(config, "nJy"):
        assert field.metadata[b"ucd"]
        assert len(field.metadata[b"description"]) > 10, field.name


def test_a_slot_repeats_the_columns_of_its_plugin():
    config = with_plugins("base_SdssShape", slots={"shape": "base_SdssShape", "psf_flux": ""})
    names = [name for name, _ in lsst_names(config)]
    at = names.index("base_SdssShape_psf_xx")
    assert names[at : at + 3] == ["base_SdssShape_psf_xx", "slot_PsfShape_xx", "slot_Shape_psf_xx"]
    assert not [n for n in names if n.startswith("slot_PsfFlux")]


def test_a_plugin_without_the_slot_that_it_reads_is_refused():
    with pytest.raises(ConfigError, match=r"slots\.shape: base_GaussianFlux needs it"):
        measured_columns(with_plugins("base_SdssShape", "base_GaussianFlux"))


def test_a_slot_of_a_plugin_that_does_not_run_is_refused():
    with pytest.raises(
        ConfigError, match=r"slots\.apFlux: no column begins with base_CircularApertureFlux_13_0"
    ):
        measured_columns(MeasurementConfig(slots={"apFlux": "base_CircularApertureFlux_13_0"}))


def test_undeblended_columns_carry_the_prefix():
    config = MeasurementConfig(undeblended=("base_PsfFlux",))
    names = [c.lsst for c in measured_columns(config)]
    assert names.index("undeblended_base_PsfFlux_flux") < names.index("base_InvalidPsf_flag")
    assert "undeblended_base_PsfFlux_apCorr" not in names


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The example package, installed into a folder of its own as pip would."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "peak_pixel").symlink_to(PACKAGE / "peak_pixel")
    metadata = folder / "forcedsql_peak_pixel-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: forcedsql-peak-pixel\nVersion: 0.1\n")
    entry = (
        "[forcedsql.plugins]\nexample_PeakPixel = peak_pixel:PLUGIN\nexample_Broken = peak_pixel:NOTHING\n"
        "example_Misnamed = peak_pixel:PLUGIN\nexample_Number = math:pi\n"
    )
    (metadata / "entry_points.txt").write_text(entry)
    return folder


@pytest.fixture
def third_party(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    find_plugin.cache_clear()
    measured_columns.cache_clear()
    yield
    find_plugin.cache_clear()
    measured_columns.cache_clear()


def test_the_test_declares_the_entry_point_that_the_package_does():
    text = (PACKAGE / "pyproject.toml").read_text()
    assert '[project.entry-points."forcedsql.plugins"]\nexample_PeakPixel = "peak_pixel:PLUGIN"' in text


@pytest.mark.usefixtures("third_party")
def test_a_third_party_plugin_is_listed_and_has_its_columns():
    assert "example_PeakPixel" in plugin_names()
    config = with_plugins("example_PeakPixel")
    assert [c.source for c in measured_columns(config)][3:5] == ["peakPixel", "peakPixel_flag"]
    assert config.plugin_option("example_PeakPixel", "halfWidth") == 2


@pytest.mark.usefixtures("third_party")
def test_a_third_party_plugin_measures_in_sql():
    import numpy as np

    from forcedsql.database import connect, ingest, load_catalog, quote_literal
    from forcedsql.measure import measure
    from forcedsql.readers import open_exposure
    from forcedsql.resources import data_dir
    from forcedsql.tables import read_table

    survey = data_dir() / "survey"
    image = next(survey.glob("visit_image*.fits"))
    config = MeasurementConfig().with_settings(
        [f"plugins={FORCED},base_PsfFlux,example_PeakPixel", "example_PeakPixel.halfWidth=1"]
    )
    with connect(config=config) as con:
        (registered,) = ingest(con, image)
        load_catalog(con, "source", survey / "source.parquet")
        exposure_id = quote_literal(registered.exposure_id)
        rows = con.sql(f"FROM forced_photometry({exposure_id}, source)").fetchnumpy()
        values = con.sql(f"FROM forced_measurement({exposure_id}, source)").fetchnumpy()
    table = measure(
        open_exposure(image), read_table(survey / "source.parquet"), config=config, columns="source"
    )
    np.testing.assert_array_equal(rows["peakPixel"], table["peakPixel"].to_numpy())
    np.testing.assert_array_equal(np.sort(values["example_PeakPixel_value"]), np.sort(rows["peakPixel"]))
    np.testing.assert_array_equal(np.isnan(rows["peakPixel"]), rows["peakPixel_flag"])
    assert rows["peakPixel_flag"].mean() < 0.01


@pytest.mark.usefixtures("third_party")
def test_a_package_that_does_not_keep_its_word_is_named():
    with pytest.raises(ConfigError, match="'example_Broken' of forcedsql-peak-pixel cannot be loaded"):
        measured_columns(with_plugins("example_Broken"))


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    ("name", "value"), [("example_Misnamed", "peak_pixel:PLUGIN"), ("example_Number", "math:pi")]
)
def test_an_entry_point_that_is_not_the_plugin_of_its_name_is_refused(name, value):
    with pytest.raises(
        ConfigError, match=f"{value} of forcedsql-peak-pixel is not a Plugin of the name '{name}'"
    ):
        find_plugin(name)


def plugin_of(name, *columns, **options):
    return Plugin(
        name=name,
        summary="a plugin of a test",
        order=FLUX_ORDER,
        columns=lambda _: columns,
        measure=lambda _batch, _config: {},
        **options,
    )


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (("flux", "one_flux"), ("flux", "two_flux"), "flux"),
        (("a", "one_flux"), ("b", "one_flux"), "one_flux"),
    ],
)
def test_two_plugins_that_give_a_column_of_one_name_are_refused(monkeypatch, first, second, name):
    plugins = [
        plugin_of(f"example_{source}", value_column(source, lsst, "a flux", ucd="phot.flux"))
        for source, lsst in (first, second)
    ]
    monkeypatch.setattr("forcedsql.schema.plugins_in_order", lambda names: tuple(plugins) if names else ())
    with pytest.raises(ConfigError, match=f"two of them give a column '{name}'; leave one of them out"):
        measured_columns.__wrapped__(MeasurementConfig())


def test_a_plugin_to_be_corrected_for_the_aperture_has_a_flux_of_its_name():
    with pytest.raises(ConfigError, match="example_X says ap_corr but has no column example_X_flux"):
        flux_of(plugin_of("example_X", ap_corr=True), MeasurementConfig())
