import numpy as np

from forcedsql.detector import Detector


def test_pixels_are_mapped_to_the_focal_plane():
    detector = Detector("R22_S11", 94, lambda x, y: (0.01 * x - 20.0, 0.01 * y))
    x, y = detector.pixel_to_focal_plane(np.array([2000.0, 0.0]), np.array([100.0, np.nan]))
    np.testing.assert_array_equal(x, [0.0, -20.0])
    np.testing.assert_array_equal(y, [1.0, np.nan])
