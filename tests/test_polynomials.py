import numpy as np
import pytest

from forcedsql.polynomials import chebyshev_terms, powers

T = np.array([-1.0, -0.3, 0.0, 0.7, 1.0, 2.5])


@pytest.mark.parametrize("degree", [0, 1, 2, 7])
def test_terms_are_numpys(degree):
    # Both use the same recurrence, in the same order.
    np.testing.assert_array_equal(powers(T, degree), np.polynomial.polynomial.polyvander(T, degree).T)
    np.testing.assert_array_equal(chebyshev_terms(T, degree), np.polynomial.chebyshev.chebvander(T, degree).T)


def test_a_constant_has_its_value_where_the_variable_is_not_finite():
    nowhere = np.array([np.nan, np.inf])
    assert powers(nowhere, 0)[0].tolist() == chebyshev_terms(nowhere, 0)[0].tolist() == [1.0, 1.0]
