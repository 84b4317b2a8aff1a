"""The gate: tolerances that refuse, name what is outside, and raise no false alarm."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.cli.main import main
from forcedsql.compare import FluxComparison
from forcedsql.database import connect, ingest
from forcedsql.errors import ConfigError, ToleranceError
from forcedsql.gate import Gate, Tolerance
from forcedsql.writer import write_exposure
from tests.database.conftest import Sky, make_exposure

EXPOSURES = 50
ZERO_POINT_ERROR = 10 ** (-0.4 * 0.75)
"""What a zero point that is 0.75 mag too bright makes of every flux."""


@pytest.fixture
def scattered() -> FluxComparison:
    rng = np.random.default_rng(20240707)
    n = 500
    reference = 10 ** (-0.4 * (rng.uniform(18, 25, n) - 31.4))
    error = 20.0 + 0.003 * reference
    measured = reference * 1.01 + rng.normal(size=n) * error
    return FluxComparison.from_arrays(measured, reference, measured_err=error, reference_err=error)


def _group(**statistics):
    """A summary of one bin of normal values, unless it is said otherwise."""
    usual = {
        "magnitude": 20.0, "n": 100, "median_ratio": 1.0, "scatter": 0.02, "median_pull": 0.0,
        "pull_scatter": 1.0, "outlier_fraction": 0.0,
    }  # fmt: skip
    return pa.Table.from_pylist([{**usual, **statistics}])


def _exposures(names_and_ratios):
    rows = [
        {"exposure_id": name, **_group(median_ratio=ratio).drop_columns("magnitude").to_pylist()[0]}
        for name, ratio in names_and_ratios
    ]
    return pa.Table.from_pylist(rows)


def test_a_summary_inside_the_tolerance_passes(scattered):
    Tolerance(median_ratio=0.05, faintest=22).check(scattered.summary())


def test_a_summary_outside_names_every_bin_and_how_far(scattered):
    with pytest.raises(ToleranceError) as caught:
        Tolerance(median_ratio=0.005, brightest=18, faintest=19).check(scattered.summary())
    message = str(caught.value)
    assert message.count("median_ratio 1.0") == 2
    assert "is not within 0.005 of 1 at magnitude 18 (" in message
    assert "at magnitude 19 (" in message


@pytest.mark.parametrize("name", ["scatter", "pull_scatter"])
def test_each_statistic_can_refuse(scattered, name):
    with pytest.raises(ToleranceError, match=f"^{name} "):
        Tolerance(**{name: 1e-6}).check(scattered.summary())


@pytest.mark.parametrize(
    ("statistic", "inside", "outside"),
    [
        # standard errors of 100 sources: 1.2533 * 0.02 / 10 = 0.0025, of which 4 are allowed
        ("median_ratio", 1.0599, 1.0602),
        ("median_ratio", 0.9401, 0.9398),
        ("scatter", 0.0937, 0.0938),
        ("median_pull", 0.551, 0.552),
        ("outlier_fraction", 0.21, 0.22),
    ],
)
def test_a_statistic_may_be_off_by_its_tolerance_and_four_standard_errors(statistic, inside, outside):
    limit = 0.05
    Tolerance(**{statistic: limit}).check(_group(**{statistic: inside}))
    with pytest.raises(ToleranceError, match=f"{statistic} .*is not within 0.05 of [01] at magnitude 20"):
        Tolerance(**{statistic: limit}).check(_group(**{statistic: outside}))
    with pytest.raises(ToleranceError):
        Tolerance(**{statistic: limit}, nsigma=0).check(_group(**{statistic: inside}))


def test_a_statistic_that_is_nan_does_not_pass():
    no_errors = FluxComparison.from_arrays(np.full(10, 100.0), np.full(10, 100.0))
    with pytest.raises(ToleranceError, match="median_pull nan"):
        Tolerance(median_pull=10).check(no_errors.summary())


def test_nothing_to_compare_does_not_pass():
    empty = FluxComparison.from_arrays([], [])
    with pytest.raises(ToleranceError, match="no magnitude bin has 10 sources"):
        Tolerance(median_ratio=1).check(empty.summary())


def test_tolerances_are_read_from_settings():
    got = Tolerance.from_settings(["median_ratio=0.01", "pull-scatter = 1.5", "faintest=24"])
    assert got == Tolerance(median_ratio=0.01, pull_scatter=1.5, faintest=24.0)


@pytest.mark.parametrize("setting", ["ratio=0.01", "scatter", "scatter=small"])
def test_a_wrong_setting_is_refused_by_name(setting):
    with pytest.raises(ConfigError, match=setting.split("=", maxsplit=1)[0]):
        Tolerance.from_settings([setting])


def test_settings_are_for_both_kinds_of_groups_or_for_one():
    got = Gate.from_settings(["median_ratio=0.02", "exposures.median_ratio=0.05", "bins.faintest=24"])
    assert got.bins == Tolerance(median_ratio=0.02, faintest=24.0)
    assert got.exposures == Tolerance(median_ratio=0.05)


def test_a_file_says_the_same_and_later_settings_change_it(tmp_path):
    (tmp_path / "gate.toml").write_text(
        "median_ratio = 0.02\nnsigma = 3\n[exposures]\nmedian_ratio = 0.05\n[bins]\nfaintest = 24\n"
    )
    got = Gate.from_settings([str(tmp_path / "gate.toml"), "nsigma=5"])
    assert got.bins == Tolerance(median_ratio=0.02, faintest=24.0, nsigma=5.0)
    assert got.exposures == Tolerance(median_ratio=0.05, nsigma=5.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ratio = 1", "'ratio' is not a tolerance"),
        ("median_ratio = true", "the tolerance median_ratio is True, which is no number"),
        ("median_ratio = nan", "which is no number"),
        ("[visits]\nscatter = 1", "'visits' is not a kind of groups; there are bins and exposures"),
        ("scatter", "is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "gate.toml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        Gate.from_settings([str(tmp_path / "gate.toml")])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("nowhere.toml", "nowhere.toml: No such file"), ("visits.scatter=1", "'visits' is not a kind")],
)
def test_a_file_that_is_not_there_and_an_unknown_kind_are_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        Gate.from_settings([setting])


def test_exposures_are_named_with_their_figures_the_worst_first():
    exposures = _exposures([("visit:1", 1.0), ("visit:2", 1.2), ("visit:3", 0.5)])
    with pytest.raises(ToleranceError) as caught:
        Gate.from_settings(["median_ratio=0.1"]).check(_group(), exposures)
    assert str(caught.value) == (
        "median_ratio 0.5 +- 0.0025 is not within 0.1 of 1 at visit:3 (100 sources); "
        "median_ratio 1.2 +- 0.0025 is not within 0.1 of 1 at visit:2 (100 sources)"
    )


def test_exposures_that_are_all_too_small_to_judge_do_not_pass():
    with pytest.raises(ToleranceError, match="no exposure has 500 sources"):
        Gate.from_settings(["exposures.min_sources=500"]).check(_group(), _exposures([("visit:1", 1.0)]))


def _summaries(rng, wrong: int | None, sources: int):
    """Bins and exposures of fifty exposures with normal errors, one of them half as bright if asked."""
    reference = 10 ** (-0.4 * (rng.uniform(18, 24, (EXPOSURES, sources)) - 31.4))
    error = 30.0 + 0.004 * reference
    measured = reference + rng.normal(size=reference.shape) * error
    if wrong is not None:
        measured[wrong] *= ZERO_POINT_ERROR
    rows = []
    for number in range(EXPOSURES):
        of_one = FluxComparison.from_arrays(
            measured[number], reference[number], measured_err=error[number], reference_err=0.0
        )
        (row,) = of_one.summary(bin_width=100.0).to_pylist()
        rows.append({"exposure_id": f"visit:{number}", **{k: v for k, v in row.items() if k != "magnitude"}})
    everything = FluxComparison.from_arrays(
        measured.ravel(), reference.ravel(), measured_err=error.ravel(), reference_err=0.0
    )
    return everything.summary(), pa.Table.from_pylist(rows)


@pytest.mark.parametrize("sources", [30, 300])
def test_fifty_clean_exposures_raise_no_alarm_and_one_wrong_zero_point_always_does(sources):
    # pulls are normal: scatter 1, and 5 scatters are exceeded by one in a million
    gate = Gate.from_settings(
        ["median_ratio=0.01", "median_pull=0.1", "pull_scatter=1.1", "outlier_fraction=0.01"]
    )
    for seed in range(20):
        rng = np.random.default_rng(seed)
        gate.check(*_summaries(rng, None, sources))
        wrong = int(rng.integers(EXPOSURES))
        with pytest.raises(ToleranceError) as caught:
            gate.check(*_summaries(rng, wrong, sources))
        named = {text.split(" at ")[1].split(" (")[0] for text in str(caught.value).split("; ")}
        assert f"visit:{wrong}" in named
        assert not {name for name in named if name.startswith("visit:")} - {f"visit:{wrong}"}


STARS = 36
SPACING = 30
"""Stars on a grid, and pixels between them."""


def _write_visit(folder, visit: int, fluxes, *, factor: float):
    """A visit with isolated stars; `factor` multiplies its pixels, and nothing tells of it."""
    side = int(np.sqrt(STARS)) * SPACING
    exposure = make_exposure(Sky(), size=side, seed=visit, visit=visit, detector=0)
    y, x = np.mgrid[:side, :side]
    image = np.random.default_rng(visit).normal(0.0, 3.0, (side, side))
    for star, flux in enumerate(fluxes):
        column, row = (SPACING * (k + 0.5) for k in (star % 6, star // 6))
        image += flux / (2 * np.pi * 4.0) * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 8.0)
    exposure.image[:] = factor * image
    path = folder / f"visit_{visit}.fits"
    write_exposure(exposure, path)
    return path, exposure.wcs


@pytest.fixture(scope="module")
def fifty_visits(tmp_path_factory):
    """A database of fifty visits, the twentieth of which is 0.75 mag too faint, measured by SQL."""
    folder = tmp_path_factory.mktemp("fifty")
    fluxes = 10 ** (-0.4 * (np.linspace(19.0, 21.9, STARS) - 31.4))
    paths = []
    for visit in range(1, EXPOSURES + 1):
        factor = ZERO_POINT_ERROR if visit == 20 else 1.0
        path, wcs = _write_visit(folder, visit, fluxes, factor=factor)
        paths.append(path)
    column, row = np.arange(STARS) % 6, np.arange(STARS) // 6
    ra, dec = wcs.pixel_to_sky(SPACING * (column + 0.5), SPACING * (row + 0.5))
    stars = pa.table({"objectId": np.arange(STARS), "ra": ra, "dec": dec, "r_psfFlux": fluxes})
    database = folder / "survey.duckdb"
    with connect(database) as con:
        ingest(con, paths)
        con.register("stars", stars)
        con.execute("CREATE TABLE object AS FROM stars")
        con.execute(
            "CREATE TABLE forced AS SELECT e.exposure_id, m.* "
            "FROM exposure e, LATERAL (FROM forced_photometry(e.exposure_id, object)) m"
        )
        con.execute("CREATE VIEW clean AS FROM forced WHERE exposure_id <> 'visit:20:0'")
    return database


GATE = ["--reference-flux", "r_psfFlux", "--gate", "median_ratio=0.02", "--gate", "scatter=0.05"]


def test_a_silent_zero_point_error_in_one_exposure_of_fifty_is_exit_code_4(fifty_visits, capsys):
    assert main(["compare", str(fifty_visits), "forced", "object", *GATE]) == 4
    text = capsys.readouterr().err
    assert "forcedsql: median_ratio 0.501" in text
    assert "is not within 0.02 of 1 at visit:20:0 (36 sources)" in text
    assert text.count("visit:") == text.count("visit:20:0")


def test_the_other_forty_nine_pass(fifty_visits, capsys):
    assert main(["compare", str(fifty_visits), "clean", "object", *GATE]) == 0
    assert "every bin and every exposure is within the tolerance" in capsys.readouterr().err


def test_exposures_with_too_few_sources_are_named(fifty_visits, capsys):
    arguments = ["compare", str(fifty_visits), "clean", "object", *GATE, "--gate", "exposures.brightest=21"]
    assert main([*arguments, "--gate", "exposures.min_sources=12"]) == 4
    text = capsys.readouterr().err
    assert "49 exposures not judged, with fewer than 12 sources: visit:10:0, visit:11:0" in text
    assert "no exposure has 12 sources" in text
