"""What pixel flags say of mask planes that a configuration names."""

import numpy as np

from forcedsql.config import MeasurementConfig
from forcedsql.measure.driver import measure_positions
from forcedsql.schema import lsst_schema
from tests.measure.exposures import PLANES, make_exposure, sky

STREAK = 12


def flags_at(x, y, **options):
    exposure = make_exposure(mask_planes=PLANES | {"STREAK": STREAK})
    exposure.mask[100, 100] |= 1 << STREAK
    exposure.mask[59:62, 149:152] |= 1 << STREAK
    config = MeasurementConfig(**options)
    return measure_positions(exposure, *sky(x, y), config), config


def test_a_plane_of_the_footprint_is_looked_for_under_the_whole_ellipse():
    columns, config = flags_at(
        [100.0, 104.0, 112.0, 150.0], [100.0, 100.0, 100.0, 60.0], masks_footprint=("STREAK",)
    )
    assert columns["pixelFlags_streak"].tolist() == [True, True, False, True]
    assert not {"pixelFlags_streakCenter", "pixelFlags_streakCenterAll"} & set(columns)
    assert "base_PixelFlags_flag_streak" in lsst_schema(config, "nJy").names


def test_a_plane_of_the_centre_is_looked_for_in_nine_pixels():
    columns, config = flags_at(
        [100.0, 101.4, 101.6, 150.0, 151.0], [100.0, 100.0, 100.0, 60.0, 60.0], masks_center=("STREAK",)
    )
    assert columns["pixelFlags_streakCenter"].tolist() == [True, True, False, True, True]
    assert columns["pixelFlags_streakCenterAll"].tolist() == [False, False, False, True, False]
    assert "pixelFlags_streak" not in columns
    assert "base_PixelFlags_flag_streakCenterAll" in lsst_schema(config, "nJy").names


def test_a_plane_that_is_not_named_raises_no_flag():
    columns, _ = flags_at([100.0], [100.0])
    assert not any(np.any(v) for name, v in columns.items() if name.startswith("pixelFlags_"))
