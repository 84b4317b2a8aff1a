"""The survey's recipe: what is in it, that it is reproducible, and that its parts agree."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from forcedsql.errors import OutputError
from forcedsql.resources import data_dir
from forcedsql.simulate import SURVEY_FILES, make_survey, sample_survey, simulate_survey
from forcedsql.simulate.__main__ import main


@pytest.fixture(scope="module")
def survey():
    return make_survey(seed=77)


def column(table, name):
    return table[name].to_numpy()


def test_the_same_seed_gives_the_same_files(tmp_path):
    first, second = (simulate_survey(tmp_path / name, seed=5) for name in ("a", "b"))
    assert [path.name for path in first] == [path.name for path in second]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_another_seed_gives_another_sky(survey):
    other = make_survey(seed=78)
    assert not np.array_equal(other.sky.flux, survey.sky.flux)


def test_both_tables_have_hundreds_of_stars_and_galaxies(survey):
    for table, extendedness in ((survey.objects, "i_extendedness"), (survey.sources, "extendedness")):
        assert 350 < table.num_rows < 700
        assert 0.15 < column(table, extendedness).mean() < 0.35


def test_ids_are_unique_and_linked_to_the_truth(survey):
    for table, name, flux in (
        (survey.objects, "objectId", "i_psfFlux"),
        (survey.sources, "sourceId", "psfFlux"),
    ):
        ids = column(table, name)
        assert len(set(ids)) == table.num_rows
        linked = survey.truth.filter(survey.truth[name].is_valid())
        assert sorted(column(linked, name)) == sorted(ids)
        joined = table.join(linked.select([name, "flux", "is_star"]), name)
        star = column(joined, "is_star") & np.isfinite(column(joined, flux))
        pull = (column(joined, flux) - column(joined, "flux")) / column(joined, f"{flux}Err")
        # At a position that is off by its centroid's error, a faint star loses a tenth of its error.
        assert np.median(pull[star]) == pytest.approx(0.0, abs=0.25)
        assert 0.85 < 1.4826 * np.median(np.abs(pull[star])) < 1.15


def test_positions_are_those_of_the_pixels(survey):
    for simulated, table in ((survey.coadd, survey.objects), (survey.visit, survey.sources)):
        x, y = simulated.exposure.wcs.sky_to_pixel(column(table, "coord_ra"), column(table, "coord_dec"))
        np.testing.assert_allclose(x, column(table, "x"), rtol=0, atol=1e-8)
        np.testing.assert_allclose(y, column(table, "y"), rtol=0, atol=1e-8)


def test_columns_carry_the_units_of_dp1(survey):
    def unit(table, name):
        return table.schema.field(name).metadata[b"unit"]

    assert unit(survey.objects, "i_psfFlux") == unit(survey.sources, "ap12FluxErr") == b"nJy"
    assert unit(survey.objects, "coord_ra") == unit(survey.sources, "dec") == b"deg"
    assert unit(survey.sources, "x") == b"pix"
    assert survey.objects.schema.field("i_psfFlux").type == "float"
    assert survey.sources.schema.field("psfFlux").type == "double"


def test_every_kind_of_fault_is_met_by_some_source(survey):
    for name in ("edge", "nodata", "interpolated", "saturated", "cr", "bad", "suspect"):
        assert column(survey.sources, f"pixelFlags_{name}").any(), name
    flagged = column(survey.sources, "psfFlux_flag")
    assert flagged.any()
    assert not flagged.all()


def test_a_checkout_has_the_sample_survey(tmp_path):
    assert sample_survey(tmp_path / "survey") == data_dir() / "survey"
    assert not (tmp_path / "survey").exists()


@pytest.fixture
def without_a_checkout(tmp_path, monkeypatch):
    """No survey beside the package; a folder of that name, as another package may have left it, is none."""
    (tmp_path / "data" / "survey").mkdir(parents=True)
    monkeypatch.setattr("forcedsql.simulate.survey.data_dir", lambda: tmp_path / "data")


def test_elsewhere_the_sample_survey_is_simulated_until_it_is_complete_and_then_taken(
    tmp_path, without_a_checkout, monkeypatch
):
    def full(*_):
        raise OutputError("cannot write object.parquet: No space left on device")

    said: list[str] = []
    folder = tmp_path / "out" / "survey"
    with monkeypatch.context() as patched:
        patched.setattr("forcedsql.simulate.survey.write_table", full)
        with pytest.raises(OutputError, match="No space"):
            sample_survey(folder, say=said.append)
    assert {path.suffix for path in folder.iterdir()} == {".fits"}

    assert sample_survey(folder, say=said.append) == folder
    assert said == 2 * [f"simulating the sample survey in {folder}"]
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(made) == set(SURVEY_FILES.values())

    assert sample_survey(folder, say=said.append) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == made
    assert len(said) == 2


def test_the_command_writes_the_files_and_prints_checksums(tmp_path, capsys):
    assert main(["survey", str(tmp_path / "survey"), "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all((tmp_path / line.split()[1]).is_file() for line in lines)
    assert pq.read_table(tmp_path / "survey" / "truth.parquet").num_rows > 1000


def test_the_command_says_in_one_line_what_it_cannot_do(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["survey", str(tmp_path / "file")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
