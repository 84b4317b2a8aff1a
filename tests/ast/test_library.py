from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest

from forcedsql.ast.library import AstMapping
from forcedsql.errors import ReadError
from forcedsql.readers import open_exposure

ZOOM = "Begin ZoomMap\n Nin = 2\n IsA Mapping\n Zoom = 4\nEnd ZoomMap"
ONE_WAY = """Begin PolyMap
 Nin = 2
 Nout = 1
 IsA Mapping
 MPF1 = 1
 MPF2 = 1
 NCF1 = 1
 CF1 = 2
 PF1 = 1
End PolyMap"""


def test_a_mapping_goes_both_ways():
    mapping = AstMapping(ZOOM, what="zoom")
    points = np.array([[1.0, 2.0, 3.0], [-1.0, 0.0, 5.0]])
    np.testing.assert_array_equal(mapping.forward(points), 4.0 * points)
    np.testing.assert_array_equal(mapping.inverse(points), 0.25 * points)


def test_a_map_that_goes_one_way_is_refused_unless_that_will_do():
    with pytest.raises(ReadError, match="the field cannot be inverted"):
        AstMapping(ONE_WAY, what="field")
    mapping = AstMapping(ONE_WAY, what="field", invertible=False)
    np.testing.assert_array_equal(mapping.forward(np.array([[3.0], [7.0]])), [[6.0]])


def test_points_that_are_not_finite_map_to_nothing():
    mapping = AstMapping(ONE_WAY, what="field", invertible=False)
    points = np.array([[3.0, np.nan, 3.0, 5.0], [7.0, 7.0, np.inf, 7.0]])
    np.testing.assert_array_equal(mapping.forward(points), [[6.0, np.nan, np.nan, 10.0]])
    np.testing.assert_array_equal(mapping.forward(points[:, 1:3]), [[np.nan, np.nan]])
    assert mapping.forward(points[:, :0]).shape == (1, 0)


def test_text_that_ast_cannot_use_is_named():
    with pytest.raises(ReadError, match="AST cannot use the zoom"):
        AstMapping(ZOOM.replace("ZoomMap", "NoSuchMap"), what="zoom")


def test_threads_share_a_mapping():
    mapping = AstMapping(ZOOM, what="zoom")
    batches = [np.full((2, 500), float(k)) for k in range(40)]
    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(mapping.forward, batches))
    for batch, result in zip(batches, moved, strict=True):
        np.testing.assert_array_equal(result, 4.0 * batch)


@pytest.mark.parametrize(
    "name", ["coaddpsf_piff", "pcapsf_polywcs", "singlegauss_tan", "doublegauss_tansip_xy0"]
)
def test_positions_are_those_of_lsst_to_the_bit(reference, name):
    """A mapping that is not simplified differs in the last bit for 20 to 100 % of the positions."""
    folder = reference / name
    wcs = open_exposure(folder / "exposure.fits").wcs
    table = pq.read_table(folder / "positions.parquet")
    expected = pq.read_table(folder / "expected.parquet")
    found = wcs.sky_to_pixel(table["coord_ra"].to_numpy(), table["coord_dec"].to_numpy())
    for values, axis in zip(found, "xy", strict=True):
        centroid = expected[f"base_TransformedCentroidFromCoord_{axis}"].to_numpy()
        assert np.mean(values == centroid) > 0.99
        np.testing.assert_allclose(values, centroid, rtol=1e-15, atol=1e-12)
