"""Pixels that measurements look at: no value may depend on one that was not read."""

from dataclasses import replace
from functools import partial
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.config import MeasurementConfig
from forcedsql.lazy_exposure import LazyExposure
from forcedsql.measure.driver import measure_positions
from forcedsql.measure.exposure_planes import planes_of
from forcedsql.measure.reach import psf_box_reach
from forcedsql.pixel_rows import PixelRows
from forcedsql.plugins import find_plugin
from tests.measure.exposures import make_exposure, sky
from tests.native.instruction_sets import loaded

SHAPE = (400, 700)


class FromMemory:
    """Rows of planes that are in memory, counted."""

    def __init__(self, exposure):
        self.exposure = exposure
        self.shape = exposure.shape
        self.rows_read = self.mask_rows_read = self.most_columns = 0

    def read_pixels(self, rows, columns, image, variance):
        self.rows_read += rows.stop - rows.start
        self.most_columns = max(self.most_columns, columns.stop - columns.start)
        box = rows, columns
        image[box], variance[box] = self.exposure.image[box], self.exposure.variance[box]

    def read_mask(self, rows, columns, mask):
        self.mask_rows_read += rows.stop - rows.start
        mask[rows, columns] = self.exposure.mask[rows, columns]


def lazily(exposure):
    source = FromMemory(exposure)
    parts = {n: getattr(exposure, n) for n in ("mask_planes", "xy0", "wcs", "psf")}
    return LazyExposure(rows=PixelRows(source), **parts), source


def faulty_exposure(xy0=(0, 0)):
    exposure = make_exposure(shape=SHAPE, xy0=xy0, seed=5)
    rng = np.random.default_rng(6)
    exposure.image.flat[rng.choice(exposure.image.size, 1500, replace=False)] = np.nan
    exposure.variance.flat[rng.choice(exposure.image.size, 400, replace=False)] = np.inf
    mask = (1 << rng.integers(0, 9, SHAPE)) * (rng.random(SHAPE) < 0.05)
    return replace(exposure, mask=mask.astype(np.int32))


EXPOSURES = {xy0: faulty_exposure(xy0) for xy0 in ((0, 0), (-45, -200), (30_000, 40_000), (2**30, 2**30))}
CONFIGS = {
    "lanczos5": MeasurementConfig(),
    "exact": MeasurementConfig(sinc_shift="exact"),
    "circles only": MeasurementConfig(radii=(3.0, 20.0), max_sinc_radius=1.0),
    "overlaps": MeasurementConfig(radii=(3.0, 20.0), aperture_method="exact"),
    "large footprint": MeasurementConfig(psf_footprint_scaling=40.0),
    "rings": MeasurementConfig(
        radii=(3.0,),
        subtract_background="local",
        plugin_options={"base_LocalBackground": {"annulusInner": 5.0, "annulusOuter": 20.0}},
    ),
}

places = st.tuples(
    st.floats(-3, SHAPE[1] + 3) | st.sampled_from([-0.5, 0.0, 70.5, 350.25, 699.0, 699.5, np.nan]),
    st.floats(-3, SHAPE[0] + 3) | st.sampled_from([-0.5, 0.0, 70.5, 399.0, 399.4999, 1e9]),
)


@pytest.mark.parametrize("kernel", ["numpy", None])
@settings(deadline=None, max_examples=60)
@given(
    calls=st.lists(st.lists(places, min_size=1, max_size=4), min_size=1, max_size=3),
    xy0=st.sampled_from(list(EXPOSURES)),
    config=st.sampled_from(list(CONFIGS)),
)
def test_results_are_those_of_the_whole_image_to_the_bit(kernel, calls, xy0, config):
    with pytest.MonkeyPatch.context() as patch:
        if kernel is not None:
            patch.setenv("FORCEDSQL_KERNEL", kernel)
        whole = EXPOSURES[xy0]
        lazy, _ = lazily(whole)
        for call in calls:
            x, y = np.array(call).T
            ra, dec = sky(x + xy0[0], y + xy0[1])
            expected = measure_positions(whole, ra, dec, CONFIGS[config])
            measured = measure_positions(lazy, ra, dec, CONFIGS[config])
            different = [n for n in expected if expected[n].tobytes() != measured[n].tobytes()]
            assert different == []


@settings(deadline=None, max_examples=20)
@given(places=st.lists(places, min_size=1, max_size=4))
def test_without_a_psf_the_central_pixels_are_still_read(places):
    whole = replace(EXPOSURES[(0, 0)], psf=None)
    lazy, _ = lazily(whole)
    ra, dec = sky(*np.array(places).T)
    config = MeasurementConfig(radii=(3.0,))
    expected, measured = (measure_positions(e, ra, dec, config) for e in (whole, lazy))
    assert [n for n in expected if expected[n].tobytes() != measured[n].tobytes()] == []


def test_rows_are_those_of_the_largest_aperture():
    lazy, source = lazily(EXPOSURES[(0, 0)])
    measure_positions(lazy, *sky([40.0], [200.0]), MeasurementConfig())
    assert 141 <= source.rows_read <= 151
    # Apertures do not look at the mask: the PSF's box is what is left.
    assert 25 <= source.mask_rows_read <= 37
    measure_positions(lazy, *sky([40.0], [200.0]), MeasurementConfig())
    assert source.rows_read <= 151


