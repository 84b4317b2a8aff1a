"""Simulated exposures: noise of the right size, masks where the faults are."""

import numpy as np
import pytest

from forcedsql.fields.bounded_field import ConstantField
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.simulate import (
    Conditions,
    Defects,
    Setting,
    Sources,
    expose,
    random_sources,
    simulate_exposure,
    tangent_wcs,
)
from forcedsql.simulate.scene import MASK_PLANES

PSF = SingleGaussianPsf(25, 25, 1.9)


def setting(**changes):
    options = {
        "shape": (300, 320),
        "xy0": (40, -60),
        "psf": PSF,
        "wcs": tangent_wcs((53.0, -28.0), (200.0, 90.0)),
    }
    return Setting(**options | changes)


def star(x, y, flux):
    return Sources(np.array([x]), np.array([y]), np.array([flux]), np.zeros(1))


def has(simulated, plane):
    return simulated.exposure.mask & (1 << MASK_PLANES[plane]) != 0


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    first, again, other = (simulate_exposure(count=20, shape=(90, 80), seed=s).exposure for s in (1, 1, 2))
    for plane in ("image", "mask", "variance"):
        assert getattr(first, plane).tobytes() == getattr(again, plane).tobytes()
    assert not np.array_equal(first.image, other.image)


def test_noise_has_the_variance_of_the_variance_plane():
    simulated = expose(star(200.0, 90.0, 3e5), setting(conditions=Conditions(saturation=np.inf)), seed=3)
    pull = simulated.noise / np.sqrt(simulated.exposure.variance)
    # 96,000 normal deviates: the standard deviation is known to 0.23 percent.
    assert pull.std() == pytest.approx(1.0, abs=0.01)
    assert pull.mean() == pytest.approx(0.0, abs=0.013)
    core = simulated.exposure.variance.max()
    assert core == pytest.approx(900.0 + 3e5 / (2 * np.pi * 1.9**2) / 1.2, rel=1e-3)


def test_rounding_is_below_a_thirtieth_of_the_noise():
    image = simulate_exposure(count=5, shape=(64, 64), seed=1).exposure.image
    step = 0.5
    np.testing.assert_array_equal(image, np.rint(image / step) * step)
    assert step <= 30.0 / 32.0


def test_a_catalogue_flux_is_divided_by_the_aperture_correction_on_the_image():
    quiet = Conditions(sky_sigma=1e-6, gain=np.inf, saturation=np.inf)
    corrected = setting(conditions=quiet, ap_corr={"base_PsfFlux_instFlux": ConstantField(0.98)})
    image = expose(star(200.0, 90.0, 980.0), corrected, seed=1).exposure.image
    assert image.sum() == pytest.approx(1000.0, rel=1e-5)


def test_saturated_cores_are_masked_and_interpolated():
    bright = expose(star(200.0, 90.0, 1e7), setting(), seed=3)
    saturated = has(bright, "SAT")
    assert saturated.sum() > 20
    assert np.all(has(bright, "INTRP")[saturated])
    assert np.all(has(bright, "SUSPECT")[saturated])
    assert has(bright, "SUSPECT").sum() > saturated.sum()
    assert bright.exposure.image.max() < 1.1 * 4e4


def test_defects_are_masked():
    defects = Defects(edge=5, bad_columns=2, cosmic_rays=6, no_data=12)
    simulated = expose(
        random_sources(20, seed=1, shape=(300, 320), xy0=(40, -60)), setting(defects=defects), seed=3
    )
    edge = has(simulated, "EDGE")
    assert edge[4].all()
    assert not edge[5:-5, 5:-5].any()
    assert (has(simulated, "BAD").all(axis=0)).sum() == 2
    assert has(simulated, "CR").sum() > 30
    assert np.all(has(simulated, "INTRP")[has(simulated, "BAD") | has(simulated, "CR")])
    corner = has(simulated, "NO_DATA")
    assert corner[:12, :12].all()
    assert corner.sum() == 144
    np.testing.assert_array_equal(np.isnan(simulated.exposure.image), corner)
    np.testing.assert_array_equal(np.isnan(simulated.exposure.variance), corner)


def test_bright_sources_are_detected_and_empty_sky_is_not():
    simulated = expose(star(200.0, 90.0, 1e4), setting(), seed=3)
    detected = has(simulated, "DETECTED")
    assert detected[150, 160]
    assert detected.sum() < 500
    assert not has(expose(star(200.0, 90.0, 10.0), setting(), seed=3), "DETECTED").any()


def test_random_sources_stay_inside_the_margin():
    sources = random_sources(500, seed=2, shape=(100, 200), xy0=(1000, -500), margin=20.0)
    assert sources.x.min() >= 1020
    assert sources.x.max() <= 1179
    assert sources.y.min() >= -480
    assert sources.y.max() <= -421
