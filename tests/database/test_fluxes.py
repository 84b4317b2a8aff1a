"""Flux macros against astropy's AB magnitudes."""

import numpy as np
import pytest
from astropy import units as u


def test_ab_mag_is_astropys(con):
    flux = np.array([0.1, 1.0, 363.1, 3.631e12])
    rows = con.execute("SELECT ab_mag(unnest(?))", [flux.tolist()]).fetchall()
    # LSST's 31.4 is exact by definition; astropy's 3631 Jy is 31.40007 (a difference of 7e-5 mag).
    np.testing.assert_allclose(np.ravel(rows), (flux * u.nJy).to_value(u.ABmag), atol=1e-4)


def test_one_njy_is_31_4(con):
    assert con.execute("SELECT ab_mag(1), ab_mag(1::FLOAT), ab_mag(1.0)").fetchall() == [(31.4, 31.4, 31.4)]


@pytest.mark.parametrize("flux", ["0", "-1", "NULL", "'-inf'::DOUBLE"])
def test_a_flux_without_logarithm_has_no_magnitude(con, flux):
    assert con.execute(f"SELECT ab_mag({flux}), ab_mag_err({flux}, 1)").fetchall() == [(None, None)]


def test_the_error_is_the_derivative(con):
    flux, err = 1234.5, 0.01
    ((got,),) = con.execute("SELECT ab_mag_err(?, ?)", [flux, err]).fetchall()
    (difference,) = con.execute("SELECT (ab_mag($1 - $2) - ab_mag($1 + $2)) / 2", [flux, err]).fetchall()[0]
    # A central difference is right to (err / flux)^2, and limited by rounding of magnitudes.
    assert got == pytest.approx(difference, rel=1e-8)
    assert got == pytest.approx(1.085736 * err / flux, rel=1e-6)


def test_njy_undoes_ab_mag(con):
    ((got,),) = con.execute("SELECT njy(ab_mag(777.0))").fetchall()
    assert got == pytest.approx(777.0, rel=1e-12)


def test_snr_and_its_zero(con):
    assert con.execute("SELECT snr(10, 4), snr(10, 0), snr(NULL, 1)").fetchall() == [(2.5, None, None)]


def test_the_limit_is_five_sigma_unless_said_otherwise(con):
    ((five, three),) = con.execute("SELECT flux_limit(2.0), flux_limit(2.0, n := 3)").fetchall()
    assert (five, three) == (10.0, 6.0)
