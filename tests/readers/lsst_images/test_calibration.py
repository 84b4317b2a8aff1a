import numpy as np
import pytest

from forcedsql.errors import ReadError
from tests.readers.lsst_images_file import PSF_FLUX, box, chebyshev, combined

BOUNDS = box(0, 0, 8, 6)


def in_unit(file, unit):
    file.tree["image"]["data"]["unit"] = unit


def test_an_image_in_njy_has_a_calibration_of_one(file, opened):
    file.tree["photometric_scaling"] = chebyshev(BOUNDS, [[3.0]], "nJy.electron**-1")
    calib = opened().photo_calib
    assert (calib.mean, calib.field) == (1.0, None)


@pytest.mark.parametrize(("unit", "factor"), [("Jy", 1e9), ("uJy", 1e3), ("1e-9 Jy", 1.0)])
def test_an_image_in_another_unit_of_flux_density_has_a_constant_one(file, opened, unit, factor):
    in_unit(file, unit)
    assert opened().photo_calib.mean == pytest.approx(factor, rel=1e-14)


def test_a_scaling_leads_from_electrons_to_njy(file, opened):
    in_unit(file, "electron")
    file.tree["photometric_scaling"] = chebyshev(BOUNDS, [[3.0, 1.0]], "nJy.electron**-1")
    calib = opened().photo_calib
    # The centre of 8 columns is at x = 3.5, where the slope is zero.
    assert calib.mean == pytest.approx(3.0)
    np.testing.assert_allclose(calib.factor(np.array([3.5, 7.5]), np.zeros(2)), [3.0, 4.0])


def test_the_unit_of_a_scaling_counts(file, opened):
    in_unit(file, "adu")
    per_count = chebyshev(BOUNDS, [[2.0, 1.0]], "uJy"), chebyshev(BOUNDS, [[0.5]], "adu**-1")
    file.tree["photometric_scaling"] = combined("PRODUCT", *per_count)
    calib = opened().photo_calib
    np.testing.assert_allclose(calib.factor(np.array([3.5, 7.5]), np.zeros(2)), [1000.0, 1500.0])


def test_a_constant_scaling_is_a_number(file, opened):
    in_unit(file, "dn")
    file.tree["photometric_scaling"] = chebyshev(BOUNDS, [[2.5]], "nJy / dn")
    calib = opened().photo_calib
    assert (calib.mean, calib.field) == (2.5, None)


def test_an_image_in_electrons_alone_has_no_calibration(file, opened):
    in_unit(file, "electron")
    exposure = opened()
    assert exposure.photo_calib is None
    assert exposure.unit == "electron"
    assert not exposure.unsupported


@pytest.mark.parametrize("unit", ["electron", None, "nJy"])
def test_a_scaling_that_does_not_lead_to_njy_is_named(file, opened, unit):
    in_unit(file, "electron")
    file.tree["photometric_scaling"] = chebyshev(BOUNDS, [[3.0, 0.1]], unit)
    exposure = opened()
    assert exposure.photo_calib is None
    assert exposure.unsupported["photo_calib"].startswith("scaling to electron")


@pytest.mark.parametrize("unit", ["gibberish", "nJy**", "(" * 50, "nJy\n", 5, "n" * 300])
def test_units_that_are_none_are_refused(file, opened, unit):
    in_unit(file, unit)
    with pytest.raises(ReadError) as refused:
        opened()
    assert "\n" not in str(refused.value)


def test_aperture_corrections_keep_their_names(file, opened):
    names = (PSF_FLUX, f"{PSF_FLUX}Err", "modelfit_CModel_instFlux")
    fields = {name: chebyshev(BOUNDS, [[1.0 + k]]) for k, name in enumerate(names)}
    file.tree["aperture_corrections"]["fields"] = fields
    ap_corr = opened().ap_corr
    assert tuple(ap_corr) == names
    assert [field.evaluate(np.zeros(1), np.zeros(1))[0] for field in ap_corr.values()] == [1.0, 2.0, 3.0]


def test_no_aperture_corrections_are_no_map(file, opened):
    assert opened().ap_corr is None
    file.tree["aperture_corrections"] = None
    assert opened().ap_corr is None


def test_only_the_psf_fluxs_correction_is_missed_where_it_is_not_known(file, opened):
    unknown = {"field_type": "BESSEL"}
    file.tree["aperture_corrections"]["fields"] = {"other_instFlux": unknown}
    assert not opened().unsupported
    file.tree["aperture_corrections"]["fields"][PSF_FLUX] = unknown
    assert opened().unsupported == {"ap_corr": "field of type BESSEL"}
