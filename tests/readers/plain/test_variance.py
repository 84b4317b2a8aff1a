"""The variance plane from error images of every kind, pixel by pixel."""

import numpy as np
import pytest

from forcedsql.errors import ReadError
from forcedsql.readers.plain.variance import NoiseModel, variance_plane
from forcedsql.sky_noise import find_sky

SHAPE = (80, 100)
SIGMA = 4.0


@pytest.fixture
def image():
    return np.random.default_rng(5).normal(50.0, SIGMA, SHAPE).astype(np.float32)


def plane(image, error=None, **model):
    good = np.ones(SHAPE, np.bool_) if error is None else np.isfinite(error) & (error > 0)
    return variance_plane(image, error, good, find_sky(image, good), NoiseModel(**model))


@pytest.mark.parametrize(
    ("kind", "value", "variance"), [("variance", 9.0, 9.0), ("rms", 3.0, 9.0), ("invvar", 0.25, 4.0)]
)
def test_absolute_errors_are_taken_as_they_are(image, kind, value, variance):
    error = np.full(SHAPE, value)
    error[0, :3] = 0.0, np.nan, -1.0
    found = plane(image, error, kind=kind, electrons=2.0).variance
    assert np.isinf(found[0, :3]).all()
    assert (found[1:] == variance).all()
    assert found.dtype == np.float32


def test_relative_weights_are_scaled_and_keep_their_ratios(image):
    weight = np.full(SHAPE, 7e-3)
    weight[:, 50:] *= 4
    image[:, 50:] = 50 + (image[:, 50:] - 50) / 2
    found = plane(image, weight, kind="weight").variance
    assert found[0, 0] / found[0, 99] == pytest.approx(4, rel=1e-6)
    # 8,000 pixels: the noise is known to 1.3 percent.
    assert found[0, 0] == pytest.approx(SIGMA**2, rel=0.08)


def test_photon_noise_is_that_above_the_sky_and_never_takes_the_sky_away(image):
    image[40, 50] += 1000.0
    image[41, 50] -= 1000.0
    found = plane(image, kind="none", electrons=2.0)
    sky = float(np.median(plane(image, kind="none").variance))
    assert found.variance[40, 50] == pytest.approx(sky + 1000 / 2, abs=10)
    assert found.variance[41, 50] == pytest.approx(0.1 * sky, rel=1e-5)
    assert np.mean(found.variance[:30]) == pytest.approx(sky, rel=0.02)
    assert "photon noise at 2 e- per unit" in found.how


def test_counts_have_their_own_noise_and_that_of_reading(image):
    image[0, 0] = -10.0
    found = plane(image, kind="counts", electrons=5.0, read_variance=6.0).variance
    np.testing.assert_allclose(found[1:], image[1:] / 5.0 + 6.0, rtol=1e-6)
    assert found[0, 0] == 6.0


def test_photon_noise_may_be_left_out_or_added_to_an_rms(image):
    assert np.ptp(plane(image, kind="none", electrons=2.0, photon_noise=False).variance) == 0
    added = plane(image, np.full(SHAPE, 3.0), kind="rms", electrons=2.0, photon_noise=True).variance
    assert np.ptp(added) > 1
    with pytest.raises(ReadError, match="needs the gain"):
        plane(image, kind="none", photon_noise=True)
