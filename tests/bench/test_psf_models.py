"""The models that are timed are what their names say."""

import numpy as np
import pytest

from forcedsql.bench.catalogue import MARGIN
from forcedsql.bench.psf_models import COADD_INPUTS, PSF_MODELS, coadd_flops, kernel_flops, piff_flops
from forcedsql.bench.published import LSST

SIDE = 300


def corners(model):
    x0, y0 = model.origin(SIDE)
    near, far = MARGIN, SIDE - MARGIN
    return x0 + np.array([near, far, near, far, SIDE / 2]), y0 + np.array([near, near, far, far, SIDE / 2])


@pytest.mark.parametrize("model", PSF_MODELS.values(), ids=PSF_MODELS)
def test_a_model_is_valid_everywhere_and_sums_to_one(model):
    psf, _ = model.make(SIDE)
    images = psf.images(*corners(model))
    assert images.valid.all()
    # Sub-pixel shifts and warps of a star that is a little larger than its image lose a percent at most.
    np.testing.assert_allclose(images.values.sum(axis=(1, 2)), 1.0, atol=0.01)


@pytest.mark.parametrize("model", PSF_MODELS.values(), ids=PSF_MODELS)
def test_only_the_gaussian_is_the_same_everywhere(model):
    shapes = model.make(SIDE)[0].shapes(*corners(model))
    spread = np.ptp(shapes[:, 0]) / shapes[:, 0].mean()
    # Round-off and the shift of adaptive moments are below 1e-4; the others vary by a percent and more.
    assert spread < 1e-3 if model.name == "gaussian" else spread > 1e-3


def test_every_input_of_the_coadd_covers_all_of_it():
    model = PSF_MODELS["coadd"]
    psf, wcs = model.make(SIDE)
    assert len(psf.inputs) == COADD_INPUTS
    x0, y0 = model.origin(SIDE)
    ra, dec = wcs.pixel_to_sky(x0 + np.array([0.0, SIDE, 0.0, SIDE]), y0 + np.array([0.0, 0.0, SIDE, SIDE]))
    for part in psf.inputs:
        assert part.footprint.contains(*part.footprint.wcs.sky_to_pixel(ra, dec)).all()


def test_operations_are_those_counted_by_hand():
    assert kernel_flops(25, 1) == 625 * 40
    assert kernel_flops(41, 4) == 1681 * (8 + 40)
    assert piff_flops(25, 6) == 12 * 625 + 4 * 25**3
    assert coadd_flops(2) == 2 * (piff_flops(25, 6) + 72 * 625)


def test_every_model_has_a_published_figure():
    assert set(LSST) == set(PSF_MODELS)
