"""The catalogue workload: same positions for all, on pixels and on the sky."""

import numpy as np
import pytest

from forcedsql.bench.catalogue import MARGIN, Catalogue, make_catalogue
from forcedsql.bench.psf_models import PSF_MODELS


@pytest.mark.parametrize("psf", PSF_MODELS)
def test_sky_positions_are_the_pixel_positions(psf):
    catalogue = make_catalogue(psf, side=200, positions=30)
    exposure = catalogue.exposure()
    x, y = exposure.wcs.sky_to_pixel(*catalogue.sky(exposure, 20))
    # Sky to pixel and back: round-off of the projection in double precision.
    np.testing.assert_allclose(x - exposure.xy0[0], catalogue.x[:20], atol=1e-6)
    np.testing.assert_allclose(y - exposure.xy0[1], catalogue.y[:20], atol=1e-6)


def test_positions_keep_the_largest_aperture_on_the_image():
    catalogue = make_catalogue("gaussian", side=200, positions=500)
    for position in (catalogue.x, catalogue.y):
        assert position.min() >= MARGIN
        assert position.max() <= 199 - MARGIN


def test_every_exposure_is_new_but_for_its_image():
    catalogue = make_catalogue("gaussian", side=200, positions=5)
    one, other = catalogue.exposure(), catalogue.exposure()
    assert one.image is other.image
    assert one.psf is not other.psf
    assert one.variance is not other.variance


def test_another_process_gets_the_same_catalogue(tmp_path):
    catalogue = make_catalogue("varying", side=200, positions=5)
    catalogue.save(tmp_path)
    loaded = Catalogue.load(tmp_path, "varying")
    np.testing.assert_array_equal(loaded.image, catalogue.image)
    np.testing.assert_array_equal(loaded.x, catalogue.x)
    assert loaded.model is catalogue.model
