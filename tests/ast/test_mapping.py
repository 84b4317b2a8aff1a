"""Compounds of AST mappings: their axes are counted, whatever the text says of them."""

import numpy as np
import pytest
from starlink import Ast

from forcedsql.ast.mapping import checked_mapping, in_series, inverse_of
from forcedsql.ast.text import parse_ast
from forcedsql.errors import ReadError

ZOOM = "Begin ZoomMap\nNin = {0}\nZoom = 4\nEnd ZoomMap"
UNIT_NORM = "Begin UnitNormMap\nNin = 2\nNout = 3\nEnd UnitNormMap"


def compound(name, first, second, *own):
    return "\n".join([f"Begin {name}", *own, "MapA =", first, "MapB =", second, f"End {name}"])


def checked(text):
    return checked_mapping(parse_ast(text))


def moved(mapping, *points):
    return Ast.Channel(list(mapping.lines)).read().tran(np.array(points, dtype=float).T)


def test_axes_of_a_series_are_those_of_its_ends_and_of_parallels_their_sums():
    series = checked(compound("CmpMap", ZOOM.format(2), UNIT_NORM))
    assert (series.nin, series.nout) == (2, 3)
    parallel = checked(compound("CmpMap", ZOOM.format(1), UNIT_NORM, "Series = 0"))
    assert (parallel.nin, parallel.nout) == (3, 4)
    assert moved(parallel, (1.0, 3.0, 4.0))[:, 0].tolist() == [4.0, 0.6, 0.8, 5.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (compound("CmpMap", UNIT_NORM, ZOOM.format(2)), "its parts do not fit"),
        (compound("CmpMap", ZOOM.format(2), UNIT_NORM, "InvB = 1"), "its parts do not fit"),
        (compound("TranMap", ZOOM.format(2), UNIT_NORM), r"its parts map \(2, 2\) and \(2, 3\) axes"),
        ("Begin CmpMap\nMapA =\n" + UNIT_NORM + "\nEnd CmpMap", "the object mapb is missing"),
    ],
)
def test_parts_that_do_not_fit_are_refused(text, message):
    with pytest.raises(ReadError, match=message):
        checked(text)


def test_an_inverse_gives_as_many_axes_as_the_mapping_takes():
    mapping = checked(UNIT_NORM)
    back = inverse_of(mapping)
    assert (back.nin, back.nout) == (3, 2)
    there_and_back = in_series(mapping, back, invert_first=False, invert_second=False)
    np.testing.assert_allclose(moved(there_and_back, (3.0, -4.0)), [[3.0], [-4.0]], rtol=1e-15)
