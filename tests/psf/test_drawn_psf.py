import numpy as np

from forcedsql.geometry import nearest_pixel
from forcedsql.psf.drawn_psf import DrawnPsf, normalise


class DrawnGaussian(DrawnPsf):
    """A Gaussian drawn where it is; there is none at negative y."""

    kind = "DrawnGaussian"
    positions_per_batch = 7

    def _place(self, position, size):
        pixel = nearest_pixel(position)
        return pixel - size // 2, position - pixel

    def _kernel_offset(self, size):
        return 0.25

    def _draw(self, x, y, dx, dy, *, out):
        assert len(x) <= self.positions_per_batch
        column = np.arange(self.width) - self.width // 2 - dx[:, None]
        row = np.arange(self.height) - self.height // 2 - dy[:, None]
        out[...] = np.exp(-0.5 * (column[:, None, :] ** 2 + row[:, :, None] ** 2) / 1.5**2)
        return normalise(out, y >= 0)


def test_images_lie_where_the_model_places_them():
    x, y = np.random.default_rng(3).uniform(0, 900, (2, 30))
    y[[2, 17]] = -1.0
    images = DrawnGaussian(15, 11).images(x, y)
    np.testing.assert_array_equal(images.valid, y >= 0)
    np.testing.assert_array_equal(images.width, np.where(y >= 0, 15, 0))
    np.testing.assert_array_equal(images.height, np.where(y >= 0, 11, 0))
    for i in np.flatnonzero(images.valid):
        total = images.values[i].sum()
        mean_x = images.x0[i] + (images.values[i].sum(axis=0) * np.arange(15)).sum() / total
        mean_y = images.y0[i] + (images.values[i].sum(axis=1) * np.arange(11)).sum() / total
        # The wings that the box cuts off move the mean a little.
        assert abs(mean_x - x[i]) < 1e-3
        assert abs(mean_y - y[i]) < 1e-2


def test_kernel_images_are_drawn_at_one_offset_for_all():
    kernel = DrawnGaussian(15, 11).kernel_images(np.arange(20.0), np.arange(20.0))
    assert (kernel.values == kernel.values[0]).all()
    np.testing.assert_array_equal(kernel.x0, np.full(20, -7))
    np.testing.assert_array_equal(kernel.y0, np.full(20, -5))


def test_images_and_shapes_are_what_each_gives_alone():
    x, y = np.random.default_rng(3).uniform(-50, 900, (2, 30))
    psf = DrawnGaussian(15, 11)
    images, shapes = psf.images_and_shapes(x, y)
    np.testing.assert_array_equal(images.values, psf.images(x, y).values)
    np.testing.assert_array_equal(shapes, psf.shapes(x, y))


def test_normalising_leaves_out_what_has_no_sum():
    images = np.ones((5, 2, 3))
    images[1] = 0.0
    images[2, 0, 0] = np.nan
    images[3] = [[1e308] * 3, [1e308] * 3]
    valid = normalise(images, np.array([True, True, True, True, False]))
    np.testing.assert_array_equal(valid, [True, False, False, False, False])
    np.testing.assert_allclose(images[0], 1 / 6, rtol=1e-15)
    assert not images[1:].any()
