"""The survey of many visits: what is in it, that its noise is right, and its bad files."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from forcedsql import measure, open_exposure
from forcedsql.errors import ConfigError, ReadError
from forcedsql.simulate import SurveyDesign, simulate_epochs
from forcedsql.simulate.__main__ import main
from forcedsql.simulate.population import random_population

SMALL = SurveyDesign(exposures=12, objects=60, size=200, fields=1, years=1.0)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return simulate_epochs(tmp_path_factory.mktemp("epochs"), SMALL)


@pytest.fixture(scope="module")
def fluxes(survey):
    return pq.read_table(survey.fluxes)


@pytest.fixture(scope="module")
def truth(survey):
    return pq.read_table(survey.truth)


def of_kind(truth, kind):
    return truth.filter(pc.equal(truth["kind"], kind))["objectId"]


def series(fluxes, object_id, name="flux"):
    rows = fluxes.filter(pc.equal(fluxes["objectId"], object_id))
    return rows["mjd"].to_numpy(), rows[name].to_numpy(), rows["band"].to_pylist()


def test_the_same_seed_gives_the_same_files(tmp_path, survey):
    again = simulate_epochs(tmp_path, SMALL)
    for one, other in zip(survey.exposures, again.exposures, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    assert survey.fluxes.read_bytes() == again.fluxes.read_bytes()


def test_there_are_as_many_exposures_and_objects_as_asked_for(survey, truth):
    assert len(set(survey.exposures)) == 12
    assert truth.num_rows == pq.read_table(survey.objects).num_rows == 60
    assert len(of_kind(truth, "supernova")) == len(of_kind(truth, "high_proper_motion")) == 1
    assert len(of_kind(truth, "constant")) > 50


def test_the_noise_is_that_of_the_variance_plane(survey, fluxes):
    pulls = []
    for path in survey.exposures:
        exposure = open_exposure(path)
        seen = fluxes.filter(pc.equal(fluxes["visit"], exposure.info.visit))
        table = measure(exposure, seen.select(["objectId", "ra", "dec"]), columns="source")
        pull = (table["psfFlux"].to_numpy() - seen["flux"].to_numpy()) / table["psfFluxErr"].to_numpy()
        bad = table["psfFlux_flag"].to_numpy() | table["pixelFlags_cr"].to_numpy()
        pulls.append(pull[~bad])
    pull = np.concatenate(pulls)
    n = len(pull)
    assert n > 400
    # Normal pulls: the error of their mean is 1/sqrt(n), that of their variance sqrt(2/n).
    assert abs(pull.mean()) < 4.0 / np.sqrt(n)
    assert abs(pull.var() - 1.0) < 4.0 * np.sqrt(2.0 / n)


def test_exposures_differ_in_everything_that_changes_from_night_to_night(survey):
    visits = pq.read_table(survey.visits)
    for name in ("mjd", "ra", "dec", "rotation", "fwhm", "background", "njy_per_adu"):
        assert len(set(visits[name].to_pylist())) == 12, name
    exposure = open_exposure(survey.exposures[0])
    assert exposure.unit == "adu"
    assert exposure.photo_calib.mean == visits["njy_per_adu"][0].as_py()
    assert exposure.info.mjd == pytest.approx(visits["mjd"][0].as_py(), abs=1e-8)
    assert set(visits["band"].to_pylist()) == {"g", "r", "i"}


def test_a_supernova_rises_from_nothing_and_declines(tmp_path):
    design = SurveyDesign(exposures=40, objects=3, size=100, fields=1, bands=("r",), years=1.0)
    files = simulate_epochs(tmp_path, design)
    truth = pq.read_table(files.truth)
    explosion = truth["explosion"][0].as_py()
    mjd, flux, _ = series(pq.read_table(files.fluxes), of_kind(truth, "supernova")[0])
    assert (flux[mjd <= explosion] == 0.0).all()
    assert (mjd <= explosion).any()
    after = flux[mjd > explosion]
    peak = int(after.argmax())
    assert 0 < peak < len(after) - 1
    assert (np.diff(after[: peak + 1]) > 0).all()
    assert (np.diff(after[peak:]) < 0).all()


def test_the_moving_star_moves_by_its_proper_motion(fluxes, truth):
    (star,) = truth.filter(pc.equal(truth["kind"], "high_proper_motion")).to_pylist()
    mjd, dec, _ = series(fluxes, star["objectId"], "dec")
    years = (mjd - star["epoch"]) / 365.25
    np.testing.assert_allclose(dec, star["dec"] + star["pm_dec"] * years / 3.6e6, rtol=0, atol=1e-10)
    # more than a pixel of 0.2 arcsec
    assert 3600.0 * np.ptp(dec) > 0.2


def test_constant_stars_are_constant_and_variable_ones_vary(fluxes, truth):
    for kind, spread in (("constant", 0.0), ("variable", 0.01)):
        for object_id in of_kind(truth, kind):
            _, flux, bands = series(fluxes, object_id)
            in_g = flux[np.array(bands) == "g"]
            if len(in_g) > 3:
                assert (np.ptp(in_g) > spread * in_g.mean()) == (kind == "variable")


def test_no_two_objects_touch(truth):
    x = truth["ra"].to_numpy() * np.cos(np.radians(-28.1))
    y = truth["dec"].to_numpy()
    separation = np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y)) * 3600.0 / 0.2
    # A tangent plane of 200 pixels is flat to 1e-6.
    assert separation[np.triu_indices(len(x), 1)].min() > 14.999


def test_objects_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"1000 objects do not fit into 1 fields of 200 x 200"):
        simulate_epochs(tmp_path, SurveyDesign(exposures=1, objects=1000, size=200, fields=1))


@pytest.mark.parametrize("wrong", [{"exposures": 0}, {"size": 20}, {"bands": ()}, {"years": 0.0}])
def test_a_survey_of_nothing_is_refused(wrong):
    with pytest.raises(ConfigError):
        SurveyDesign(**wrong)


def test_fields_are_side_by_side_and_half_of_the_nights_go_to_the_first(tmp_path):
    design = SurveyDesign(exposures=48, objects=40, size=100, fields=4)
    visits = pq.read_table(simulate_epochs(tmp_path, design).visits)
    field = visits["field"].to_numpy()
    assert np.count_nonzero(field == 0) == 24
    assert set(field) == {0, 1, 2, 3}
    low, high = design.field_offsets().min(axis=0), design.field_offsets().max(axis=0)
    np.testing.assert_allclose(high - low, 94.0 * np.array([2.0, 2.0]), atol=100.0)


def test_three_bad_files_are_bad_each_in_its_way(tmp_path):
    files = simulate_epochs(tmp_path, SMALL, bad_files=True)
    path = {fault: path for path, fault in files.bad.items()}
    assert set(path) == {"truncated", "no PSF", "wrong shape"}
    with pytest.raises(ReadError, match=path["truncated"].name):
        open_exposure(path["truncated"])
    with pytest.raises(ReadError, match=r"variance is \(192, 200\) pixels"):
        open_exposure(path["wrong shape"])
    assert open_exposure(path["no PSF"]).psf is None
    faults = pq.read_table(files.visits)["fault"].to_pylist()
    assert sorted(filter(None, faults)) == sorted(path)
    with pytest.raises(ConfigError, match="3 bad files"):
        simulate_epochs(tmp_path, SurveyDesign(exposures=2, objects=3), bad_files=True)


def test_difference_images_hold_what_has_changed(tmp_path):
    design = SurveyDesign(exposures=6, objects=30, size=160, fields=1)
    files = simulate_epochs(tmp_path, design, differences=True)
    assert len(files.differences) == 6
    truth = pq.read_table(files.truth)
    still = pc.is_in(pq.read_table(files.fluxes)["objectId"], of_kind(truth, "constant"))
    seen = pq.read_table(files.fluxes).filter(still)
    assert not seen["difference"].to_numpy().any()
    pulls = []
    for path in files.differences:
        exposure = open_exposure(path)
        assert exposure.info.is_difference
        positions = seen.filter(pc.equal(seen["visit"], exposure.info.visit))
        table = measure(exposure, positions.select(["objectId", "ra", "dec"]), columns="source")
        bad = table["psfFlux_flag"].to_numpy() | table["pixelFlags_cr"].to_numpy()
        pulls.append((table["psfFlux"].to_numpy() / table["psfFluxErr"].to_numpy())[~bad])
    pull = np.concatenate(pulls)
    # The noise is the visit image's, so pulls are normal, as they are there.
    assert abs(pull.var() - 1.0) < 4.0 * np.sqrt(2.0 / len(pull))


def test_the_command_writes_the_survey_and_names_the_bad_files(tmp_path, capsys):
    options = ["--exposures", "3", "--objects", "9", "--size", "100", "--fields", "1", "--bad-files"]
    assert main(["epochs", str(tmp_path / "survey"), *options]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3 + 4
    assert all((tmp_path / line.split()[1]).is_file() for line in out.splitlines())
    assert len(err.splitlines()) == 3


def test_a_survey_of_one_object_has_its_supernova_alone():
    design = SurveyDesign(exposures=1, objects=1, fields=1)
    population = random_population(design, np.random.default_rng(1))
    assert population.kind.tolist() == ["supernova"]
    assert not population.pm_ra.any()
