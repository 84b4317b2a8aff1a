"""Decoders of detectors: which transform leads to the focal plane, and what a damaged one costs."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ReadError
from forcedsql.readers import open_exposure
from forcedsql.readers.decoders.detector import DECODERS
from forcedsql.readers.lazy import open_lazily
from tests.readers.decoders.test_coadd import as_bytes
from tests.test_transforms import AFFINE, MATRIX, SHIFT

X, Y = np.array([0.0, 30.0, 7.25]), np.array([0.0, 20.0, 5.5])
EXPECTED = MATRIX @ np.array([X, Y]) + SHIFT[:, np.newaxis]
UNKNOWN = "1 TransformPoint2ToPoint2 Begin MathMap\n Nin = 2\n IsA Mapping\nEnd MathMap\n"
FILES = ("hsc_i_obs_base_calexp.fits", "cfht_r_calexp-849375-12_psfex_apcorr.fits.fz")


def add_detector(afw, connections, *, name="R22 S11"):
    """Add a detector of this name, with a map of (from, to, id of the transform) connections."""
    ends = {f"{end}{part}": ("QA", []) for end in ("from", "to") for part in ("SysName", "SysDetectorName")}
    for start, stop, _ in connections:
        for end, (system, detector) in (("from", start), ("to", stop)):
            ends[f"{end}SysName"][1].append(system)
            ends[f"{end}SysDetectorName"][1].append(detector)
    ids = ("J", [transform for *_, transform in connections])
    transforms = afw.add_object("TransformMap", rows=len(connections), **ends, transform=ids)
    made = afw.add_object("Detector", name=("QA", [name]), id=("J", [94]), transformMap=("J", [transforms]))
    afw.primary["DETECTOR_ID"] = made
    return made


def add_transform(afw, text=AFFINE):
    return afw.add_object("TransformPoint2ToPoint2", bytes=as_bytes(text))


PIXELS, OTHER, FOCAL_PLANE = ("Pixels", "R22 S11"), ("Pixels", "R22 S12"), ("FocalPlane", "")


def test_a_transform_from_pixels_is_used_forward(afw, opened):
    field_angle = (FOCAL_PLANE, ("FieldAngle", ""), 77)
    add_detector(afw, [field_angle, (OTHER, FOCAL_PLANE, 78), (PIXELS, FOCAL_PLANE, add_transform(afw))])
    exposure = opened()
    assert (exposure.detector.name, exposure.detector.number, exposure.info.detector) == ("R22 S11", 94, 94)
    np.testing.assert_allclose(exposure.detector.pixel_to_focal_plane(X, Y), EXPECTED, rtol=1e-14)
    assert not exposure.unsupported


def test_a_transform_to_pixels_is_used_backwards(afw, opened):
    add_detector(afw, [(FOCAL_PLANE, OTHER, 78), (FOCAL_PLANE, PIXELS, add_transform(afw))])
    x, y = opened().detector.pixel_to_focal_plane(*EXPECTED)
    # The inverse of a matrix costs a few units in the last place of 30 pixels.
    np.testing.assert_allclose([x, y], [X, Y], rtol=0, atol=1e-12)


def test_a_file_without_a_detector_has_none(afw, opened):
    exposure = opened()
    assert exposure.detector is None
    assert not exposure.unsupported


def test_a_layout_gives_the_same_detector_without_its_tables(afw, tmp_path):
    add_detector(afw, [(FOCAL_PLANE, PIXELS, add_transform(afw))])
    path = afw.write(tmp_path / "exposure.fits")
    first = open_lazily(path)
    again = open_lazily(path, first.layout).exposure
    assert (again.detector.name, again.detector.number) == ("R22 S11", 94)
    np.testing.assert_array_equal(
        again.detector.pixel_to_focal_plane(X, Y), first.exposure.detector.pixel_to_focal_plane(X, Y)
    )


@pytest.mark.parametrize(
    ("connections", "fault"),
    [
        ([], "no transform leads from the pixels of detector 'R22 S11'"),
        ([(OTHER, FOCAL_PLANE, 1)], "no transform leads from the pixels of detector 'R22 S11'"),
        ([(PIXELS, FOCAL_PLANE, 99)], "the archive has no object 99"),
        ([(PIXELS, FOCAL_PLANE, 2)], "has no column 'bytes'"),
    ],
    ids=["no transforms", "another detector's", "no such object", "no transform"],
)
def test_a_damaged_detector_costs_only_itself(afw, opened, connections, fault):
    add_transform(afw)
    add_detector(afw, connections)
    exposure = opened()
    assert exposure.detector is None
    assert exposure.info.detector == 94
    assert fault in exposure.unsupported["detector"]
    assert exposure.image.any()


@pytest.mark.parametrize("text", ["", "Begin", AFFINE.replace("3.14159265", "pi"), AFFINE[:-80]])
def test_a_damaged_transform_costs_only_the_detector(afw, opened, text):
    add_detector(afw, [(PIXELS, FOCAL_PLANE, add_transform(afw, text))])
    exposure = opened()
    assert exposure.detector is None
    assert exposure.unsupported["detector"].startswith("damaged DETECTOR (")


def test_a_transform_of_an_unknown_class_is_named(afw, opened):
    add_detector(afw, [(PIXELS, FOCAL_PLANE, add_transform(afw, UNKNOWN))])
    assert dict(opened().unsupported) == {"detector": "Detector with AST MathMap"}


def test_a_detector_that_the_archive_lacks_is_noted(afw, opened):
    add_transform(afw)
    afw.primary["DETECTOR_ID"] = 1000
    exposure = opened()
    assert exposure.detector is None
    assert exposure.info.detector is None
    assert exposure.unsupported["detector"] == "damaged DETECTOR (the archive has no object 1000)"


def test_more_transforms_than_a_camera_has_are_refused(afw, opened, monkeypatch):
    monkeypatch.setattr("forcedsql.readers.decoders.detector._MAX_TRANSFORMS", 1)
    transform = add_transform(afw)
    add_detector(afw, [(PIXELS, FOCAL_PLANE, transform), (OTHER, FOCAL_PLANE, transform)])
    assert "2; forcedsql reads at most 1" in opened().unsupported["detector"]


@pytest.mark.parametrize(
    "change", [{"number": "94"}, {"transform": 3}, {"from_focal_plane": 1}, {"more": ""}], ids=str
)
def test_a_condensed_detector_that_was_tampered_with_is_refused(change):
    good = {"number": 94, "name": "a", "transform": AFFINE, "from_focal_plane": False, "fault": ""}
    expand = DECODERS["Detector"].expand
    assert expand(good).number == 94
    with pytest.raises(ReadError, match="condensed Detector is damaged"):
        expand(good | change)


@pytest.mark.parametrize("name", FILES)
def test_a_real_detector_lies_where_its_own_numbers_put_it(shared, name):
    """The position, angle and pixel size beside the transform give the same place.

    FP = fpPosition + R(yaw) ((pixel - refPoint) * pixelSize) is how afw makes the transform of a
    camera without distortion of its detectors (``python/lsst/afw/cameraGeom``), so only rounding
    differs: to 3e-14 mm here, and a matrix of other elements would show at 1e-9.
    """
    path = shared / "data" / "afw_formats" / name
    with fits.open(path) as hdus:
        index = hdus[hdus[0].header["AR_HDU"] - 1]
        entry = next(r for r in index.data if r["name"] == "Detector" and r["cat.persistable"] == 0)
        number = hdus[0].header["AR_HDU"] - 1 + int(entry["cat.archive"])
        row = hdus[number].data[int(entry["row0"])]
        size, place, middle = (
            np.array([float(row[f"{stem}_{axis}"]) for axis in "xy"])
            for stem in ("pixelSize", "fpPosition", "refPoint")
        )
        yaw, width, height = float(row["yaw"]), int(row["bbox_max_x"]), int(row["bbox_max_y"])
    grid = np.meshgrid(np.linspace(0, width, 5), np.linspace(0, height, 5))
    pixels = np.array([axis.ravel() for axis in grid])
    rotation = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    expected = place[:, np.newaxis] + rotation @ ((pixels - middle[:, np.newaxis]) * size[:, np.newaxis])
    detector = open_exposure(path).detector
    found = np.array(detector.pixel_to_focal_plane(*pixels))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
