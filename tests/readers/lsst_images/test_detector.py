"""Detectors of lsst.images files: from pixels to the focal plane, and what a damaged one costs."""

import numpy as np
import pytest
from starlink import Ast

from forcedsql.readers import open_exposure
from forcedsql.readers.lsst_images.tree import Node

PIXEL_MM, CENTRE_MM, REFERENCE = 0.01, (-254.0, 84.75), (2047.5, 2001.5)


def camera(*, base="FOCAL_PLANE", pixels="DETECTOR_007"):
    """The frames of a camera with one detector, which is turned by a quarter."""
    turn = Ast.MatrixMap([[0.0, 1.0 / PIXEL_MM], [-1.0 / PIXEL_MM, 0.0]])
    to_pixels = Ast.CmpMap(
        Ast.CmpMap(Ast.ShiftMap([-v for v in CENTRE_MM]), turn, True), Ast.ShiftMap(list(REFERENCE)), True
    )
    frames = Ast.FrameSet(Ast.Frame(2, f"Ident={base}"))
    frames.addframe(1, to_pixels, Ast.Frame(2, f"Ident={pixels}"))
    return str(frames)


def test_pixels_lead_to_the_focal_plane(file, opened):
    file.tree["detector"]["frames"]["ast"] = camera()
    detector = opened().detector
    assert (detector.name, detector.number) == ("R00_S00", 7)
    x, y = detector.pixel_to_focal_plane(
        np.array([2047.5, 2147.5, 2047.5]), np.array([2001.5, 2001.5, 1801.5])
    )
    # A quarter turn: columns run along the second axis of the focal plane.
    np.testing.assert_allclose(x, [-254.0, -254.0, -252.0], atol=1e-9)
    np.testing.assert_allclose(y, [84.75, 85.75, 84.75], atol=1e-9)


@pytest.mark.parametrize("name", ["visit_image_dp1", "visit_image_dp2", "visit_image_gaussian"])
def test_a_real_detector_s_reference_point_is_where_its_orientation_says(shared, name):
    path = shared / "data" / "lsst_images" / f"{name}.fits"
    detector = open_exposure(path).detector
    place = orientation_of(path)
    x, y = (np.array([place[f"pixel_reference_{axis}"]]) for axis in "xy")
    expected = [[place["focal_plane_x"]], [place["focal_plane_y"]]]
    np.testing.assert_allclose(detector.pixel_to_focal_plane(x, y), expected, atol=1e-9)


def orientation_of(path):
    from forcedsql.readers.fits_file import open_fits
    from forcedsql.readers.lsst_images.sources import Sources

    with open_fits(path) as opened_file:
        tree: Node = Sources(opened_file).tree()
    return tree.find("detector", "attributes", "orientation")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (camera(base="SKY"), "lead from 'SKY' to 'DETECTOR_007'"),
        (camera(pixels="FIELD_ANGLE"), "lead from 'FOCAL_PLANE' to 'FIELD_ANGLE'"),
        ("Begin FrameSet", "AST"),
        (camera().replace("MatrixMap", "OtherMap"), "detector with AST OtherMap"),
    ],
)
def test_a_damaged_detector_is_named_and_the_image_is_read(file, opened, text, said):
    file.tree["detector"]["frames"]["ast"] = text
    exposure = opened()
    assert exposure.detector is None
    assert said in exposure.unsupported["detector"]
    assert exposure.wcs is not None


def test_a_file_without_a_detector_has_none(file, opened):
    del file.tree["detector"]
    exposure = opened()
    assert exposure.detector is None
    assert "detector" not in exposure.unsupported
