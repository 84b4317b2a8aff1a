import numpy as np
import pytest

from forcedsql.psf.protocol import PsfImages
from forcedsql.psf.warp import Warp
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.transforms import LocalMaps
from tests.psf.brute_force_warp import warp

KERNEL = WarpingKernel("lanczos3", 10_000)


def warp_images(images, maps, kernel):
    return Warp.of(images, maps, kernel).centred()


def images_at(x, y, width=11, height=9, *, seed=0):
    """Random positive images whose boxes have the positions in their middle pixels."""
    values = np.random.default_rng(seed).uniform(0.1, 1.0, (len(x), height, width))
    x0 = np.floor(x + 0.5).astype(np.int64) - width // 2
    y0 = np.floor(y + 0.5).astype(np.int64) - height // 2
    return PsfImages.of_one_size(values, x0, y0, np.ones(len(x), bool))


def maps_of(x, y, matrices):
    matrices = np.broadcast_to(matrices, (len(x), 2, 2))
    return LocalMaps(x, y, matrices, np.linalg.inv(matrices))


def rotation(angle, scale=1.0):
    c, s = np.cos(angle), np.sin(angle)
    return scale * np.array([[c, -s], [s, c]])


def positions(count, seed=2):
    return np.random.default_rng(seed).uniform(100, 900, (2, count))


def test_each_pixel_is_the_sum_over_taps_where_it_comes_from():
    x, y = positions(6)
    matrices = np.stack(
        [rotation(a, s) for a, s in ((0, 1), (0.3, 1.1), (0.8, 0.9), (2, 1), (4, 1.7), (5, 0.6))]
    )
    source, maps = images_at(x, y), maps_of(x, y, matrices)
    warped = warp_images(source, maps, KERNEL)
    assert warped.valid.all()
    images = warped.at_origin()
    for i in range(6):
        half_x, half_y = warped.half_width[i], warped.half_height[i]
        expected = warp(
            source.values[i],
            x[i] - source.x0[i],
            y[i] - source.y0[i],
            np.linalg.inv(matrices[i]),
            half_x,
            half_y,
            10_000,
        )
        own = images.values[i, : images.height[i], : images.width[i]]
        # The phase of a pixel within rounding of a table entry's edge may fall on either side.
        np.testing.assert_allclose(own, expected, rtol=0, atol=1e-9)
        assert (images.x0[i], images.y0[i]) == (-half_x, -half_y)


def test_the_box_is_half_of_the_warped_box_rounded_down():
    x, y = positions(4)
    matrices = np.stack([np.eye(2), rotation(np.pi / 4), 2.0 * np.eye(2), rotation(np.pi / 2)])
    warped = warp_images(images_at(x, y), maps_of(x, y, matrices), KERNEL)
    # 11 x 9 pixels; 20 / sqrt(2) = 14.1 on the diagonal; 22 x 18 enlarged; 9 x 11 turned.
    assert warped.half_width.tolist() == [5, 7, 11, 4]
    assert warped.half_height.tolist() == [4, 7, 9, 5]


def test_a_whole_pixel_identity_map_returns_the_image():
    x, y = np.array([200.0]), np.array([300.0])
    source = images_at(x, y)
    warped = warp_images(source, maps_of(x, y, np.eye(2)), WarpingKernel("lanczos3", 0))
    np.testing.assert_allclose(warped.values, source.values / source.values.sum(), atol=1e-15)


def test_images_sum_to_one():
    x, y = positions(5)
    warped = warp_images(images_at(x, y), maps_of(x, y, rotation(0.4)), KERNEL)
    np.testing.assert_allclose(warped.values.sum(axis=(1, 2)), 1.0, rtol=1e-13)


def test_a_result_does_not_depend_on_the_images_that_share_the_call():
    x, y = positions(40)
    rng = np.random.default_rng(4)
    matrices = np.stack([rotation(rng.uniform(0, 6), rng.uniform(0.7, 1.4)) for _ in range(40)])
    source = images_at(x, y)
    together = warp_images(source, maps_of(x, y, matrices), KERNEL).at_origin()
    for i in range(40):
        alone_source = PsfImages.of_one_size(
            source.values[i : i + 1], source.x0[i : i + 1], source.y0[i : i + 1], np.ones(1, bool)
        )
        alone = warp_images(alone_source, maps_of(x[i : i + 1], y[i : i + 1], matrices[i : i + 1]), KERNEL)
        own = together.values[i, : together.height[i], : together.width[i]]
        np.testing.assert_array_equal(own, alone.values[0])


def test_images_of_several_sizes_keep_their_own_boxes():
    x, y = positions(3)
    source = images_at(x, y)
    source.width[1], source.height[1] = 5, 7
    source.values[1, 7:] = 0.0
    source.values[1, :, 5:] = 0.0
    source.x0[1] += 3
    warped = warp_images(source, maps_of(x, y, np.eye(2)), KERNEL)
    assert warped.half_width.tolist() == [5, 2, 5]
    images = warped.at_origin()
    assert images.width.tolist() == [11, 5, 11]
    assert not images.values[1, 7:].any()
    assert not images.values[1, :, 5:].any()


@pytest.mark.parametrize(
    "matrix",
    [
        np.full((2, 2), np.nan),
        np.array([[201.0, 0.0], [0.0, 1.0]]),
        np.array([[1e300, 0.0], [0.0, 1e-300]]),
        np.array([[190.0, 190.0], [0.0, 1.0]]),
    ],
    ids=["undefined", "enlarging 201 times", "absurd", "larger than 2049 pixels"],
)
def test_an_unusable_map_makes_an_invalid_image_among_good_ones(matrix):
    x, y = positions(3)
    maps = LocalMaps(x, y, np.stack([np.eye(2), matrix, np.eye(2)]), np.stack([np.eye(2), matrix, np.eye(2)]))
    warped = warp_images(images_at(x, y), maps, KERNEL)
    assert warped.valid.tolist() == [True, False, True]
    assert not warped.values[1].any()
    assert warped.at_origin().width.tolist() == [11, 0, 11]


def test_an_image_of_sum_zero_is_invalid():
    x, y = positions(2)
    source = images_at(x, y)
    source.values[0] = 0.0
    source.values[1] = np.nan
    assert not warp_images(source, maps_of(x, y, np.eye(2)), KERNEL).valid.any()


def test_no_images_are_no_images():
    x = np.zeros(0)
    warped = warp_images(images_at(x, x), maps_of(x, x, np.eye(2)), KERNEL)
    assert len(warped.valid) == len(warped.at_origin().valid) == 0
