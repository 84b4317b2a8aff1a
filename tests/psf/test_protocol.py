import math

import numpy as np
import pytest

from forcedsql.fields.cells import CellGrid
from forcedsql.psf.analytic import DoubleGaussianPsf, GaussianPsf, SingleGaussianPsf
from forcedsql.psf.cell import CellPsf
from forcedsql.psf.drawn_gaussian import DrawnGaussianPsf
from forcedsql.psf.gridded import GriddedPsf
from forcedsql.psf.profiles import MoffatPsf
from forcedsql.psf.protocol import gaussian_fwhm
from forcedsql.psf.stamp import StampPsf

STAMP = np.ones((7, 7))


@pytest.mark.parametrize(
    ("psf", "kind"),
    [
        (SingleGaussianPsf(11, 11, 1.5), "SingleGaussianPsf"),
        (DoubleGaussianPsf(11, 11, 1.5, 3.0, 0.1), "DoubleGaussianPsf"),
        (GaussianPsf(11, 11, 1.5), "GaussianPsf"),
        (DrawnGaussianPsf(11, 1.5), "GaussianPointSpreadFunction"),
        (CellPsf(CellGrid(0, 0, 9, 9, np.zeros((1, 1), bool)), STAMP[None, None]), "CellPointSpreadFunction"),
        (GriddedPsf(STAMP[None, None], np.zeros(1), np.zeros(1), (1.0, 1.0)), "GriddedPsf"),
        (MoffatPsf(4.0, 3.0), "MoffatPsf"),
        (StampPsf(STAMP), "StampPsf"),
    ],
)
def test_a_model_says_what_its_files_call_it(psf, kind):
    assert psf.kind == kind


def test_the_width_of_a_gaussian_follows_from_its_moments():
    sigma = 1.7
    fwhm = 2.0 * sigma * math.sqrt(2.0 * math.log(2.0))
    turned = [(4.0 + 1.0) / 2.0, (4.0 + 1.0) / 2.0, (4.0 - 1.0) / 2.0]  # sigmas 2 and 1, at 45 degrees
    shapes = np.array([[sigma**2, sigma**2, 0.0], turned, [1.0, 1.0, 2.0], [np.nan] * 3])
    expected = [fwhm, math.sqrt(8.0 * math.log(2.0) * 2.0), 0.0, np.nan]
    np.testing.assert_allclose(gaussian_fwhm(shapes), expected, rtol=1e-14)
