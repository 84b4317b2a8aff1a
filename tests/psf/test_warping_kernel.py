import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.psf.warping_kernel import WarpingKernel
from tests.psf.brute_force_warp import tabulated_weights

PHASES = np.array([0.0, 1e-9, 0.25, 0.33337, 0.5, 0.99999, 1.0])


@pytest.mark.parametrize("cache_size", [0, 7, 10_000])
def test_lanczos_weights_are_those_of_the_formula(cache_size):
    weights = WarpingKernel("lanczos3", cache_size).weights(PHASES)
    expected = np.array([tabulated_weights(phase, cache_size) for phase in PHASES]).T
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["lanczos1", "lanczos2", "lanczos5", "bilinear", "nearest"])
def test_weights_sum_to_one(name):
    kernel = WarpingKernel(name)
    weights = kernel.weights(PHASES)
    assert weights.shape == (kernel.taps, len(PHASES))
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-15)


def test_bilinear_and_nearest_take_the_two_pixels_around():
    phases = np.array([0.0, 0.25, 0.75])
    np.testing.assert_allclose(WarpingKernel("bilinear", 0).weights(phases), [1 - phases, phases])
    np.testing.assert_array_equal(WarpingKernel("nearest", 0).weights(phases), [[1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("name", "first", "taps", "padding"),
    [("lanczos3", -2, 6, 4), ("lanczos5", -4, 10, 6), ("bilinear", 0, 2, 2), ("nearest", 0, 2, 2)],
)
def test_taps_and_padding_follow_the_kernels_centre(name, first, taps, padding):
    kernel = WarpingKernel(name)
    assert (kernel.first, kernel.taps, kernel.padding) == (first, taps, padding)


@pytest.mark.parametrize(
    ("name", "cache_size", "message"),
    [
        ("lanczos", 0, "known are"),
        ("cubic", 0, "known are"),
        ("lanczos0", 0, "order"),
        ("lanczos99", 0, "order"),
        ("lanczos3", -1, "cache"),
        ("lanczos3", 2**31 - 1, "cache"),
    ],
)
def test_unknown_or_hostile_kernels_are_refused(name, cache_size, message):
    with pytest.raises(ConfigError, match=message):
        WarpingKernel(name, cache_size)
