import dataclasses
import json

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ConfigError, FileLimitError, ReadError, UnsupportedError
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.piff import PiffPsf
from forcedsql.readers import open_exposure
from forcedsql.readers.decoders.piff import DECODERS
from tests.readers.afw_file import AfwFile
from tests.readers.pickles import HOSTILE, foreign, piff_fit, piff_psf


@pytest.fixture
def opened_with(tmp_path):
    """Opens an exposure whose PiffPsf has these bytes."""

    def open_with(data):
        afw = AfwFile()
        afw.add_wcs()
        afw.primary["PSF_ID"] = afw.add_object("PiffPsf", bytes=("QB", [np.frombuffer(data, np.uint8)]))
        return open_exposure(afw.write(tmp_path / f"exposure_{len(list(tmp_path.iterdir()))}.fits"))

    return open_with


def test_a_fit_becomes_a_psf(opened_with):
    exposure = opened_with(piff_psf(piff_fit()))
    assert isinstance(exposure.psf, PiffPsf)
    grid = exposure.psf.grid
    assert (exposure.psf.width, grid.size, grid.scale, grid.pixel_scale, grid.step) == (5, 5, 0.2, 0.2, 1.0)
    assert grid.interpolant == LanczosInterpolant(3, conserve_dc=True)
    assert grid.polynomial.keys == ("x", "y")
    images = exposure.psf.images(np.array([3.2]), np.array([4.4]))
    assert images.valid.all()
    np.testing.assert_allclose(images.values.sum(), 1, rtol=1e-14)


def test_the_stamp_that_lsst_drew_is_reproduced(shared):
    """A fit of Piff 1.0 in world coordinates, and its image at (0, 0) as the pipelines wrote it."""
    folder = shared / "data" / "afw_formats"
    psf = open_exposure(folder / "piffpsf_exp.fits").psf
    images = psf.images(np.zeros(1), np.zeros(1))
    expected = fits.getdata(folder / "piffpsf_psfIm_0_0.fits")
    assert psf.grid.polynomial.keys == ("u", "v")
    np.testing.assert_allclose(images.values[0], expected, rtol=0, atol=1e-12)
    assert (images.x0[0], images.y0[0]) == (-12, -12)


def test_pickles_of_two_piff_versions_give_the_same_images(reference):
    x, y = np.random.default_rng(4).uniform(20, 580, (2, 50))
    old, new = (
        open_exposure(reference / name / "exposure.fits").psf.images(x, y) for name in ("piff15", "piff17")
    )
    np.testing.assert_array_equal(old.values, new.values)


def same_images(first, second):
    x, y = np.array([1.2, 5.5]), np.array([3.4, 2.0])
    return np.array_equal(first.images(x, y).values, second.images(x, y).values)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": np.float64(5.0), "height": np.float64(5.0)},
        {"interp": {"_mask": None}},
        {"interp": {"_keys": ("x", "y"), "_orders": (1, 1), "_max_order": 1}},
        {"interp": {"_orders": (np.int64(1), np.int64(1)), "_mask": None}},
    ],
    ids=["float sides", "no mask", "tuples", "numpy orders"],
)
def test_layouts_of_other_versions_mean_the_same(opened_with, changes):
    parts = piff_fit()
    interp = {**parts["interp"], **changes.get("interp", {})}
    if interp["_mask"] is None:
        del interp["_mask"]
    plain = opened_with(piff_psf(parts)).psf
    changed = opened_with(piff_psf(parts | changes | {"interp": interp})).psf
    assert same_images(plain, changed)


