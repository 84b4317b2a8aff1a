"""The light-curve figure, checked by what is drawn."""

import dataclasses
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from forcedsql.errors import OutputError
from forcedsql.lightcurve import LightCurve
from forcedsql.plots.light_curve import LIMIT_MARKER, plot_light_curve


def a_curve(kind="visit_image", rows=4):
    """A detection and a limit in g, a detection and a flagged outlier in i."""
    table = pa.table(
        {
            "mjd": [1.0, 2.0, 3.0, 4.0],
            "psfFlux": [900.0, 20.0, 800.0, 1e7],
            "psfFluxErr": [50.0, 50.0, 40.0, 60.0],
            "band": ["g", "g", "i", "i"],
            "kind": [kind] * 4 if isinstance(kind, str) else kind,
            "flux_unit": ["nJy"] * 4,
            "flagged": [False, False, False, True],
            "detected": [True, False, True, None],
            "limit_flux": [None, 250.0, None, None],
        }
    )
    return LightCurve.from_table(table.slice(0, rows))


def points(ax, marker, face=None):
    """Positions of the markers of a kind that are drawn."""
    found = [
        line.get_xydata()
        for line in ax.lines
        if line.get_marker() is marker or (marker == "point" and line.get_marker() in ("o", "s"))
        if face is None or (line.get_markerfacecolor() == "none") == (face == "none")
    ]
    return sorted(map(tuple, np.concatenate(found).tolist()))


def test_detections_are_filled_limits_are_arrows_and_flagged_points_are_open():
    (ax,) = plot_light_curve(Figure().subplots(), a_curve(), title="here")
    assert points(ax, "point", "filled") == [(1.0, 900.0), (3.0, 800.0)]
    assert points(ax, "point", "none") == [(4.0, 1e7)]
    assert points(ax, LIMIT_MARKER) == [(2.0, 250.0)]
    assert ax.get_ylabel() == "PSF flux (nJy)"
    assert ax.get_xlabel() == "MJD (TAI, d)"
    assert ax.get_title() == "here"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["g", "i", "upper limit", "flagged"]


def test_bands_have_colours_of_their_own():
    (ax,) = plot_light_curve(Figure().subplots(), a_curve())
    assert len({handle.get_color() for handle in ax.get_legend().legend_handles[:2]}) == 2


def test_a_flagged_outlier_does_not_set_the_scale():
    (ax,) = plot_light_curve(Figure().subplots(), a_curve())
    low, high = ax.get_ylim()
    assert low < 0.0
    assert 950.0 < high < 1200.0


def test_visit_and_difference_images_have_a_panel_each(tmp_path):
    curve = a_curve(kind=["visit_image", "difference_image", "visit_image", "difference_image"])
    upper, lower = plot_light_curve(tmp_path / "curve.pdf", curve)
    assert (tmp_path / "curve.pdf").stat().st_size > 1000
    assert [ax.get_title(loc="left") for ax in (upper, lower)] == ["visit images", "difference images"]
    assert points(upper, "point", "filled") == [(1.0, 900.0), (3.0, 800.0)]
    assert points(lower, LIMIT_MARKER) == [(2.0, 250.0)]
    assert upper.get_position().y0 > lower.get_position().y1


@pytest.mark.parametrize("rows", [0, 1])
def test_few_points_are_drawn(tmp_path, rows):
    (ax,) = plot_light_curve(tmp_path / "curve.png", a_curve(rows=rows))
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert [text.get_text() for text in ax.texts] == (["no points"] if rows == 0 else [])


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="cannot write the plot"):
        plot_light_curve(tmp_path / "nowhere" / "plot.png", a_curve())


def test_points_of_one_moment_get_an_axis_of_a_day(tmp_path):
    (ax,) = plot_light_curve(tmp_path / "curve.png", a_curve(rows=1))
    assert ax.get_xlim() == (0.5, 1.5)


def test_labels_of_times_within_a_night_do_not_overlap(tmp_path):
    curve = a_curve()
    within = dataclasses.replace(curve, mjd=60000.1225 + np.linspace(0.0, 0.02, len(curve)))
    (ax,) = plot_light_curve(tmp_path / "curve.png", within)
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert len(boxes) >= 3
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
