"""Peak memory is that of a process of its own."""

import numpy as np
import pytest

from forcedsql.bench.catalogue import make_catalogue
from forcedsql.bench.memory import high_water_megabytes, peak_megabytes
from forcedsql.errors import ForcedSQLError


def test_the_high_water_mark_rises_with_what_is_allocated():
    before = high_water_megabytes()
    block = np.full(int((before + 200.0) * 1e6 / 8), 1.0)
    assert high_water_megabytes() >= before + 190.0
    del block


def test_another_process_measures_the_rise(tmp_path):
    make_catalogue("gaussian", side=260, positions=40).save(tmp_path)
    # NumPy's kernel takes a few MB for a batch; far less than this process has.
    assert 0.0 <= peak_megabytes(tmp_path, "gaussian", "forcedsql numpy", 40) < 100.0


def test_a_process_that_fails_is_an_error_of_one_line(tmp_path):
    with pytest.raises(ForcedSQLError, match="forcedsql numpy could not be measured") as caught:
        peak_megabytes(tmp_path, "gaussian", "forcedsql numpy", 5)
    assert "\n" not in str(caught.value)


def test_where_there_is_no_proc_the_system_is_asked(monkeypatch):
    expected = high_water_megabytes()
    monkeypatch.setattr("forcedsql.bench.memory.Path.exists", lambda _: False)
    # The maximum may be that of the process that started this one; it is never less.
    assert high_water_megabytes() >= 0.99 * expected
