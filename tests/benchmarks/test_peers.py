"""forcedsql and its peers in one run: 10,000 positions on 4000 x 4000 pixels, a PSF that varies.

Run with ``pytest tests/benchmarks/test_peers.py --benchmark -s``; ``forcedsql bench`` times more.
"""

import pytest

from forcedsql.bench import Options, as_text, run


@pytest.mark.benchmark
def test_full_measurement_against_sep_and_photutils():
    for package in ("sep", "photutils"):
        pytest.importorskip(package)
    report = run(Options(sizes=(10_000,), psfs=("varying",), threads=(1,), exposures=0))
    print("\n" + as_text(report))
    timed = {row.contestant for row in report.rows if row.seconds}
    assert {"forcedsql numpy", "sep apertures", "photutils apertures", "photutils PSF"} <= timed
