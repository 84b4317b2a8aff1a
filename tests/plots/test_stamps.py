"""Stamps, checked by what is drawn."""

import numpy as np
import pytest

from forcedsql.errors import TableError
from forcedsql.explain import explain
from forcedsql.plots import plot_stamps
from tests.measure.exposures import PLANES, gaussian_star, make_exposure, sky


@pytest.fixture
def star():
    exposure = make_exposure(unit="nJy")
    exposure.image[:] += gaussian_star(exposure.shape, 60.25, 40.5, 5000.0, 1.8).astype(np.float32)
    exposure.mask[44, 63] = 1 << PLANES["CR"]
    return exposure


def _drawn(exposure, x, y, path):
    explained = explain(exposure, *map(float, sky(x, y)))
    return explained, plot_stamps(path, explained, title="visit:1:2   star 3")


def test_three_panels_show_data_model_and_residual_in_parent_pixels(star, tmp_path):
    explained, figure = _drawn(star, 60.25, 40.5, tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    panels = figure.axes[:3]
    assert [ax.get_title() for ax in panels] == ["data", "model: PSF x flux", "residual"]
    stamps = explained.stamps
    for ax, values in zip(panels, (stamps.data, stamps.model, stamps.residual), strict=True):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), values)
        assert image.get_extent() == [47.5, 72.5, 28.5, 53.5]  # 25 pixels around (60, 41)
    assert "visit:1:2   star 3   psfFlux 5" in figure.get_suptitle()


def test_every_panel_points_at_the_position(star, tmp_path):
    _, figure = _drawn(star, 60.25, 40.5, tmp_path / "s.svg")
    for ax in figure.axes[:3]:
        right, above = (line.get_xydata() for line in ax.lines)
        # the sky projection and back costs a rounding of thousands of pixels
        np.testing.assert_allclose(right[:, 1], 40.5, atol=1e-9)
        np.testing.assert_allclose(above[:, 0], 60.25, atol=1e-9)


def test_masked_pixels_are_outlined(star, tmp_path):
    _, figure = _drawn(star, 60.25, 40.5, tmp_path / "s.pdf")
    (marks,) = figure.axes[0].collections
    np.testing.assert_array_equal(marks.get_offsets(), [[63, 44]])


def test_a_stamp_off_the_image_says_that_there_is_no_value(star, tmp_path):
    _, figure = _drawn(star, -100.0, 40.0, tmp_path / "s.png")
    assert [len(ax.images) for ax in figure.axes] == [0, 0, 0]
    assert all(ax.texts[0].get_text() == "no value" for ax in figure.axes)


def test_a_position_without_a_place_is_one_line(star, tmp_path):
    with pytest.raises(TableError, match="cannot be placed on the exposure"):
        plot_stamps(tmp_path / "s.png", explain(star, np.nan, 0.0))
