import pytest

from forcedsql.exposure import ExposureInfo
from forcedsql.readers.lsst_images.information import read_info
from forcedsql.readers.lsst_images.tree import Node


def test_a_visit_image_says_who_and_when_it_is(opened):
    info = opened().info
    assert (info.visit, info.detector, info.band, info.physical_filter) == (42, 7, "r", "r_sim")
    assert info.exposure_time == 30.0
    # Halfway between JD 2460623.75 and 2460623.7504.
    assert info.mjd == pytest.approx(60623.2502, abs=1e-9)
    assert (info.tract, info.patch) == (None, "")


def test_the_frame_of_the_projection_comes_before_the_observation(file, opened):
    file.tree["obs_info"] |= {"visit_id": 1, "detector_num": 2}
    assert (opened().info.visit, opened().info.detector) == (42, 7)
    frame = file.tree["sky_projection"]["pixel_to_sky"]["frames"][0]
    del frame["visit"], frame["detector"]
    assert (opened().info.visit, opened().info.detector) == (1, 2)


def test_times_of_a_whole_day_apart_are_not_rounded():
    dates = {"datetime_begin": [2460624.0, -0.5], "datetime_end": [2460624.0, -0.5 + 1e-9]}
    mjd = read_info(Node({"obs_info": dates})).mjd
    # A double holds a modern MJD to 7e-12 days.
    assert mjd - 60623.0 == pytest.approx(5e-10, abs=8e-12)


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"obs_info": None, "band": None, "patch": None, "sky_projection": None},
        {
            "obs_info": [],
            "band": 5,
            "patch": {"id": "43"},
            "sky_projection": {"pixel_to_sky": {"frames": []}},
        },
        {"obs_info": {"visit_id": -1, "detector_num": 1.5, "exposure_time": "30"}, "band": "r\n"},
        {"obs_info": {"visit_id": True, "detector_num": 2**31, "exposure_time": float("nan")}},
        {"obs_info": {"visit_id": 2**63, "exposure_time": 10**400, "datetime_begin": [1.0, 2.0]}},
        {"obs_info": {"datetime_begin": [1.0], "datetime_end": ["1", 2.0, 3.0]}, "band": "x" * 101},
        {"obs_info": {"datetime_begin": [1.0, None], "datetime_end": [2.0, 3.0]}},
    ],
)
def test_what_is_not_as_expected_is_left_out(tree):
    assert read_info(Node(tree)) == ExposureInfo()
