import numpy as np

from forcedsql.psf.image_psf import ImagePsf, usable_positions
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.protocol import PsfImages
from forcedsql.psf.shift import shift_images
from tests.psf.models import every_model


class GrowingPsf(ImagePsf):
    """A Gaussian whose image grows with x, and which does not exist at negative y."""

    positions_per_batch = 4
    kind = "GrowingPsf"

    def kernel_images(self, x, y):
        half = np.where(y >= 0, 4 + (x // 100).astype(int), 0)
        valid = y >= 0
        size = np.where(valid, 2 * half + 1, 0)
        plane = size.max(initial=0)
        values = np.zeros((len(x), plane, plane))
        for i in np.flatnonzero(valid):
            grid = np.arange(-half[i], half[i] + 1)
            image = np.exp(-0.5 * (grid[None, :] ** 2 + grid[:, None] ** 2) / 1.5**2)
            values[i, : size[i], : size[i]] = image / image.sum()
        return PsfImages(values, -half, -half, size, size, valid)


def positions():
    x, y = np.random.default_rng(3).uniform(0, 900, (2, 30))
    y[[2, 17]] = -1.0
    return x, y


def test_images_of_several_sizes_fill_one_block():
    x, y = positions()
    images = GrowingPsf().images(x, y)
    assert images.values.shape == (30, images.height.max(), images.width.max())
    for i in range(30):
        one = GrowingPsf().images(x[i : i + 1], y[i : i + 1])
        h, w = int(images.height[i]), int(images.width[i])
        np.testing.assert_array_equal(images.values[i, :h, :w], one.values[0])
        assert not images.values[i, h:].any()
        assert not images.values[i, :, w:].any()
        for field in ("x0", "y0", "width", "height", "valid"):
            assert getattr(images, field)[i] == getattr(one, field)[0]


def test_each_image_is_its_own_kernel_image_shifted():
    x, y = positions()
    kernel, images = GrowingPsf().kernel_images(x, y), GrowingPsf().images(x, y)
    for i in np.flatnonzero(kernel.valid):
        h, w = kernel.height[i], kernel.width[i]
        dx, dy = np.float32(np.array([x[i], y[i]]) - np.floor(np.array([x[i], y[i]]) + 0.5)).astype(float)
        own = kernel.values[i : i + 1, :h, :w].copy()
        expected = shift_images(own, np.array([dx]), np.array([dy]))[0]
        np.testing.assert_array_equal(images.values[i, :h, :w], expected)


def test_shapes_follow_each_images_own_box():
    x, y = positions()
    kernel, shapes = GrowingPsf().kernel_images(x, y), GrowingPsf().shapes(x, y)
    np.testing.assert_array_equal(np.isnan(shapes).all(axis=1), ~kernel.valid)
    for i in np.flatnonzero(kernel.valid):
        h, w = kernel.height[i], kernel.width[i]
        alone = adaptive_moments(
            kernel.values[i : i + 1, :h, :w].copy(), -kernel.x0[i : i + 1], -kernel.y0[i : i + 1]
        )
        np.testing.assert_array_equal(shapes[i], alone[0])


def test_usable_positions_are_finite_and_on_the_grid():
    x = np.array([0.0, np.nan, np.inf, 3e9, -2e9])
    np.testing.assert_array_equal(usable_positions(x, np.zeros(5)), [True, False, False, False, True])
    np.testing.assert_array_equal(usable_positions(np.zeros(5), x), [True, False, False, False, True])


def test_images_and_shapes_together_are_those_asked_for_one_by_one():
    x, y = positions()
    for psf in (GrowingPsf(), *every_model()):
        images, shapes = psf.images_and_shapes(x, y)
        alone = psf.images(x, y)
        for field in ("values", "x0", "y0", "width", "height", "valid"):
            np.testing.assert_array_equal(getattr(images, field), getattr(alone, field))
        np.testing.assert_array_equal(shapes, psf.shapes(x, y))


def test_images_and_shapes_share_one_evaluation_of_the_kernel_images():
    class CountingPsf(GrowingPsf):
        evaluated = 0

        def kernel_images(self, x, y):
            self.evaluated += len(x)
            return super().kernel_images(x, y)

    x, y = positions()
    psf = CountingPsf()
    psf.images_and_shapes(x, y)
    assert psf.evaluated == len(x)
