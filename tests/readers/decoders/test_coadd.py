"""Decoders of warped and coadd PSFs and of coadd inputs."""

import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.geometry import Box
from forcedsql.psf.coadd import CoaddPsf
from forcedsql.psf.warped import WarpedPsf
from tests.test_transforms import AFFINE

X, Y = np.array([30.0]), np.array([20.0])


def as_bytes(text):
    return "QB", [np.frombuffer(text.encode(), np.uint8)]


def add_gaussian(afw, sigma=1.5):
    return afw.add_object(
        "SingleGaussianPsf", dimensions_x=("J", [11]), dimensions_y=("J", [9]), sigma=("D", [sigma])
    )


def add_polygon(afw, x, y):
    return afw.add_object("Polygon", rows=len(x), vertices_x=("D", x), vertices_y=("D", y))


def add_control(afw, kernel, *, cache_size=10_000):
    return afw.add_object(
        "WarpingControl",
        flags={"hasMaskKernel": [False]},
        warpingKernelIndex=("J", [kernel]),
        maskKernelIndex=("J", [0]),
        cacheSize=("J", [cache_size]),
        interpLength=("J", [0]),
        growFullMask=("J", [0]),
    )


def add_warped(afw, *, psf=None, transform=AFFINE, kernel=None, **control):
    kernel = kernel or afw.add_object("LanczosWarpingKernel", order=("J", [3]))
    parts = {
        "psfIndex": psf or add_gaussian(afw),
        "transformIndex": afw.add_object("TransformPoint2ToPoint2", bytes=as_bytes(transform)),
        "controlIndex": add_control(afw, kernel, **control),
    }
    made = afw.add_object("WarpedPsf", **{name: ("J", [value]) for name, value in parts.items()})
    afw.primary["PSF_ID"] = made
    return made


def exposure_columns(rows, **more):
    """Columns of an exposure catalogue: one box of 100 x 50 pixels a row, unless told otherwise."""
    count = len(rows["wcs"])
    columns = {name: ("J", rows.get(name, [0] * count)) for name in ("wcs", "psf", "validPolygon")}
    columns["id"] = ("K", list(range(1, count + 1)))
    for name, value in {"min_x": 0, "min_y": 0, "max_x": 99, "max_y": 49}.items():
        columns[f"bbox_{name}"] = ("J", [value] * count)
    return columns | more


def add_coadd_psf(afw, *, psfs, polygons=None, weights=None, kernel="lanczos3", cache_size=10_000):
    wcs = afw.add_wcs()
    rows = {"wcs": [wcs] * len(psfs), "psf": psfs, "validPolygon": polygons or [0] * len(psfs)}
    first = afw.add_table(
        coaddwcs=("J", [wcs]),
        cachesize=("J", [cache_size]),
        avgpos_x=("D", [0.0]),
        avgpos_y=("D", [0.0]),
        warpingkernelname=("32A", [kernel]),
    )
    second = afw.add_table(**exposure_columns(rows, weight=("D", weights or [1.0] * len(psfs))))
    made = afw.place("CoaddPsf", first)
    afw.index.append((made, second, 1, 0, len(psfs), "CoaddPsf"))
    afw.primary["PSF_ID"] = made
    return made


def test_a_warped_psf_has_its_parts(afw, opened):
    add_warped(afw, cache_size=500)
    psf = opened().psf
    assert isinstance(psf, WarpedPsf)
    assert psf.psf.kind == "SingleGaussianPsf"
    assert (psf.kernel.name, psf.kernel.cache_size) == ("lanczos3", 500)
    np.testing.assert_allclose(psf.transform.forward(X, Y)[0], 0.97 * X + 0.11 * Y + 3.14159265)


@pytest.mark.parametrize(
    ("name", "kernel"), [("BillinearWarpingKernel", "bilinear"), ("NearestWarpingKernel", "nearest")]
)
def test_kernels_without_a_state_have_no_rows(afw, opened, name, kernel):
    add_warped(afw, kernel=afw.place(name, -1, rows=0))
    assert opened().psf.kernel.name == kernel


def test_an_unknown_transform_makes_the_psf_unsupported(afw, opened):
    add_warped(
        afw, transform="1 TransformPoint2ToPoint2 Begin MathMap\n Nin = 2\n IsA Mapping\nEnd MathMap\n"
    )
    exposure = opened()
    assert exposure.psf is None
    assert dict(exposure.unsupported) == {"psf": "WarpedPsf with AST MathMap"}


@pytest.mark.parametrize("order", [0, -3, 100, 2**31 - 1])
def test_a_hostile_kernel_order_is_refused(afw, opened, order):
    add_warped(afw, kernel=afw.add_object("LanczosWarpingKernel", order=("J", [order])))
    with pytest.raises(ReadError, match=f"lanczos{order}"):
        opened()


def test_a_hostile_cache_is_refused(afw, opened):
    add_warped(afw, cache_size=2**31 - 1)
    with pytest.raises(ReadError, match="2147483647 entries"):
        opened()


