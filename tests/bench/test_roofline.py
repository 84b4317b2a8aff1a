"""The floor of a measurement, against counts by hand."""

import math

import pytest

from forcedsql.bench.machine import Machine, describe_machine
from forcedsql.bench.psf_models import PSF_MODELS
from forcedsql.bench.roofline import aperture_flops, bytes_per_source, roofline
from forcedsql.config import MeasurementConfig
from forcedsql.measure.sinc import sinc_aperture

MACHINE = Machine("a processor", "a system", 2, 0.0, {}, gigabytes_per_second=10.0, gigaflops=50.0)


def test_an_aperture_of_whole_pixels_adds_image_and_variance():
    config = MeasurementConfig(radii=(20.0,))
    assert aperture_flops(config) == pytest.approx(2.0 * math.pi * 400.0)


def test_a_sinc_aperture_costs_its_factors():
    rank = sinc_aperture(3.0, "lanczos5").rank
    expected = 15 * 15 * (2 * rank + 5) + 4 * 10 * 15 * rank
    assert aperture_flops(MeasurementConfig(radii=(3.0,))) == expected


def test_few_positions_read_their_boxes_and_many_share_the_planes():
    config = MeasurementConfig(radii=(70.0,))
    assert bytes_per_source(config, side=4000, count=10) == 12 * 141**2
    assert bytes_per_source(config, side=4000, count=100_000) == 12 * 160.0


def test_the_floor_is_the_slower_of_memory_and_arithmetic():
    floor = roofline(PSF_MODELS["gaussian"], MACHINE, side=4000, count=10_000, measured_us=20.0)
    assert floor.memory_us == pytest.approx(19_200 / 10_000)
    assert floor.compute_us == pytest.approx(floor.flops_each / 50_000)
    assert floor.floor_us == max(floor.memory_us, floor.compute_us)


def test_this_machine_has_a_name_and_plausible_limits():
    machine = describe_machine()
    assert machine.processor
    assert machine.versions["numpy"]
    # Between the slowest board that runs Python and the fastest core of this decade.
    assert 0.1 < machine.gigabytes_per_second < 1000.0
    assert 0.1 < machine.gigaflops < 1000.0
