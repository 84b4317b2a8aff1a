"""Figures, checked by what is drawn: points, lines and limits, not pixels."""

import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure

from forcedsql.compare import FluxComparison
from forcedsql.errors import OutputError, TableError
from forcedsql.plots import RatioPanel, plot_flux_ratio, plot_flux_ratios
from forcedsql.plots.flux_ratio import MANY_POINTS


def _comparison(n: int, ratio: float = 1.02) -> FluxComparison:
    rng = np.random.default_rng(11)
    reference = 10 ** (-0.4 * (rng.uniform(18.0, 25.0, n) - 31.4))
    measured = reference * ratio * (1.0 + 0.01 * rng.normal(size=n))
    return FluxComparison.from_arrays(measured, reference, measured_err=30.0, reference_err=30.0)


def _drawn(comparison, **options):
    ax = Figure().subplots()
    return plot_flux_ratio(ax, comparison, **options)


def _line(ax, label):
    return next(line for line in ax.lines if line.get_label().startswith(label))


def test_every_source_is_a_point_at_its_magnitude_and_ratio():
    comparison = _comparison(300)
    ax = _drawn(comparison)
    points = next(c for c in ax.collections if isinstance(c, PathCollection))
    np.testing.assert_array_equal(
        np.asarray(points.get_offsets()), np.column_stack([comparison.magnitude, comparison.ratio])
    )


def test_the_line_at_one_is_drawn():
    np.testing.assert_array_equal(_line(_drawn(_comparison(10)), "ratio 1").get_ydata(), [1.0, 1.0])


def test_the_median_line_lies_on_the_bins_medians_inside_its_band():
    comparison = _comparison(700)
    ax = _drawn(comparison, bin_width=1.0)
    summary = comparison.summary(bin_width=1.0)
    line = _line(ax, "median")
    np.testing.assert_array_equal(line.get_xdata(), summary["magnitude"].to_numpy() + 0.5)
    np.testing.assert_array_equal(line.get_ydata(), summary["median_ratio"].to_numpy())
    band = next(c for c in ax.collections if isinstance(c, FillBetweenPolyCollection))
    vertices = band.get_paths()[0].vertices
    expected = summary["median_ratio"].to_numpy() + summary["scatter"].to_numpy()
    assert vertices[:, 1].max() == pytest.approx(expected.max(), rel=1e-12)


def test_axes_carry_quantity_unit_exposure_and_number():
    ax = _drawn(_comparison(1234), title="visit:2024120600102:4", reference="Source")
    assert ax.get_xlabel() == "AB magnitude of Source psfFlux (mag)"
    assert ax.get_ylabel() == "forced psfFlux / Source psfFlux"
    assert ax.get_title() == "visit:2024120600102:4   N = 1,234"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_sources_are_drawn_without_a_median(n, tmp_path):
    ax = plot_flux_ratio(tmp_path / "few.png", _comparison(n))
    assert (tmp_path / "few.png").stat().st_size > 1000
    assert [line.get_label() for line in ax.lines] == ["ratio 1"]
    assert ax.get_title() == f"N = {n}"
    low, high = ax.get_xlim()
    assert high - low >= 1.0


def test_sources_without_magnitude_or_ratio_are_not_counted():
    comparison = FluxComparison.from_arrays([1.0, np.nan, 2.0], [1.0, 1.0, -2.0])
    assert _drawn(comparison).get_title() == "N = 1"


def test_a_million_sources_become_a_density(tmp_path):
    comparison = _comparison(1_000_000)
    ax = plot_flux_ratio(tmp_path / "many.pdf", comparison)
    assert not any(isinstance(c, PathCollection) for c in ax.collections)
    hexagons = next(c for c in ax.collections if type(c) is PolyCollection)
    low, high = ax.get_ylim()
    inside = np.count_nonzero((comparison.ratio >= low) & (comparison.ratio <= high))
    assert hexagons.get_array().sum() == inside
    assert (tmp_path / "many.pdf").stat().st_size < 500_000


def test_up_to_the_threshold_every_point_is_drawn():
    ax = _drawn(_comparison(MANY_POINTS))
    assert any(isinstance(c, PathCollection) for c in ax.collections)


def test_an_outlier_does_not_flatten_the_plot_and_is_reported():
    comparison = _comparison(500, ratio=1.0)
    comparison.ratio[0] = 1e6
    ax = _drawn(comparison)
    assert ax.get_ylim()[1] < 1.1
    assert next(t.get_text() for t in ax.texts).endswith("beyond the axis")


def test_two_panels_stand_side_by_side(tmp_path):
    panels = [
        RatioPanel(comparison=_comparison(40), title="coadd", reference="Object"),
        RatioPanel(comparison=_comparison(20), title="visit", reference="Source"),
    ]
    figure = plot_flux_ratios(tmp_path / "both.png", panels)
    assert [ax.get_title() for ax in figure.axes] == ["coadd   N = 40", "visit   N = 20"]
    left, right = (ax.get_position() for ax in figure.axes)
    assert left.x1 < right.x0
    assert left.y0 == pytest.approx(right.y0, abs=1e-9)


@pytest.mark.parametrize(("name", "error"), [("nowhere/plot.png", OutputError), ("plot.xyz", TableError)])
def test_a_file_that_cannot_be_written_is_one_line(tmp_path, name, error):
    with pytest.raises(error, match="cannot write the plot") as caught:
        plot_flux_ratio(tmp_path / name, _comparison(3))
    assert "\n" not in str(caught.value)
