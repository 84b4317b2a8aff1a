"""Each class of mapping, written by hand: what is taken over, and what is refused by its own rules."""

import numpy as np
import pytest
from starlink import Ast

from forcedsql.ast.mapping import checked_mapping
from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import parse_ast
from forcedsql.errors import FileLimitError, ReadError


def written(class_name, **values):
    lines = [f"{name} = {value}" for name, value in values.items()]
    return "\n".join([f"Begin {class_name}", *lines, f"End {class_name}"])


def checked(class_name, **values):
    return checked_mapping(parse_ast(written(class_name, **values)))


def moved(mapping, *points):
    return Ast.Channel(list(mapping.lines)).read().tran(np.array(points, dtype=float).T)


def test_a_unit_vector_is_measured_from_its_centre():
    mapping = checked("UnitNormMap", Nin=2, Nout=3, ctr1=1, ctr2=2)
    assert (mapping.nin, mapping.nout) == (2, 3)
    np.testing.assert_allclose(moved(mapping, (4.0, 6.0)), [[0.6], [0.8], [5.0]], rtol=1e-15)


def test_a_projection_keeps_its_type_its_axes_and_its_parameters():
    """Zenithal polynomial of degree 1: the distance from the pole is PV2_1 times the zenith angle."""
    mapping = checked("WcsMap", Nin=2, Type='"ZPN"', WcsAx1=1, WcsAx2=2, pv2_0=0, pv2_1=2)
    x, y = moved(mapping, (0.0, 0.0), (0.0, 0.25))
    assert 'Type = "ZPN"' in mapping.lines
    assert "pv2_1 = 2" in mapping.lines
    polar = np.hypot(x, y)
    np.testing.assert_allclose(polar[0] - polar[1], 2.0 * 0.25, rtol=1e-12)


@pytest.mark.parametrize(
    ("class_name", "values", "message"),
    [
        ("ZoomMap", {"Nin": 2, "Nout": 3, "Zoom": 2}, "it maps 2 axes to 3, not to as many"),
        ("MatrixMap", {"Nin": 2, "Form": '"Sparse"'}, "form is 'Sparse'"),
        ("MatrixMap", {"Nin": 2, "Form": '"Full"', "m0": 1}, "m1 is ''"),
        ("PermMap", {"Nin": 2, "out1": 3}, "out1 is 3"),
        ("SphMap", {"Nin": 2, "Nout": 2}, "it maps 2 axes to 2, not 3 to 2"),
        ("UnitNormMap", {"Nin": 2, "Nout": 2}, "it maps 2 axes to 2, not to one more"),
        ("WcsMap", {"Nin": 3, "Type": '"TAN"'}, "it maps 3 axes to 3, not 2 to 2"),
        ("WcsMap", {"Nin": 2, "Type": '"TAN"', "WcsAx1": 2, "WcsAx2": 2}, "both its axes are axis 2"),
        ("WcsMap", {"Nin": 2, "Type": '"ZPN"', "pv2_1": "nan"}, "pv2_1 is 'nan'"),
        ("SlaMap", {"Nin": 3, "nsla": 1}, "it maps 3 axes, not 2"),
        ("SlaMap", {"Nin": 2, "nsla": 1, "sla1": '"FK5HZ"'}, "sla1a is ''"),
        ("ZoomMap", {"Nin": 9, "Zoom": 2}, "nin is 9"),
        ("ZoomMap", {"Zoom": 2}, "nin is ''"),
    ],
)
def test_values_that_a_class_cannot_have_are_refused(class_name, values, message):
    with pytest.raises(ReadError, match=f"AST {class_name}: {message}"):
        checked(class_name, **values)


@pytest.mark.parametrize(
    ("class_name", "values", "unknown"),
    [
        ("WcsMap", {"Nin": 2, "Type": '"XPH"'}, "WcsMap of type XPH"),
        ("SlaMap", {"Nin": 2, "nsla": 1, "sla1": '"ECLEQ"'}, "SlaMap of type ECLEQ"),
        ("GrismMap", {"Nin": 1}, "GrismMap"),
    ],
)
def test_kinds_that_no_sky_image_needs_are_named(class_name, values, unknown):
    with pytest.raises(UnknownAstClassError, match=f"AST {unknown}, which") as refusal:
        checked(class_name, **values)
    assert refusal.value.class_name == unknown


def test_a_polynomial_of_too_many_terms_is_refused_before_they_are_looked_for():
    with pytest.raises(FileLimitError, match="ncf1 is 10001"):
        checked("PolyMap", Nin=1, mpf1=1, ncf1=10_001)
