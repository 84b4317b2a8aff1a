"""Decoders of filter labels, detectors and visits."""

import pytest
from astropy.io import fits

from forcedsql.readers.archive import Archive
from forcedsql.readers.decoders import DECODERS
from forcedsql.readers.fits_file import open_fits


@pytest.mark.parametrize("band", [True, False])
@pytest.mark.parametrize("physical", [True, False])
def test_a_filter_label_has_the_names_that_exist(afw, opened, band, physical):
    afw.primary["FILTER_ID"] = afw.add_object(
        "FilterLabel",
        flags={"band_exists": [band], "physical_exists": [physical]},
        band=("32A", ["r"]),
        physical=("32A", ["r_03"]),
    )
    info = opened().info
    assert (info.band, info.physical_filter) == ("r" if band else "", "r_03" if physical else "")


def test_a_visit_of_a_real_summary_is_read(shared):
    """Visit 1176 of HSC: 270 s, mid-exposure 1395989350.6225 s after 1970 (TAI)."""
    path = shared / "data" / "afw_formats" / "hsc_visitSummary_1176.fits.gz"
    with fits.open(path) as hdus:
        index = hdus[2].data
        visit_info = int(index["id"][list(index["name"]).index("VisitInfo")])
    with open_fits(path) as file:
        visit = Archive(file, 2, DECODERS).get(visit_info, "visit information")
    assert (visit.visit, visit.exposure_time) == (1176, 270.0)
    # A double resolves MJDs to a microsecond.
    assert visit.mjd == pytest.approx(40587 + 1395989350.6225 / 86400, abs=1e-10)


def test_a_missing_time_is_none(afw, tmp_path):
    afw.add_object("VisitInfo", exposuretime=("D", [30.0]), tai=("K", [-(2**63)]), idnum=("K", [7]))
    with open_fits(afw.write(tmp_path / "exposure.fits")) as file:
        visit = Archive(file, 4, DECODERS).get(1, "visit information")
    assert (visit.visit, visit.exposure_time, visit.mjd) == (7, 30.0, None)
