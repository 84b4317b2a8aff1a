"""A whole benchmark on tiny images: every case is there, and every reader can read it."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from forcedsql.bench import Options, as_mapping, as_markdown, as_text, run, suite
from forcedsql.bench.contestants import CONTESTANTS
from forcedsql.bench.plot import plot_report
from forcedsql.bench.suite import busy_factor
from forcedsql.errors import ConfigError, OutputError, TableError
from tests.bench.conftest import SMALL


def test_every_contestant_is_in_every_case_of_one_thread_with_the_main_psf(report):
    rows = {(r.psf, r.count, r.threads, r.contestant) for r in report.of("catalogue")}
    for psf in SMALL.psfs:
        expected = {n for n, each in CONTESTANTS.items() if each.every_psf or psf == SMALL.main_psf}
        for count in SMALL.sizes:
            assert {name for p, c, t, name in rows if (p, c, t) == (psf, count, 1)} == expected


def test_the_main_psf_is_the_varying_one_where_it_is_timed():
    assert Options().main_psf == "varying"
    assert Options(psfs=("piff", "coadd")).main_psf == "piff"


def test_a_row_either_ran_or_says_why_not(report):
    for row in report.rows:
        assert bool(row.seconds) != bool(row.note)
        assert len(row.seconds) == len(row.cpu_seconds)


def test_the_yardstick_is_one_and_ratios_refer_to_it(report):
    for psf in SMALL.psfs:
        ran = [r for r in report.of("catalogue") if (r.psf, r.count, r.threads) == (psf, 50, 1) and r.seconds]
        sep = next(row for row in ran if row.contestant == "sep apertures")
        assert sep.times_faster == 1.0
        for row in ran[: ran.index(sep)]:
            assert row.times_faster == pytest.approx(sep.us_each / row.us_each)


def test_memory_is_measured_once_per_contestant_for_the_largest_size(report):
    measured = [r for r in report.of("catalogue") if np.isfinite(r.megabytes)]
    ran = [r for r in report.of("catalogue") if r.seconds and r.psf == "gaussian" and r.threads == 1]
    assert {r.count for r in measured} == {50}
    assert {r.contestant for r in measured} == {r.contestant for r in ran}


def test_light_curves_are_of_the_psfs_that_files_can_hold(report, said):
    rows = report.of("light curve")
    assert {row.psf for row in rows} == {"gaussian"}
    assert any("CoaddPsf of 12 Piff inputs: no light curve and no SQL" in line for line in said)
    ours = [row for row in rows if row.contestant == "forcedsql SQL"]
    assert [row.threads for row in ours] == [1, 2]
    for row in rows:
        if row.contestant.endswith("photutils"):
            assert row.agreement.endswith("difference 0") or "e-" in row.agreement, row.agreement


def test_a_query_in_sql_is_beside_the_direct_call_and_gives_its_fluxes(report):
    rows = report.of("sql")
    assert {row.psf for row in rows} == {"gaussian"}
    assert [(row.threads, row.contestant) for row in rows] == [
        (threads, name) for threads in (1, 2) for name in ("forcedsql.measure", "SQL")
    ] * 2
    assert {row.work.partition(", ")[2] for row in rows} == {"random order", "ordered by dec"}
    for direct, query in zip(rows[::2], rows[1::2], strict=True):
        assert direct.times_faster == 1.0
        assert query.times_faster == pytest.approx(direct.us_each / query.us_each)
        assert query.agreement == "PSF flux: largest difference 0"


def test_every_psf_and_size_has_a_floor_below_what_was_measured(report):
    assert [(each.psf, each.count) for each in report.rooflines] == [
        (title, count)
        for title in ("SingleGaussianPsf 25 x 25", "CoaddPsf of 12 Piff inputs")
        for count in (20, 50)
    ]
    assert all(each.floor_us < each.measured_us for each in report.rooflines)


def test_json_holds_every_row_and_no_nan(report):
    content = json.loads(json.dumps(as_mapping(report), allow_nan=False))
    assert len(content["rows"]) == len(report.rows)
    assert content["machine"]["processor"]
    assert "not run here" in content["published"]["citation"]


def test_text_and_markdown_name_the_machine_and_every_contestant(report):
    for text in (as_text(report), as_markdown(report)):
        assert text.startswith(report.machine.processor)
        assert all(name in text for name in CONTESTANTS)
        assert "32222" in text


def test_markdown_tables_have_as_many_cells_in_every_line(report):
    blocks = [b.splitlines() for b in as_markdown(report).split("\n\n") if b.startswith("|")]
    assert len(blocks) == 5
    for lines in blocks:
        assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_figure_is_drawn(report, tmp_path, suffix):
    plot_report(tmp_path / f"b.{suffix}", report)
    assert (tmp_path / f"b.{suffix}").stat().st_size > 5000


@pytest.mark.parametrize("psfs", [("gaussian",), ("gaussian", "coadd")])
def test_the_legend_of_a_figure_lies_within_it(report, tmp_path, psfs):
    figure = plot_report(
        tmp_path / "b.png", replace(report, rows=[row for row in report.rows if row.psf in psfs])
    )
    (legend,) = figure.legends
    inside, whole = legend.get_window_extent(), figure.bbox
    assert whole.x0 <= inside.x0 < inside.x1 <= whole.x1
    assert whole.y0 <= inside.y0 < inside.y1 <= whole.y1


def test_a_figure_that_cannot_be_written_is_an_error(report, tmp_path):
    with pytest.raises(TableError, match="cannot write the plot"):
        plot_report(tmp_path / "b.nosuch", report)
    with pytest.raises(OutputError, match=r"cannot write the plot .*: No such file or directory"):
        plot_report(tmp_path / "nosuch" / "b.png", report)


def test_nothing_timed_is_nothing_to_draw(report, tmp_path):
    with pytest.raises(TableError, match="nothing was timed"):
        plot_report(tmp_path / "b.png", replace(report, rows=[]))


def test_a_busy_machine_is_noticed(report):
    assert busy_factor([]) == 1.0
    assert busy_factor(report.rows) > 0.5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"psfs": ("moffat",)}, "'moffat' is not one of gaussian"),
        ({"peers": ("iraf",)}, "'iraf' is not one of sep"),
        ({"rounds": 0}, "at least 1"),
        ({"sizes": ()}, "at least one value"),
        ({"sizes": (0,)}, "at least 1"),
        ({"side": 100}, "more than 151 pixels, not 100"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, text):
    with pytest.raises(ConfigError, match=text):
        Options(**options)


def test_as_many_steps_are_made_as_were_announced():
    options = Options(
        sizes=(5,),
        psfs=("piff", "gaussian"),
        threads=(1,),
        peers=(),
        side=200,
        exposures=1,
        sql=5,
        memory=False,
    )
    steps = []
    run(options, step=lambda: steps.append(1))
    assert len(steps) == options.steps == 8


def test_a_peer_that_is_not_installed_has_a_row_that_says_so_and_a_busy_machine_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sep", None)
    monkeypatch.setattr(suite, "busy_factor", lambda _: 2.5)
    alone = Options(
        sizes=(20,),
        psfs=("gaussian",),
        threads=(1,),
        peers=("sep",),
        side=220,
        exposures=1,
        sql=0,
        memory=False,
    )
    said = []
    report = run(replace(alone, rounds=1), say=said.append)
    assert {row.note for row in report.rows if "sep" in row.contestant} == {"not installed: pip install sep"}
    assert all(row.seconds for row in report.rows if "forcedsql" in row.contestant and not row.note)
    assert said[-1].startswith("the machine was busy: turns took 2.5 times their processor time")