def test_a_coadd_psf_has_its_inputs_in_order(afw, opened):
    polygon = add_polygon(afw, [0.0, 90.0, 0.0], [0.0, 0.0, 45.0])
    psfs = [add_gaussian(afw, 1.5), add_gaussian(afw, 2.5)]
    add_coadd_psf(afw, psfs=psfs, polygons=[0, polygon], weights=[1.0, 3.0], kernel="lanczos5", cache_size=7)
    psf = opened().psf
    assert isinstance(psf, CoaddPsf)
    assert [part.psf.sigma for part in psf.inputs] == [1.5, 2.5]
    assert [part.weight for part in psf.inputs] == [1.0, 3.0]
    assert psf.inputs[0].footprint.bbox == Box(0, 0, 100, 50)
    assert psf.inputs[0].footprint.valid_polygon is None
    assert psf.inputs[1].footprint.valid_polygon.x.tolist() == [0.0, 90.0, 0.0]
    assert (psf.kernel.name, psf.kernel.cache_size) == ("lanczos5", 7)
    assert psf.images(X, Y).valid.all()


def test_a_coadd_psf_of_2013_keeps_the_coadds_projection_in_its_last_row(afw, opened):
    wcs = afw.add_wcs()
    rows = {"wcs": [wcs, wcs, wcs], "psf": [add_gaussian(afw), add_gaussian(afw), 0]}
    columns = exposure_columns(rows, weight=("D", [1.0, 2.0, 0.0]))
    del columns["validPolygon"]
    afw.primary["PSF_ID"] = afw.add_object("CoaddPsf", rows=3, **columns)
    psf = opened().psf
    assert len(psf.inputs) == 2
    assert (psf.kernel.name, psf.kernel.cache_size) == ("lanczos3", 10_000)
    assert psf.images(X, Y).valid.all()


@pytest.mark.parametrize("missing", ["psf", "wcs"])
def test_an_input_that_lacks_what_it_needs_is_refused(afw, opened, missing):
    wcs, gaussian = afw.add_wcs(), add_gaussian(afw)
    rows = {"wcs": [wcs, wcs], "psf": [gaussian, gaussian]}
    rows[missing][0] = 0
    columns = exposure_columns(rows, weight=("D", [1.0, 0.0]))
    afw.primary["PSF_ID"] = afw.add_object("CoaddPsf", rows=2, **columns)
    with pytest.raises(ReadError, match=r"lacks the (PSF|sky projection)"):
        opened()


def test_an_unknown_psf_among_the_inputs_is_named(afw, opened):
    add_coadd_psf(afw, psfs=[add_gaussian(afw), afw.add_object("MysteryPsf", a=("J", [0]))])
    assert dict(opened().unsupported) == {"psf": "CoaddPsf with MysteryPsf"}


def test_coadds_of_coadds_that_multiply_are_refused(afw, opened):
    inner = add_gaussian(afw)
    for _ in range(4):
        inner = add_coadd_psf(afw, psfs=[inner] * 20)
    with pytest.raises(FileLimitError, match="160000; forcedsql reads at most 20000"):
        opened()


def test_a_coadd_psf_within_itself_is_refused(afw, opened):
    made = add_coadd_psf(afw, psfs=[add_gaussian(afw)])
    table = afw.tables[-1]
    table.data["psf"] = made
    with pytest.raises(ReadError, match="refers to itself"):
        opened()


@pytest.mark.parametrize(
    ("x", "y"), [([0.0, 1.0], [0.0, 1.0]), ([0.0, np.nan, 3.0], [0.0, 1.0, 2.0])], ids=["two points", "NaN"]
)
def test_what_is_no_polygon_is_refused(afw, opened, x, y):
    add_coadd_psf(afw, psfs=[add_gaussian(afw)], polygons=[add_polygon(afw, x, y)])
    with pytest.raises(ReadError, match="Polygon"):
        opened()


def test_a_polygon_of_too_many_vertices_is_refused(afw, opened):
    polygon = add_polygon(afw, np.arange(10_001.0), np.zeros(10_001))
    add_coadd_psf(afw, psfs=[add_gaussian(afw)], polygons=[polygon])
    with pytest.raises(FileLimitError, match="vertices"):
        opened()


def add_coadd_inputs(afw, wcs):
    visits = afw.add_table(**exposure_columns({"wcs": [wcs]}, filter=("16A", ["r"])))
    more = {"visit": ("K", [77, 78]), "ccd": ("J", [4, 5]), "weight": ("D", [0.5, 0.25])}
    ccds = afw.add_table(**exposure_columns({"wcs": [wcs, wcs], "psf": [99, 99]}, **more))
    made = afw.place("CoaddInputs", visits)
    afw.index.append((made, ccds, 1, 0, 2, "CoaddInputs"))
    afw.primary["COADD_INPUTS_ID"] = made


def test_coadd_inputs_are_read_without_their_psfs(afw, opened):
    add_coadd_inputs(afw, afw.add_wcs())
    exposure = opened()
    inputs = exposure.coadd_inputs
    assert [record.band for record in inputs.visits] == ["r"]
    assert [(r.visit, r.detector, r.weight, r.psf) for r in inputs.ccds] == [
        (77, 4, 0.5, None),
        (78, 5, 0.25, None),
    ]
    assert inputs.count(X, Y, exposure.wcs).tolist() == [2]


def test_an_input_of_an_unknown_projection_says_so_and_leaves_the_rest(afw, opened):
    afw.add_wcs()
    add_coadd_inputs(afw, afw.add_object("MysteryWcs", a=("J", [0])))
    (visit,) = opened().coadd_inputs.visits
    assert visit.wcs is None
    assert visit.unsupported == {"wcs": "MysteryWcs"}
