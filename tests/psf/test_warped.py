import numpy as np
from starlink import Ast

from forcedsql.psf.warped import WarpedPsf
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.transforms import AstTransform, SkyTransform
from tests.psf.brute_force_warp import warped_kernel_image
from tests.psf.coadds import projection
from tests.psf.models import every_model, varying_psf
from tests.test_transforms import AFFINE, MATRIX

KERNEL = WarpingKernel()
X, Y = np.array([40.5, 41.2, -3.7, 120.0]), np.array([10.5, -0.5, 55.5, 77.7])


def test_kernel_images_are_those_of_brute_force():
    inverse = np.linalg.inv(MATRIX)
    mapping = Ast.Channel(AFFINE[AFFINE.index("Begin") :].split("\n")).read()
    mapping.invert()
    for psf in every_model():
        warped = WarpedPsf(psf, AstTransform(AFFINE), KERNEL).kernel_images(X, Y)
        assert warped.valid.all()
        for i in range(len(X)):
            expected = warped_kernel_image(psf, mapping, X[i], Y[i], KERNEL.cache_size, inverse=inverse)
            own = warped.values[i, : warped.height[i], : warped.width[i]]
            # A pixel whose phase is within rounding of the next table entry may take that one.
            np.testing.assert_allclose(own, expected, rtol=0, atol=1e-7 * expected.max())
            assert (warped.x0[i], warped.y0[i]) == (-(own.shape[1] // 2), -(own.shape[0] // 2))


def test_positions_on_halves_round_away_from_zero():
    """At (40.5, -0.5) the source PSF is drawn where pixel (41, -1) comes from."""
    seen = []

    class Recording(type(varying_psf())):
        def images(self, x, y):
            seen.append((x.copy(), y.copy()))
            return super().images(x, y)

    psf = varying_psf()
    recording = Recording(psf.kernel)
    WarpedPsf(recording, AstTransform(AFFINE), KERNEL).kernel_images(np.array([40.5]), np.array([-0.5]))
    expected = AstTransform(AFFINE).inverse(np.array([41.0]), np.array([-1.0]))
    np.testing.assert_allclose(np.ravel(seen), np.ravel(expected), atol=1e-9)


def test_a_position_that_comes_from_nowhere_is_invalid():
    transform = SkyTransform(projection(centre=(0.0, 0.0)), projection(centre=(0.0, 0.0)))
    x, y = np.array([np.nan, 10.0, 1e30]), np.array([1.0, 20.0, 1.0])
    psf = WarpedPsf(varying_psf(), transform, KERNEL)
    images, shapes = psf.images_and_shapes(x, y)
    assert images.valid.tolist() == [False, True, False]
    assert np.isfinite(shapes).all(axis=1).tolist() == [False, True, False]


def test_a_warped_psf_may_be_warped_again():
    transform = AstTransform(AFFINE)
    inner = WarpedPsf(varying_psf(), transform, KERNEL)
    outer = WarpedPsf(inner, transform, KERNEL)
    assert outer.component_count == 1
    np.testing.assert_allclose(outer.kernel_images(X, Y).values.sum(axis=(1, 2)), 1.0, rtol=1e-12)
