"""The NumPy kernel against sums written out pixel by pixel."""

import numpy as np
import pytest

from forcedsql.measure.kernels import NativeKernel, NumpyKernel, Planes, default_kernel
from forcedsql.measure.sinc import sinc_aperture
from forcedsql.native import native_library
from tests.measure.kernels import brute_force

SHAPE = (70, 83)
KERNEL = NumpyKernel()


def make_planes(seed: int, *, faults: bool = False) -> Planes:
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 30, SHAPE).astype(np.float32)
    variance = rng.uniform(1, 9, SHAPE).astype(np.float32)
    mask = (rng.random(SHAPE) < 0.02).astype(np.int32) << rng.integers(0, 9, SHAPE).astype(np.int32)
    if faults:
        for plane in (image, variance):
            for value in (np.nan, np.inf, -np.inf):
                plane[rng.random(SHAPE) < 0.001] = value
        variance[rng.random(SHAPE) < 0.01] = 0
    return Planes(image, variance, mask)


def random_positions(seed: int, n: int, *, margin: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, columns = SHAPE
    x = rng.uniform(margin - 0.5, columns - 0.5 - margin, n)
    y = rng.uniform(margin - 0.5, rows - 0.5 - margin, n)
    x[: n // 4] = np.round(2 * x[: n // 4]) / 2 + 0.5 * (x[: n // 4] < 0)
    return x, y


@pytest.mark.parametrize("faults", [False, True])
@pytest.mark.parametrize(("shape", "bad_bits"), [((9, 9), 0), ((6, 11), 0b101), ((90, 100), 0b1)])
def test_psf_sums_over_clipped_and_masked_boxes(shape, bad_bits, faults):
    planes = make_planes(1, faults=faults)
    rng = np.random.default_rng(2)
    n = 60
    model = rng.normal(size=(n, *shape))
    x0, y0 = rng.integers(-8, SHAPE[1], n), rng.integers(-8, SHAPE[0], n)
    with np.errstate(all="ignore"):
        sums = KERNEL.psf_sums(planes, model, x0, y0, bad_bits=bad_bits)
    for i in range(n):
        expected = brute_force.psf_sums(planes, model[i], x0[i], y0[i], bad_bits)
        for name, value in expected.items():
            ours = getattr(sums, name)[i]
            # An amplitude without pixels is 0/0: its chi2 means nothing.
            if name != "chi2" or expected["npixels"]:
                assert ours == pytest.approx(value, rel=1e-10, abs=1e-9, nan_ok=True), (i, name)


def test_a_box_that_misses_the_image_has_no_pixels():
    planes = make_planes(1)
    with np.errstate(all="ignore"):
        sums = KERNEL.psf_sums(planes, np.ones((2, 5, 5)), np.array([-5, 500]), np.array([3, 3]), bad_bits=0)
    assert sums.npixels.tolist() == [0, 0]


@pytest.mark.parametrize("faults", [False, True])
def test_circles_count_pixel_centres(faults):
    planes = make_planes(3, faults=faults)
    radii = (15.5, 11.0, 20.0)
    x, y = random_positions(4, 40, margin=21.5)
    with np.errstate(all="ignore"):
        flux, variance = KERNEL.circle_sums(planes, x, y, radii)
    for i in range(len(x)):
        for k, radius in enumerate(radii):
            expected = brute_force.circle_sums(planes, x[i], y[i], radius)
            # Running sums of a row of 83 pixels of 100 round at 1e-12.
            assert (flux[i, k], variance[i, k]) == pytest.approx(expected, rel=1e-11, nan_ok=True)


def test_a_fault_beside_a_circle_does_not_reach_it():
    clean, faulty = make_planes(3), make_planes(3)
    faulty.image[35, 10] = np.nan
    x, y = np.array([50.0]), np.array([35.0])
    np.testing.assert_allclose(
        KERNEL.circle_sums(faulty, x, y, (12.0,)), KERNEL.circle_sums(clean, x, y, (12.0,)), rtol=1e-13
    )


@pytest.mark.parametrize("radius", [1.5, 3.0, 4.5])
def test_lanczos_shifted_coefficients_keep_afws_border(radius):
    planes = make_planes(5)
    aperture = sinc_aperture(radius, "lanczos5")
    x, y = random_positions(6, 24)
    column, row = np.floor(x + 0.5).astype(np.int64), np.floor(y + 0.5).astype(np.int64)
    fx, fy = x - column, y - row
    flux, variance = KERNEL.sinc_sums(planes, [aperture], column, row, fx, fy)
    half = aperture.width // 2
    for i in range(len(x)):
        weights = brute_force.shifted_coefficients(aperture.coefficients, fx[i], fy[i])
        expected = brute_force.weighted_sums(planes, weights, column[i] - half, row[i] - half)
        # The stored coefficients are single precision, the factors double: 63^2 terms of 1e-8 * 100.
        assert flux[i, 0] == pytest.approx(expected[0], abs=3e-4)
        assert variance[i, 0] == pytest.approx(expected[1], abs=3e-5)


def test_exact_coefficients_are_the_fourier_shift():
    aperture = sinc_aperture(4.5, "exact")
    slope = np.add.outer(np.arange(99.0), 3.0 * np.arange(99.0)).astype(np.float32)
    planes = Planes(slope, np.ones((99, 99), np.float32), np.zeros((99, 99), np.int32))
    column = row = np.array([49, 49, 49])
    fx, fy = np.array([0.0, 0.31, -0.5]), np.array([0.0, -0.22, 0.499])
    flux, variance = KERNEL.sinc_sums(planes, [aperture], column, row, fx, fy)
    width, half = aperture.width, aperture.width // 2
    wave = 2j * np.pi * np.fft.fftfreq(width)
    for i in range(3):
        phase = np.exp(-wave[None, :] * fx[i]) * np.exp(-wave[:, None] * fy[i])
        moved = np.fft.ifft2(np.fft.fft2(np.fft.ifftshift(aperture.coefficients)) * phase).real
        moved = np.fft.fftshift(moved)
        part = slope[49 - half : 50 + half, 49 - half : 50 + half]
        assert flux[i, 0] == pytest.approx((moved * part).sum(), rel=1e-9)
        assert variance[i, 0] == pytest.approx(np.sum(moved**2), abs=1e-7)
    assert half == width // 2


def test_ellipse_bits_are_the_or_inside_the_ellipse():
    rng = np.random.default_rng(7)
    mask = (1 << rng.integers(0, 31, SHAPE)).astype(np.int32)
    planes = Planes(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32), mask)
    n = 40
    x, y = random_positions(8, n)
    sizes = rng.uniform(1.0, 30.0, (n, 2))
    correlation = rng.uniform(-0.9, 0.9, n)
    quadrupole = np.column_stack([sizes, correlation * np.sqrt(sizes.prod(axis=1))])
    bits = KERNEL.ellipse_bits(planes, x, y, quadrupole)
    expected = [brute_force.ellipse_bits(mask, x[i], y[i], quadrupole[i]) for i in range(n)]
    assert bits.tolist() == expected


def test_centre_bits_are_or_and_and_of_the_pixels_that_exist():
    planes = make_planes(9)
    planes.mask[:3, :3] |= 8
    column, row = np.array([0, 1, 40, 82, 82]), np.array([0, 1, 30, 69, 0])
    any_bits, all_bits = KERNEL.centre_bits(planes, column, row)
    expected = [brute_force.centre_bits(planes.mask, c, r) for c, r in zip(column, row, strict=True)]
    assert list(zip(any_bits.tolist(), all_bits.tolist(), strict=True)) == expected


def test_a_position_measures_the_same_alone_and_in_any_company():
    planes = make_planes(10, faults=True)
    x, y = random_positions(11, 300, margin=20)
    column, row = np.floor(x + 0.5).astype(np.int64), np.floor(y + 0.5).astype(np.int64)
    aperture = sinc_aperture(3.0, "lanczos5")
    model = np.random.default_rng(12).normal(size=(300, 15, 15))

    def measure(rows):
        with np.errstate(all="ignore"):
            sinc = KERNEL.sinc_sums(
                planes, [aperture], column[rows], row[rows], (x - column)[rows], (y - row)[rows]
            )
            circle = KERNEL.circle_sums(planes, x[rows], y[rows], (12.0, 17.0))
            psf = KERNEL.psf_sums(planes, model[rows], column[rows] - 7, row[rows] - 7, bad_bits=1)
        return np.column_stack([*sinc, *circle, psf.m_image, psf.mm_variance, psf.chi2, psf.m])

    together = measure(np.arange(300))
    backwards = measure(np.arange(300)[::-1])[::-1]
    alone = np.concatenate([measure(np.array([i])) for i in range(300)])
    np.testing.assert_array_equal(backwards, together)
    np.testing.assert_array_equal(alone, together)


def test_no_positions_give_no_sums():
    planes, none, nowhere = make_planes(1), np.zeros(0), np.zeros(0, np.int64)
    assert KERNEL.psf_sums(planes, np.zeros((0, 5, 5)), nowhere, nowhere, bad_bits=0).m.shape == (0,)
    assert [values.shape for values in KERNEL.circle_sums(planes, none, none, (12.0, 17.0))] == [(0, 2)] * 2
    assert KERNEL.overlap_sums(planes, none, none, (3.0,))[0].shape == (0, 1)
    assert KERNEL.ellipse_bits(planes, none, none, np.zeros((0, 3))).shape == (0,)


def test_the_environment_chooses_the_kernel(monkeypatch):
    monkeypatch.setenv("FORCEDSQL_KERNEL", "numpy")
    assert isinstance(default_kernel(), NumpyKernel)
    monkeypatch.delenv("FORCEDSQL_KERNEL")
    assert isinstance(default_kernel(), NumpyKernel if native_library() is None else NativeKernel)


def test_an_ellipse_holds_the_pixels_at_the_ends_of_its_axes_and_none_beyond():
    mask = np.zeros(SHAPE, np.int32)
    ends = [(30, 43), (30, 37), (32, 40), (28, 40)]
    for bit, (row, column) in enumerate(ends):
        mask[row, column] = 1 << bit
    for row, column in [(30, 44), (30, 36), (33, 40), (27, 40), (31, 43)]:
        mask[row, column] = 1 << 9
    planes = Planes(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32), mask)
    bits = KERNEL.ellipse_bits(planes, np.array([40.0]), np.array([30.0]), np.array([[9.0, 4.0, 0.0]]))
    assert bits.tolist() == [0b1111]
