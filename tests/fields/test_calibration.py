import numpy as np

from forcedsql.fields.bounded_field import ConstantField
from forcedsql.fields.calibration import PhotoCalib


def test_a_calibration_is_its_mean_or_its_field():
    x = np.array([1.0, 2.0])
    assert PhotoCalib(0.5).factor(x, x).tolist() == [0.5, 0.5]
    assert PhotoCalib(0.5, field=ConstantField(2.0)).factor(x, x).tolist() == [2.0, 2.0]
