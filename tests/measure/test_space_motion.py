"""Positions at the time of an exposure against astropy, and what tables may say of motion."""

import dataclasses
import warnings

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import Distance, SkyCoord, get_body_barycentric
from astropy.time import Time

from forcedsql.config import MeasurementConfig
from forcedsql.errors import MissingComponentError, TableError
from forcedsql.exposure import ExposureInfo
from forcedsql.measure import measure
from forcedsql.measure.positions import find_positions
from forcedsql.measure.space_motion import SpaceMotion, position_at
from tests.measure.exposures import make_exposure

MJD = 60676.3
"""20 years and a few days after 2005."""

N = 3000


def catalogue(seed=0):
    """Sources all over the sky, up to Barnard's star's motion, at speeds below 600 km/s."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, N), np.rad2deg(np.arcsin(rng.uniform(-1, 1, N)))
    speed, angle = 10 ** rng.uniform(-1, np.log10(10400), N), rng.uniform(0, 2 * np.pi, N)
    parallax = np.maximum(10 ** rng.uniform(-1, 2.9, N), speed * 4.74 / 600)
    return ra, dec, SpaceMotion(speed * np.cos(angle), speed * np.sin(angle), parallax, np.full(N, 2005.0))


def without(motion, *names):
    return dataclasses.replace(motion, **{name: np.full(len(motion.pm_ra), np.nan) for name in names})


def by_astropy(ra, dec, motion):
    """SkyCoord at the exposure's time, as astropy moves it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ERFA supposes a distance where there is none
        start = SkyCoord(
            ra * u.deg,
            dec * u.deg,
            distance=None if np.isnan(motion.parallax).any() else Distance(parallax=motion.parallax * u.mas),
            pm_ra_cosdec=motion.pm_ra * u.mas / u.yr,
            pm_dec=motion.pm_dec * u.mas / u.yr,
            obstime=Time(motion.ref_epoch, format="jyear", scale="tt"),
        )
        return start.apply_space_motion(new_obstime=Time(MJD, format="mjd", scale="tai"))


def separation(ra, dec, expected):
    return SkyCoord(ra * u.deg, dec * u.deg).separation(SkyCoord(expected.ra, expected.dec)).mas


def test_proper_motion_over_20_years_is_astropys_to_a_tenth_of_a_mas():
    ra, dec, motion = catalogue()
    motion = without(motion, "parallax")
    off = separation(*position_at(ra, dec, motion, MJD), by_astropy(ra, dec, motion))
    moved = SkyCoord(ra * u.deg, dec * u.deg).separation(by_astropy(ra, dec, motion)).arcsec
    print(f"largest difference {off.max():.4f} mas, largest motion {moved.max():.1f} arcsec")
    assert moved.max() > 150
    assert off.max() < 0.1


def test_parallax_is_the_view_from_the_earth():
    ra, dec, motion = catalogue(1)
    # Light from one end of the Earth's orbit is 8 minutes late: 0.2 mas of the fastest stars.
    motion = dataclasses.replace(motion, pm_ra=motion.pm_ra / 10, pm_dec=motion.pm_dec / 10)
    earth = get_body_barycentric("earth", Time(MJD, format="mjd", scale="tai"), ephemeris="builtin")
    seen = SkyCoord(
        by_astropy(ra, dec, motion).cartesian.without_differentials() - earth,
        representation_type="unitspherical",
    )
    off = separation(*position_at(ra, dec, motion, MJD), seen)
    print(f"largest difference {off.max():.4f} mas, largest parallax {motion.parallax.max():.0f} mas")
    assert off.max() < 0.1


def test_a_parallax_alone_needs_no_epoch_and_returns_after_a_year():
    ra, dec, motion = catalogue(2)
    motion = without(motion, "pm_ra", "pm_dec", "ref_epoch")
    now, later = (position_at(ra, dec, motion, MJD + days) for days in (0.0, 365.2564))
    shift = separation(*now, SkyCoord(ra * u.deg, dec * u.deg))
    assert (shift <= motion.parallax * 1.02).all()
    assert (shift >= 0.1 * motion.parallax).mean() > 0.9
    # The Sun itself moves about the barycentre by a hundredth of an au in that time.
    assert (separation(*later, SkyCoord(*now, unit="deg")) < 0.02 * motion.parallax).all()


def test_the_poles_and_the_meridian_of_zero_are_no_special_places():
    ra, dec = np.array([0.0, 359.99999, 120.0, 10.0]), np.array([0.0, 0.0, 90.0, -89.9999])
    motion = SpaceMotion(
        *np.array([[-500.0, 900.0, 700.0, 5000.0], [0.0, 10.0, 300.0, -800.0]]), *np.full((2, 4), 0.0)
    )
    motion = dataclasses.replace(motion, ref_epoch=np.full(4, 2005.0))
    moved = position_at(ra, dec, motion, MJD)
    assert ((moved[0] >= 0) & (moved[0] < 360)).all()
    expected = np.hypot(motion.pm_ra, motion.pm_dec) * ((MJD - 51544.5) / 365.25 - 5.0)
    np.testing.assert_allclose(separation(*moved, SkyCoord(ra * u.deg, dec * u.deg)), expected, rtol=1e-6)


