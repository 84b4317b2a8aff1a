"""OpenOptions: profiles, settings, and what is refused."""

import pytest

from forcedsql.errors import ConfigError
from forcedsql.open_options import OpenOptions, profile_names, psf_file, recognised_profile


def test_what_is_given_survives_json():
    options = OpenOptions(
        error="w.fits[1]", error_kind="weight", gain=2.5, photon_noise=False, mask_codes=((3, "SAT"), (1, ""))
    )
    assert OpenOptions.from_json(options.to_json()) == options
    assert OpenOptions().to_json() == "{}"


@pytest.mark.parametrize("text", ["", "[]", "3", '{"no": 1}', "{"])
def test_damaged_json_is_refused(text):
    with pytest.raises(ConfigError):
        OpenOptions.from_json(text)


def test_the_profiles_of_the_package_are_all_usable():
    assert profile_names() == ("decam", "hst-drz", "jwst", "sdss", "swarp", "ztf")
    for name in profile_names():
        assert OpenOptions.from_profile(name).profile == name


def test_a_profile_may_be_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'zeropoint = 25.3\nerror = "{stem}_sig.fits"\nerror_kind = "rms"\n[mask_codes]\n2 = "CR"\n'
    )
    options = OpenOptions.from_profile(path)
    assert (options.profile, options.zeropoint, options.mask_codes) == ("mine", 25.3, ((2, "CR"),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zeropint = 25", "'zeropint' is no option of opening"),
        ("error_kind = 'sigma'", "error_kind: 'sigma' is not one of variance"),
        ("x = ", "Invalid value"),
        ("band = 1.5", "band: 1.5 is not text"),
    ],
)
def test_an_unusable_profile_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        OpenOptions.from_profile(path)
    assert str(path) in str(caught.value)


def test_an_unknown_profile_names_those_that_there_are():
    with pytest.raises(ConfigError, match="no file and none of decam, hst-drz"):
        OpenOptions.from_profile("decan")


def test_options_stand_above_the_profile():
    given = OpenOptions(zeropoint=25.0, error="none", error_kind="none")
    options = OpenOptions.from_profile("decam").updated(given)
    assert (options.zeropoint, options.error_kind, options.mask_kind) == (25.0, "none", "values")


def test_settings_have_types():
    options = OpenOptions().with_settings(
        ["gain=2.5", "saturation=SATURATE", "photon_noise=yes", "mask_codes=1=BAD,3=SAT", "origin=10,-20"]
    )
    assert (options.gain, options.saturation, options.photon_noise) == (2.5, "SATURATE", True)
    assert (options.mask_codes, options.xy0) == (((1, "BAD"), (3, "SAT")), (10, -20))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("gain", "is not option=value"),
        ("photon_noise=maybe", "is not true or false"),
        ("mask_codes=BAD", "is not NUMBER=PLANE"),
        ("mask_codes=-1=BAD", "is not a number and a mask plane"),
        ("mask_codes=1=bad thing", "is not a number and a mask plane"),
        ("origin=1", "is not x,y in whole pixels"),
        ("background=gone", "is not one of subtracted, present"),
    ],
)
def test_unusable_settings_are_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        OpenOptions().with_settings([setting])


def test_an_error_kind_without_an_error_image_is_refused():
    with pytest.raises(ConfigError, match="error is none"):
        OpenOptions(error="none", error_kind="rms")


def test_paths_become_absolute_unless_they_are_patterns_or_hdus(tmp_path, monkeypatch):
    (tmp_path / "w.fits").write_text("")
    (tmp_path / "stars.psf").write_text("")
    monkeypatch.chdir(tmp_path)
    options = OpenOptions(error="w.fits[WHT]", mask="[DQ]", wcs="{stem}.head", psf="psfex:stars.psf[hdu=2]")
    absolute = options.with_absolute_paths()
    assert absolute.error == f"{tmp_path / 'w.fits'}[WHT]"
    assert (absolute.mask, absolute.wcs) == ("[DQ]", "{stem}.head")
    assert absolute.psf == f"psfex:{tmp_path / 'stars.psf'}[hdu=2]"


@pytest.mark.parametrize("spec", ["", "none", "gaussian:3", "moffat:1.2arcsec,3"])
def test_psfs_that_are_in_no_file(spec):
    assert psf_file(spec) is None


@pytest.mark.parametrize(
    ("name", "cards", "profile"),
    [
        ("c4d_1_ooi_z_v1.fits.fz", {"INSTRUME": "DECam"}, "decam"),
        ("c4d_1_ooi_z_v1.fits.fz", {"INSTRUME": "other"}, ""),
        ("ztf_2020_sciimg.fits", {}, "ztf"),
        ("jw01_nrca1_i2d.fits", {"TELESCOP": "JWST"}, "jwst"),
        ("j8xi0x010_drc.fits.gz", {"TELESCOP": "HST"}, "hst-drz"),
        ("j8xi0x010_flc.fits", {"TELESCOP": "HST"}, ""),
        ("frame-r-006377-4-0399.fits", {"ORIGIN": "SDSS"}, "sdss"),
        ("image.fits", {}, ""),
    ],
)
def test_surveys_are_recognised_by_name_and_header(name, cards, profile):
    assert recognised_profile(name, cards) == profile


@pytest.mark.parametrize(
    "text",
    [
        f'{{"zeropoint": {10**400}}}',
        '{"mask_codes": [[1e999, "SAT"]]}',
        f'{{"mask_codes": {{"{"1" * 5000}": "SAT"}}}}',
    ],
)
def test_numbers_that_are_too_large_are_refused(text):
    with pytest.raises(ConfigError, match=r"too large a number|is not NUMBER=PLANE"):
        OpenOptions.from_json(text)


def test_a_name_that_no_file_can_have_stays_as_it_is():
    options = OpenOptions(error="9" * 400, psf="9" * 400)
    assert options.with_absolute_paths() == options
    with pytest.raises(ConfigError, match="is no file and none of"):
        OpenOptions.from_profile("9" * 400)
