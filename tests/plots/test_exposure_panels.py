"""Ratios and pulls per exposure, checked by what is drawn."""

import numpy as np
import pytest

from forcedsql.compare import FluxComparison
from forcedsql.errors import OutputError
from forcedsql.plots import plot_exposure_panels
from forcedsql.plots.exposure_panels import MOST_IN_DETAIL


def a_comparison(seed, ratio=1.0, n=300):
    rng = np.random.default_rng(seed)
    reference = 10 ** (-0.4 * (rng.uniform(18.0, 24.0, n) - 31.4))
    measured = reference * ratio + rng.normal(0.0, 30.0, n)
    return FluxComparison.from_arrays(measured, reference, measured_err=30.0, reference_err=0.0)


@pytest.fixture(scope="module")
def comparisons():
    """Twenty exposures, of which number 7 has a zero point that is wrong by a quarter of a magnitude."""
    return {f"visit:{i}:4": a_comparison(i, ratio=1.26 if i == 7 else 1.0) for i in range(20)}


@pytest.fixture(scope="module")
def figure(comparisons, tmp_path_factory):
    path = tmp_path_factory.mktemp("panels") / "panels.pdf"
    drawn = plot_exposure_panels(path, comparisons)
    assert path.stat().st_size > 1000
    return drawn


def test_every_exposure_stands_in_the_overview_at_its_median(comparisons, figure):
    for ax, name in zip(figure.axes[:2], ("ratio", "pull"), strict=True):
        points = next(line for line in ax.lines if line.get_marker() == "o")
        medians = [np.median(getattr(comparison, name)) for comparison in comparisons.values()]
        np.testing.assert_allclose(points.get_ydata(), medians, rtol=1e-14)
        assert ax.get_title() == "20 exposures"


def test_those_farthest_off_have_panels_of_their_own_the_worst_first(figure):
    assert len(figure.axes) == 2 * (1 + MOST_IN_DETAIL)
    assert figure.axes[2].get_title() == "visit:7:4   N = 300"
    assert figure.axes[3].get_title().startswith("visit:7:4")


def test_the_pulls_histogram_holds_every_source_that_it_does_not_count_as_beyond(figure):
    ax = figure.axes[3]
    inside = sum(bar.get_height() for bar in ax.patches)
    beyond = int(ax.get_title().split()[1])
    assert beyond > 0
    assert inside + beyond == 300


@pytest.mark.parametrize("empty", [{}, {"visit:1:4": FluxComparison.from_arrays([], [])}])
def test_without_sources_there_is_an_empty_overview(empty, tmp_path):
    figure = plot_exposure_panels(tmp_path / "panels.png", empty)
    assert len(figure.axes) == 2


def test_pulls_without_errors_leave_a_panel_that_says_so(tmp_path):
    comparison = FluxComparison.from_arrays([1.0, 2.0], [1.1, 1.9])
    figure = plot_exposure_panels(tmp_path / "panels.png", {"visit:1:4": comparison})
    for ax in (figure.axes[1], figure.axes[3]):
        assert "an error is missing" in ax.texts[0].get_text()
        assert ax.get_legend() is None


def test_ratios_and_pulls_of_an_exposure_stand_one_above_the_other(figure):
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim() == (-0.5, 19.5)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="cannot write the plot"):
        plot_exposure_panels(tmp_path / "nowhere" / "plot.png", {})
