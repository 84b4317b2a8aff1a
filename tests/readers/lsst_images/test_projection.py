import copy

import numpy as np
import pytest
from starlink import Ast

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.projection import read_sky_projection
from forcedsql.readers.lsst_images.tree import Node
from forcedsql.wcs import AstWcs
from forcedsql.writer import write_exposure
from tests.readers.lsst_images_file import SKY, commented

X, Y = np.array([0.0, 150.0, 299.3]), np.array([299.0, 150.0, 12.4])


def projection(*texts, frames=None):
    frames = [{"frame_type": "GENERAL"}] * len(texts) + ["ICRS"] if frames is None else frames
    transform = {
        "frames": frames,
        "bounds": [None] * len(frames),
        "mappings": [{"ast": text} for text in texts],
    }
    return Node({"pixel_to_sky": transform}, "sky_projection")


def dump(mapping):
    return str(mapping)


def frame_set():
    return Ast.Channel(SKY.ast_text().split("\n")).read()


def test_a_frame_set_with_comments_is_that_without():
    wcs, plain = read_sky_projection(projection(commented(SKY.ast_text()))), AstWcs(SKY.ast_text())
    np.testing.assert_array_equal(wcs.pixel_to_sky(X, Y), plain.pixel_to_sky(X, Y))


def test_a_bare_mapping_leads_from_pixels_to_radians():
    bare = dump(frame_set().getmapping(Ast.BASE, Ast.CURRENT))
    assert bare.strip().startswith("Begin CmpMap")
    wcs = read_sky_projection(projection(commented(bare)))
    expected = AstWcs(SKY.ast_text()).pixel_to_sky(X, Y)
    np.testing.assert_allclose(wcs.pixel_to_sky(X, Y), expected, rtol=1e-14)
    np.testing.assert_allclose(wcs.sky_to_pixel(*expected), [X, Y], atol=1e-9)


def test_several_mappings_follow_one_another():
    frames = frame_set()
    to_iwc, to_sky = (frames.getmapping(*ends) for ends in ((1, 2), (2, 3)))
    shift = dump(Ast.ShiftMap([5.0, -7.0]))
    wcs = read_sky_projection(projection(shift, dump(to_iwc), dump(to_sky)))
    expected = AstWcs(SKY.ast_text()).pixel_to_sky(X + 5.0, Y - 7.0)
    np.testing.assert_allclose(wcs.pixel_to_sky(X, Y), expected, rtol=1e-14)


def test_a_bare_mapping_can_be_written_to_an_afw_file_and_read_back(opened, file, tmp_path):
    from forcedsql.readers import open_exposure

    bare = dump(frame_set().getmapping(Ast.BASE, Ast.CURRENT))
    file.tree["sky_projection"]["pixel_to_sky"]["mappings"] = [{"ast": commented(bare)}]
    file.tree["psf"] = None
    exposure = opened()
    write_exposure(exposure, tmp_path / "afw.fits")
    again = open_exposure(tmp_path / "afw.fits")
    np.testing.assert_allclose(again.wcs.pixel_to_sky(X, Y), exposure.wcs.pixel_to_sky(X, Y), rtol=1e-14)


@pytest.mark.parametrize(
    ("node", "what"),
    [
        (projection(SKY.ast_text(), frames=["PIXELS", "GALACTIC"]), "projection to 'GALACTIC'"),
        (projection(SKY.ast_text(), frames=["PIXELS", {"frame_type": "FIELD_ANGLE"}]), "projection to"),
        (projection("Begin LutMap\nNin = 2\nEnd LutMap\n"), "AST LutMap"),
    ],
)
def test_projections_of_other_kinds_are_named(node, what):
    with pytest.raises(UnknownClassError, match=what):
        read_sky_projection(node)


def test_a_projection_stored_apart_from_the_tree_is_named():
    node = projection(SKY.ast_text())
    node.child("pixel_to_sky").value["mappings"] = [{"column": {"name": "JSON"}, "row": 1}]
    with pytest.raises(UnknownClassError, match="by reference"):
        read_sky_projection(node)


@pytest.mark.parametrize(
    "text",
    ["", "Begin", "Begin FrameSet\n", "Begin ZoomMap\nNin = 3\nZoom = 2\nEnd ZoomMap\n",
     "Begin ShiftMap\nNin = 2\nSft1 = nan\nEnd ShiftMap\n", dump(Ast.UnitMap(1)), SKY.ast_text()[:500]],
)  # fmt: skip
def test_text_that_is_no_map_of_pixels_to_the_sky_is_refused(text):
    with pytest.raises(ReadError):
        read_sky_projection(projection(text))


def test_frames_and_mappings_must_match():
    node = projection(SKY.ast_text(), frames=["PIXELS", "IWC", "ICRS"])
    with pytest.raises(ReadError, match="3 frames for 1 mappings"):
        read_sky_projection(node)
    with pytest.raises(ReadError, match="1 frames for 0 mappings"):
        read_sky_projection(projection(frames=["ICRS"]))


def test_a_hundred_mappings_are_refused():
    with pytest.raises(FileLimitError, match="at most 17"):
        read_sky_projection(projection(*[dump(Ast.UnitMap(2))] * 100))


def test_the_file_opens_without_a_projection_that_is_not_known(file, opened):
    changed = copy.deepcopy(file.tree["sky_projection"])
    changed["pixel_to_sky"]["frames"][-1] = "GALACTIC"
    file.tree["sky_projection"] = changed
    exposure = opened()
    assert exposure.wcs is None
    assert exposure.unsupported == {"wcs": "projection to 'GALACTIC'"}
