"""The PSF over the field: a panel per point."""

import dataclasses

import numpy as np
import pytest

from forcedsql.errors import MissingComponentError
from forcedsql.plots import plot_psf_field
from forcedsql.psf.analytic import SingleGaussianPsf
from tests.measure.exposures import make_exposure


def test_the_psf_field_has_a_panel_per_point(tmp_path):
    exposure = make_exposure(psf=SingleGaussianPsf(25, 25, 2.0))
    figure = plot_psf_field(tmp_path / "psf.pdf", exposure, title="here", points=2)
    titles = [ax.get_title() for ax in figure.axes[:4]]
    assert all("FWHM 4.7" in title for title in titles)
    # the top row of panels is the top of the image
    assert titles[0].startswith("(54, 150)")
    assert figure.get_suptitle() == "here\nSingleGaussianPsf"


def test_an_exposure_without_a_psf_has_nothing_to_draw(tmp_path):
    with pytest.raises(MissingComponentError, match="no PSF to draw"):
        plot_psf_field(tmp_path / "psf.png", make_exposure(psf=None))


@pytest.mark.parametrize(("valid", "bars"), [([True, False, True, True], 1), ([False] * 4, 0)])
def test_a_place_without_a_psf_says_so(tmp_path, monkeypatch, valid, bars):
    exposure = make_exposure(psf=SingleGaussianPsf(25, 25, 2.0))
    images, shapes = exposure.psf.images_and_shapes(*exposure.bbox.grid(2))
    partly = dataclasses.replace(images, valid=np.array(valid)), shapes
    monkeypatch.setattr(SingleGaussianPsf, "images_and_shapes", lambda *_: partly)
    figure = plot_psf_field(tmp_path / "psf.png", exposure, points=2)
    said = ["no PSF" not in ax.get_title() for ax in figure.axes[:4]]
    assert sorted(said) == sorted(valid)
    assert len(figure.axes) == 4 + bars
