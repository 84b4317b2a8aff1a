"""Times of header cards."""

import pytest

from forcedsql.readers.visit_info import mjd_of_nanoseconds, visit_info_from_cards


@pytest.mark.parametrize(
    ("date", "mjd"),
    [("2023-02-25T06:00:00", 60000.25), ("2023-02-30T06:00:00", None), ("2023-02-25", None), ("", None)],
)
def test_a_date_that_is_none_is_left_out(date, mjd):
    assert visit_info_from_cards({"TIMESYS": "TAI", "DATE-AVG": date}).mjd == mjd


def test_nanoseconds_count_from_1970():
    assert mjd_of_nanoseconds(86_400_000_000_000) == 40588.0
    assert mjd_of_nanoseconds(-(2**63)) is None