def test_what_does_not_move_keeps_its_bits():
    ra, dec, motion = catalogue(3)
    still = SpaceMotion(*np.where(np.arange(N) % 2, 0.0, np.nan) * np.ones((4, 1)))
    for values, given in zip(position_at(ra, dec, still, MJD), (ra, dec), strict=True):
        np.testing.assert_array_equal(values, given)
    nowhere = np.full(N, np.nan)
    assert np.isnan(position_at(nowhere, dec, motion, MJD)[0]).all()


def test_a_motion_without_its_epoch_has_no_place():
    ra, dec, motion = catalogue(4)
    motion.ref_epoch[:5] = np.nan
    moved, _ = position_at(ra, dec, motion, MJD)
    assert np.isnan(moved[:5]).all()
    assert np.isfinite(moved[5:]).all()


def table(**columns):
    return pa.table({"id": [1, 2, 3], "ra": [0.05, 0.06, 0.07], "dec": [0.05, 0.06, 0.07]} | columns)


MOVING = {"pm_ra": [2e4, None, 0.0], "pm_dec": [1e4, None, 0.0], "ref_epoch": [2005.0] * 3}


def observed(**info):
    return make_exposure(info=ExposureInfo(**info))


def test_measure_moves_positions_and_gives_them_back_as_they_were():
    given = table(**MOVING)
    moved = measure(observed(mjd=MJD), given, columns="source")
    assert moved["ra"].to_pylist() == given["ra"].to_pylist()
    years = (MJD - 51544.5) / 365.25 - 5.0
    # 1 degree is 1000 pixels, and 3600 mas / yr are one pixel in a year.
    np.testing.assert_allclose(moved["x"][0].as_py(), 50.0 + years * 2e4 / 3600.0, atol=0.01)
    np.testing.assert_allclose(moved["y"][0].as_py(), 50.0 + years * 1e4 / 3600.0, atol=0.01)
    plain = measure(observed(mjd=MJD), table(), columns="source")
    for name in ("x", "psfFlux"):
        assert moved[name][1:].to_pylist() == plain[name][1:].to_pylist()


def test_the_option_never_leaves_positions_alone():
    config = MeasurementConfig(space_motion="never")
    still = measure(observed(), table(**MOVING), config=config)
    assert still["base_PsfFlux_flux"].equals(measure(observed(), table())["base_PsfFlux_flux"])


def test_an_exposure_without_a_time_cannot_tell_and_says_so():
    with pytest.raises(MissingComponentError, match="set space_motion=never"):
        measure(observed(), table(**MOVING))
    nothing_moves = table(pm_ra=[None, 0.0, None], pm_dec=[0.0] * 3, parallax=pa.nulls(3))
    assert measure(observed(), nothing_moves).num_rows == 3


def test_motions_without_an_epoch_are_refused():
    with pytest.raises(
        TableError, match="column 'pmRA' holds proper motions, and there is no column ref_epoch"
    ):
        find_positions(table(pmRA=[1.0, 2.0, 3.0], pmDE=[0.0] * 3))
    assert find_positions(table(parallax=[1.0, 2.0, 3.0])).motion is not None


def test_units_of_motion_are_those_of_the_columns():
    fields = [
        ("pm_ra", "arcsec / yr", 1e3),
        ("pmdec", "mas yr-1", 1.0),
        ("parallax", "arcsec", 1e3),
        ("ref_epoch", "yr", 1),
    ]
    columns = table()
    for name, unit, _ in fields:
        columns = columns.append_column(
            pa.field(name, pa.float32(), metadata={"unit": unit}), pa.array([1.0, 2.0, 3.0], pa.float32())
        )
    motion = find_positions(columns).motion
    for (_, _, factor), values in zip(fields, dataclasses.astuple(motion), strict=True):
        np.testing.assert_allclose(values, factor * np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("unit", ["pc", "Julian year", "no unit at all"])
def test_a_unit_that_is_none_of_the_quantity_is_refused(unit):
    field = pa.field("parallax", pa.float64(), metadata={"unit": unit})
    with pytest.raises(TableError, match=f"column 'parallax' has unit '{unit}'; parallax is in mas"):
        find_positions(table().append_column(field, [[1.0] * 3]))


@pytest.mark.parametrize("unit", ["yr", "Julian year", ""])
def test_an_epoch_is_in_julian_years(unit):
    field = pa.field("ref_epoch", pa.float64(), metadata={"unit": unit})
    found = find_positions(table(parallax=[1.0] * 3).append_column(field, [[2016.0] * 3]))
    assert found.motion.ref_epoch.tolist() == [2016.0] * 3
