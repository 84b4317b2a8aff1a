"""forcedsql and its peers in one run: 10,000 positions on 4000 x 4000 pixels, a PSF that varies.

Run with ``pytest tests/benchmarks/test_peers.py --benchmark -s``; ``forcedsql bench`` times more.
"""

import pytest

from forcedsql.bench import Options, as_text, run

# Of the issue that asked for the native kernel: with it, on one thread, in one interleaved run.
TIMES_FASTER = {"sep apertures": 17.0, "photutils": 150.0}


@pytest.mark.benchmark
def test_full_measurement_against_sep_and_photutils():
    for package in ("sep", "photutils"):
        pytest.importorskip(package)
    report = run(Options(sizes=(10_000,), psfs=("varying",), threads=(1,), exposures=0))
    print("\n" + as_text(report))
    us = {row.contestant: row.us_each for row in report.rows if row.seconds}
    if "forcedsql native" not in us:
        pytest.skip("there is no native kernel here: the table above is of NumPy's")
    both = us["photutils apertures"] + us["photutils PSF"]
    assert us["sep apertures"] / us["forcedsql native"] > TIMES_FASTER["sep apertures"]
    assert both / us["forcedsql native"] > TIMES_FASTER["photutils"]