def test_a_row_is_read_in_part_once_and_then_whole(monkeypatch):
    lazy, source = lazily(EXPOSURES[(0, 0)])
    measured = partial(measure_positions, lazy, config=MeasurementConfig())
    monkeypatch.setenv("FORCEDSQL_KERNEL", "numpy")
    measured(*sky([350.0], [330.0]))
    assert source.most_columns == SHAPE[1]
    if loaded() is None:
        pytest.skip("forcedsql was installed without its native kernel")
    lazy, source = lazily(EXPOSURES[(0, 0)])
    monkeypatch.setenv("FORCEDSQL_KERNEL", "native")
    measured = partial(measure_positions, lazy, config=MeasurementConfig())
    measured(*sky([350.0], [200.0]))
    assert 141 <= source.most_columns <= 151
    for x in (100.0, 600.0, 20.0):
        measured(*sky([x], [200.0]))
    assert source.most_columns == SHAPE[1]
    assert source.rows_read <= 2 * 151


def test_small_apertures_need_few_rows():
    lazy, source = lazily(EXPOSURES[(0, 0)])
    measure_positions(lazy, *sky([40.0], [200.0]), MeasurementConfig(radii=(3.0,)))
    assert 25 <= source.rows_read <= 37


def test_scattered_positions_need_the_rows_of_each():
    lazy, source = lazily(EXPOSURES[(0, 0)])
    measure_positions(lazy, *sky([40.0, 40.0], [60.0, 340.0]), MeasurementConfig(radii=(3.0,)))
    assert source.rows_read <= 2 * 37


def test_positions_off_the_image_need_none():
    lazy, source = lazily(EXPOSURES[(0, 0)])
    measure_positions(lazy, *sky([-50.0, np.nan], [60.0, 60.0]), MeasurementConfig())
    assert source.rows_read == 0


@pytest.mark.parametrize("kernel", ["numpy", "native"])
def test_rows_that_a_kernel_keeps_are_read_before(monkeypatch, kernel):
    """A row at the rim of one circle is inside the next, which must not find what was there unread."""
    if kernel == "native" and loaded() is None:
        pytest.skip("forcedsql was installed without its native kernel")
    monkeypatch.setenv("FORCEDSQL_KERNEL", kernel)
    config = MeasurementConfig(
        radii=(20.0,), plugins=("base_TransformedCentroidFromCoord", "base_CircularApertureFlux")
    )
    whole = make_exposure(shape=SHAPE, seed=5)
    lazy, _ = lazily(whole)
    for y in (200.6, 190.0, 211.0, 150.4, 160.0, 140.0):
        expected, measured = (measure_positions(e, *sky([40.0], [y]), config) for e in (whole, lazy))
        assert np.isfinite(expected["ap20Flux"]).all()
        assert measured["ap20Flux"].tolist() == expected["ap20Flux"].tolist(), y


@pytest.mark.parametrize(("across", "along"), [("x", "y"), ("y", "x")])
def test_psf_boxes_reach_as_far_as_the_farthest_of_them(across, along):
    length = {"x": "width", "y": "height"}
    images = SimpleNamespace(
        **{
            f"{along}0": np.array([98, 99, -500]),
            length[along]: np.array([5, 20, 900]),
            f"{across}0": np.array([40, 40, 40]),
            length[across]: np.array([21, 21, 21]),
        },
        valid=np.array([True, True, False]),
    )
    batch = SimpleNamespace(
        psf_images=images, **{along: np.array([100.0, 100.4, 100.0]), across: np.full(3, 50.0)}
    )
    # From pixel 100 to 118, where the second box ends; the margin is for kernels.
    assert 18 <= psf_box_reach(batch, MeasurementConfig()) <= 23
    getattr(images, f"{along}0")[0] = 60
    assert 40 <= psf_box_reach(batch, MeasurementConfig()) <= 44
    images.valid = np.zeros(3, np.bool_)
    assert psf_box_reach(batch, MeasurementConfig()) == 0


def test_a_plugin_that_does_not_say_what_it_looks_at_gets_all(monkeypatch):
    plugin = replace(find_plugin("base_PsfFlux"), reach=None)
    plain = MeasurementConfig()
    monkeypatch.setattr(
        import_module("forcedsql.measure.driver"),
        "plugins_in_order",
        lambda names: tuple(plugin if n == plugin.name else find_plugin(n) for n in names),
    )
    lazy, source = lazily(EXPOSURES[(0, 0)])
    measure_positions(lazy, *sky([40.0], [200.0]), plain)
    assert source.rows_read == SHAPE[0]


def test_whoever_takes_the_planes_gets_all_rows():
    lazy, source = lazily(EXPOSURES[(0, 0)])
    assert planes_of(lazy).image.tobytes() == EXPOSURES[(0, 0)].image.tobytes()
    assert source.rows_read == SHAPE[0]
