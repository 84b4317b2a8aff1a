import pytest

from forcedsql.config import MeasurementConfig, describe_options
from forcedsql.errors import ConfigError


def test_the_defaults_are_the_tutorials():
    config = MeasurementConfig()
    assert config.radii == (3, 4.5, 6, 9, 12, 17, 25, 35, 50, 70)
    assert (config.do_ap_corr, config.psf_footprint_scaling, config.max_sinc_radius) == (True, 3.0, 10.0)
    assert (config.sinc_shift, config.off_image, config.calibrate) == ("lanczos5", "flag", "auto")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radii": (3, -1)}, "radii: -1.0 is not a radius"),
        ({"radii": (3, 3.04)}, "radii: two of them are 3.0"),
        ({"radii": 5}, "radii: 5 is not a list"),
        ({"radii": ("big",)}, "radii: 'big' is not a number"),
        ({"radii": (float("nan"),)}, "radii: nan is not a radius"),
        ({"sinc_shift": "cubic"}, "sinc_shift: 'cubic' is not one of lanczos5, exact"),
        ({"off_image": "skip"}, "off_image: 'skip' is not one of flag, raise"),
        ({"do_ap_corr": "perhaps"}, "do_ap_corr: 'perhaps' is not true or false"),
        ({"max_sinc_radius": 65}, "max_sinc_radius: 65.0 is not between 0 and 64"),
        ({"psf_footprint_scaling": 0}, "psf_footprint_scaling: 0.0 is not between"),
        ({"plugins": ("base_SdssShape2",)}, "plugins: 'base_SdssShape2' is not known"),
        ({"plugins": ("base_PsfFlux",)}, "cannot be left out"),
        ({"bad_mask_planes": ("",)}, "bad_mask_planes: '' is not a name"),
        ({"colour": 1}, "'colour' is not an option; there are do_ap_corr"),
    ],
)
def test_an_unusable_option_is_named_with_its_value(options, message):
    with pytest.raises(ConfigError) as error:
        MeasurementConfig.from_mapping(options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_are_texts_of_option_and_value():
    config = MeasurementConfig().with_settings(
        ["radii=3,12", "do-ap-corr=no", "calibrate=never", "bad_mask_planes=SAT, BAD", "max_sinc_radius=5"]
    )
    assert config.radii == (3.0, 12.0)
    assert config.bad_mask_planes == ("SAT", "BAD")
    assert (config.do_ap_corr, config.calibrate, config.max_sinc_radius) == (False, "never", 5.0)


@pytest.mark.parametrize("text", ["radii", "nothing=1", "radii=x"])
def test_a_setting_that_is_not_one_is_refused(text):
    with pytest.raises(ConfigError):
        MeasurementConfig().with_settings([text])


def test_a_configuration_file_is_toml(tmp_path):
    path = tmp_path / "options.toml"
    path.write_text('radii = [3, 6]\nsinc_shift = "exact"\n')
    assert MeasurementConfig.from_toml(path) == MeasurementConfig(radii=(3, 6), sinc_shift="exact")
    path.write_text("radii = [")
    with pytest.raises(ConfigError, match="is not a TOML file"):
        MeasurementConfig.from_toml(path)
    with pytest.raises(ConfigError, match="cannot read configuration"):
        MeasurementConfig.from_toml(tmp_path / "absent.toml")


def test_the_digest_tells_configurations_apart_and_survives_a_round_trip():
    config = MeasurementConfig(radii=(3, 12))
    assert MeasurementConfig.from_mapping(config.to_mapping()).digest() == config.digest()
    assert config.digest() != MeasurementConfig().digest()


def test_every_option_has_a_meaning():
    assert all(len(meaning) > 20 for _, _, meaning in describe_options())
    meanings = {name: meaning for name, _, meaning in describe_options()}
    assert meanings["off_image"].endswith("; one of flag, raise")


def test_slots_and_plugin_options_are_given_as_mappings_tables_or_settings(tmp_path):
    python = MeasurementConfig(
        slots={"shape": "base_SdssShape"},
        plugin_options={"base_Variance": {"scale": 3}, "base_LocalBackground": {"badMaskPlanes": ["SAT"]}},
    )
    path = tmp_path / "options.toml"
    path.write_text(
        '[slots]\nshape = "base_SdssShape"\n[base_Variance]\nscale = 3\n'
        '[base_LocalBackground]\nbadMaskPlanes = ["SAT"]\n'
    )
    settings = [
        "slots.shape=base_SdssShape",
        "base_Variance.scale=3",
        "base_LocalBackground.badMaskPlanes=SAT",
    ]
    assert MeasurementConfig.from_toml(path) == python
    assert MeasurementConfig().with_settings(settings) == python
    assert MeasurementConfig.from_mapping(python.to_mapping()) == python
    assert hash(MeasurementConfig.from_toml(path)) == hash(python)
    assert python.plugin_option("base_Variance", "scale") == 3.0
    assert MeasurementConfig().plugin_option("base_Variance", "scale") == 5.0
    assert python.slots.psf_shape == "base_SdssShape_psf"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots.form": "x"}, "slots.form is not a slot; there are centroid, shape, psfShape"),
        ({"slots.shape": 5}, "slots.shape: 5 is not the name of a plugin"),
        (
            {"slots.centroid": "base_SdssCentroid"},
            "slots.centroid: 'base_SdssCentroid' is not base_Transformed",
        ),
        (
            {"base_Variance.size": 1},
            "base_Variance.size is not an option of base_Variance; there are scale, mask",
        ),
        ({"base_Variance.scale": "big"}, "base_Variance.scale: 'big' is not a number"),
        ({"base_Variance": {"mask": "SAT"}}, "base_Variance.mask: 'SAT' is not a list"),
        ({"base_PsfFlux.size": 1}, "base_PsfFlux.size is not an option of base_PsfFlux; it has none"),
        ({"base_Nothing.size": 1}, "base_Nothing.size: 'base_Nothing' is not known; there are base_"),
        (
            {"noise_source": "sky"},
            "noise_source: 'sky' is not one of measure, variance, meta, variance_median",
        ),
        ({"noise_seed": 1.5}, "noise_seed: 1.5 is not a whole number"),
        ({"noise_seed": -1}, "noise_seed: -1 is not between 0"),
    ],
)
def test_an_unusable_slot_or_plugin_option_is_named_with_its_choices(options, message):
    with pytest.raises(ConfigError) as error:
        MeasurementConfig.from_mapping(options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("slots", [["base_SdssShape"], "base_SdssShape", 3])
def test_slots_that_are_no_mapping_are_refused(slots):
    with pytest.raises(ConfigError, match="is not a mapping of slots to plugins"):
        MeasurementConfig(slots=slots)