def test_world_coordinates_are_pixels_times_the_scale(opened_with):
    parts = piff_fit()
    solution = parts["interp"]["q"] / np.array([1, 0.2, 0.2])
    world = parts | {"interp": parts["interp"] | {"_keys": ["u", "v"], "q": solution}}
    x, y = np.array([100.2, 5.5]), np.array([3.4, 2000.0])
    first, second = (opened_with(piff_psf(p)).psf.images(x, y).values for p in (parts, world))
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"fit_class": "piff.convolvepsf.ConvolvePSF"}, "piff.convolvepsf.ConvolvePSF"),
        ({"model_class": "piff.gsobject_model.Moffat"}, "piff.gsobject_model.Moffat"),
        ({"interp_class": "piff.gp_interp.GPInterp"}, "piff.gp_interp.GPInterp"),
        ({"interpolant": foreign("galsim.interpolant.Quintic")}, "galsim.interpolant.Quintic"),
        ({"wcs": {0: foreign("galsim.fitswcs.AstropyWCS")}}, "galsim.fitswcs.AstropyWCS"),
        (
            {"wcs": {0: foreign("lsst.meas.extensions.piff.wcs_wrapper.UVWcsWrapper")}},
            "lsst.meas.extensions.piff.wcs_wrapper.UVWcsWrapper",
        ),
        (
            {"interp": {"_keys": ["x", "y", "colorValue"]}},
            "piff.basis_interp.BasisPolynomial in more than the position",
        ),
    ],
)
def test_another_model_opens_and_is_named_where_the_psf_is_needed(opened_with, changes, named):
    if "interp" in changes:
        changes = {"interp": piff_fit()["interp"] | changes["interp"]}
    exposure = opened_with(piff_psf(piff_fit(**changes)))
    assert exposure.psf is None
    assert exposure.unsupported == {"psf": f"PiffPsf with {named}"}
    with pytest.raises(UnsupportedError, match=named):
        exposure.require_supported("psf")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"width": 4}, ReadError, "4 x 5 pixels and not square"),
        ({"width": 5.5}, ReadError, "side of the image is 5.5"),
        ({"width": -5}, ReadError, "side of the image is -5"),
        ({"width": "5"}, ReadError, "side of the image is a str"),
        ({"width": True}, ReadError, "side of the image is a bool"),
        ({"width": 10**6, "height": 10**6}, FileLimitError, "side of the image: 1000000"),
        ({"width": 2**62, "height": 2**62}, FileLimitError, "side of the image"),
        ({"interp": {"q": np.ones((36, 3))}}, ReadError, "36 parameters for 5 x 5 points"),
        ({"scale": 0.0}, ReadError, "scale must be positive"),
        ({"scale": float("nan")}, ReadError, "scale must be positive"),
        ({"scale": None}, ReadError, "scale of the grid is a NoneType"),
        ({"wcs": {}}, ReadError, "no projection of chip 0"),
        ({"wcs": {0: foreign("galsim.wcs.PixelScale", other=1)}}, ReadError, "no attribute '_scale'"),
        ({"wcs": {0: 0.2}}, ReadError, "a float where a galsim PixelScale is expected"),
        (
            {"interpolant": foreign("galsim.interpolant.Lanczos", _n=10**6, _conserve_dc=True)},
            FileLimitError,
            "order of the interpolant: 1000000",
        ),
        ({"interp": {"q": None}}, ReadError, "solution of its polynomial"),
        ({"interp": {"q": np.ones(25)}}, ReadError, "solution of its polynomial"),
        ({"interp": {"q": np.ones((25, 3), int)}}, ReadError, "solution of its polynomial"),
        ({"interp": {"q": np.ones((25, 4))}}, ReadError, "3 terms"),
        ({"interp": {"q": np.ones((1, 4000))}}, FileLimitError, "terms of the polynomial: 4000"),
        ({"interp": {"_keys": []}}, ReadError, "keys of its polynomial"),
        ({"interp": {"_keys": "xy"}}, ReadError, "keys of its polynomial"),
        ({"interp": {"_keys": ["x"]}}, ReadError, "mask of terms"),
        ({"interp": {"_mask": np.ones((3000, 1), bool)}}, FileLimitError, "powers of the polynomial: 3000"),
        ({"interp": {"_mask": np.ones((2, 2))}}, ReadError, "mask of terms"),
        ({"interp": {"_mask": None, "_orders": [1]}}, ReadError, "2 keys and 1 orders"),
        ({"interp": {"_mask": None, "_orders": [1000, 1]}}, FileLimitError, "order of the polynomial: 1000"),
        ({"interp": {"_mask": None, "_orders": [-1, 1]}}, ReadError, "order of the polynomial is -1"),
        ({"interp": {"_mask": None, "_orders": 1}}, ReadError, "orders of its polynomial"),
    ],
)
def test_an_impossible_fit_is_refused(opened_with, changes, error, message):
    if "interp" in changes:
        interp = piff_fit()["interp"] | changes["interp"]
        if interp["_mask"] is None:
            del interp["_mask"]
        changes = {"interp": interp}
    with pytest.raises(error, match=message):
        opened_with(piff_psf(piff_fit(**changes)))


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"\x80\x04)."], ids=["empty", "None", "tuple"])
def test_a_pickle_of_something_else_is_refused(opened_with, content):
    with pytest.raises(ReadError, match="PiffPsf"):
        opened_with(content)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_in_a_psf_is_refused_by_name_and_runs_nothing(opened_with, tmp_path, name):
    trace = tmp_path / "it ran"
    with pytest.raises(ReadError, match=HOSTILE[name].asks_for) as caught:
        opened_with(HOSTILE[name].make(f"touch '{trace}'"))
    assert "(PiffPsf)" in str(caught.value)
    assert "exposure_0.fits" in str(caught.value)
    assert not trace.exists()


def test_a_hostile_object_hidden_in_a_good_fit_is_refused(opened_with, tmp_path):
    trace = tmp_path / "it ran"

    class Evil:
        def __reduce__(self):
            import os

            return os.system, (f"touch '{trace}'",)

    with pytest.raises(UnsupportedError, match="system"):
        opened_with(piff_psf(piff_fit(), kwargs={"deep": [Evil()]}))
    assert not trace.exists()


def test_a_psf_can_be_made_from_its_parts_alone(opened_with):
    psf = opened_with(piff_psf(piff_fit())).psf
    again = PiffPsf(psf.width, dataclasses.replace(psf.grid))
    assert same_images(psf, again)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 10**400},
        {"scale": 10**400},
        {"order": -1},
        {"keys": 5},
        {"keys": ["x", "w"]},
        {"solution": {"shape": [1e999, 1], "order": "C", "data": ""}},
        {"terms": {"shape": [], "order": "C", "data": ""}},
    ],
)
def test_a_condensed_psf_is_trusted_no_more_than_a_pickle(opened_with, change):
    decoder = DECODERS["PiffPsf"]
    psf = opened_with(piff_psf(piff_fit())).psf
    condensed = json.loads(json.dumps(decoder.condense(psf)))
    assert same_images(decoder.expand(condensed), psf)
    with pytest.raises((ConfigError, ReadError)):
        decoder.expand(condensed | change)
