"""The PSF over the field: a panel per point."""

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
    assert figure.get_suptitle() == "SingleGaussianPsf   here"


def test_an_exposure_without_a_psf_has_nothing_to_draw(tmp_path):
    with pytest.raises(MissingComponentError, match="no PSF to draw"):
        plot_psf_field(tmp_path / "psf.png", make_exposure(psf=None))
