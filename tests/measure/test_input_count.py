"""base_InputCount: the images of a coadd at a position."""

from forcedsql.coadd_inputs import CoaddInputs, ExposureRecord
from forcedsql.config import MeasurementConfig
from forcedsql.geometry import Box
from forcedsql.measure.driver import measure_positions
from tests.measure.exposures import FlatWcs, make_exposure, sky

CONFIG = MeasurementConfig(plugins=("base_TransformedCentroidFromCoord", "base_InputCount"))


def counted(inputs):
    columns = measure_positions(
        make_exposure(coadd_inputs=inputs), *sky([50.0, 120.0, 200.0], [90.0] * 3), CONFIG
    )
    return {name: columns[name].tolist() for name in columns if name.startswith("inputCount")}


def test_images_are_counted_whose_boxes_hold_the_position():
    boxes = (Box(0, 0, 150, 200), Box(100, 0, 50, 200), Box(100, 0, 40, 80))
    images = tuple(ExposureRecord(id=i, bbox=box, wcs=FlatWcs()) for i, box in enumerate(boxes))
    assert counted(CoaddInputs((), images)) == {
        "inputCount": [1, 2, 0],
        "inputCount_flag": [False] * 3,
        "inputCount_flag_noInputs": [False] * 3,
    }


def test_an_exposure_without_a_list_of_inputs_says_so():
    assert counted(None) == {
        "inputCount": [0] * 3,
        "inputCount_flag": [True] * 3,
        "inputCount_flag_noInputs": [True] * 3,
    }
