"""Every further plugin against tables that the compiled LSST Science Pipelines wrote.

Tolerances: flags and integers are equal, numbers agree to 1e-5 of their value or to 1e-4 of
their error, aperture fluxes to 1e-3 of it: the original sums their products in single precision.
What cannot be reproduced is listed in `DEVIATIONS`, with its cause.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forcedsql.config import DEFAULT_PLUGINS, MeasurementConfig
from forcedsql.measure import measure
from tests.measure.test_reference import cached_exposure, column

SETS = (
    "coaddpsf_mixed",
    "coaddpsf_piff",
    "doublegauss_noise",
    "doublegauss_tansip_xy0",
    "pcapsf_polywcs",
    "piff17",
    "psfex",
    "singlegauss_tan",
)

PLUGINS = (
    *DEFAULT_PLUGINS,
    "base_SdssShape",
    "base_GaussianFlux",
    "base_ScaledApertureFlux",
    "base_LocalBackground",
    "base_Variance",
    "base_InputCount",
    "base_LocalPhotoCalib",
    "base_LocalWcs",
    "base_SdssCentroid",
)

SINGLE_FRAME = (
    DEFAULT_PLUGINS[0],
    "base_SdssShape",
    "base_Jacobian",
    "base_ClassificationSizeExtendedness",
    "base_CompensatedGaussianFlux",
    "base_CompensatedTophatFlux",
)

SLOTS = {"shape": "base_SdssShape"}
CATALOG_SLOTS = SLOTS | {
    "modelFlux": "base_GaussianFlux",
    "gaussianFlux": "base_GaussianFlux",
    "apFlux": "base_CircularApertureFlux_12_0",
}


def no_weighted_centroid(expected: pa.Table) -> np.ndarray:
    """LSST then gives the PSF at its average position; here it is that at the position itself."""
    return np.isnan(column(expected, "base_SdssShape_x"))


def within_a_pixel_of_zero(expected: pa.Table) -> np.ndarray:
    """AST's numerical derivative is 0 along an axis whose coordinate is below 1; here it is right."""
    x, y = (column(expected, f"base_TransformedCentroidFromCoord_{axis}") for axis in "xy")
    return (np.abs(x) < 1.0) | (np.abs(y) < 1.0)


DEVIATIONS = {
    **{f"base_SdssShape_psf_{axis}": no_weighted_centroid for axis in ("xx", "yy", "xy")},
    **{f"base_LocalWcs_CDMatrix_{i}_{j}": within_a_pixel_of_zero for i in (1, 2) for j in (1, 2)},
}
"""Columns of which some rows differ, and which."""

NOT_MEASURED = "base_Blendedness"
"""It compares a source with what a deblender left of it; without one every value is NaN."""


def as_ours(name: str) -> str:
    return name.replace("_instFlux", "_flux")


def measured_and_expected(folder, table, plugins, **options):
    expected = pq.read_table(folder / f"{table}.parquet")
    expected = expected.rename_columns([as_ours(n) for n in expected.column_names])
    exposure = cached_exposure(folder / "exposure.fits")
    config = MeasurementConfig(calibrate="never", plugins=plugins, **options)
    return measure(exposure, pq.read_table(folder / "positions.parquet"), config=config), expected


def error_of(expected: pa.Table, name: str) -> np.ndarray:
    error = f"{name}Err"
    return column(expected, error) if error in expected.column_names else np.zeros(len(expected))


def relative_tolerance(name: str) -> float:
    """Errors of a maximum are small differences of single-precision pixels."""
    return 5e-5 if name in ("base_SdssCentroid_xErr", "base_SdssCentroid_yErr") else 1e-5


def assert_column_agrees(measured: pa.Table, expected: pa.Table, name: str) -> None:
    ours, theirs = column(measured, name), column(expected, name)
    target = name.replace("slot_PsfShape", "base_SdssShape_psf").replace("slot_Shape", "base_SdssShape")
    if target in DEVIATIONS:
        kept = ~DEVIATIONS[target](expected)
        ours, theirs = ours[kept], theirs[kept]
    type_ = expected.schema.field(name).type
    if pa.types.is_boolean(type_) or pa.types.is_integer(type_):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        return
    np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(theirs), err_msg=name)
    bound = relative_tolerance(target) * np.abs(theirs)
    if target not in DEVIATIONS:
        single = "ApertureFlux" in name or "ApFlux" in name
        error = np.nan_to_num(error_of(expected, name), posinf=0.0)
        bound = np.maximum(bound, 1e-3 * error + 2e-5 * np.abs(theirs) if single else 1e-4 * error)
    if target.endswith("_psf_xy"):
        # The moment xy of a round PSF is a difference of large numbers: it is held to the size.
        bound = np.full(len(theirs), 1e-5)
    if target == "base_ClassificationSizeExtendedness_value":
        # Near 0 it is the square of a difference of sizes, which agree to 1e-6.
        bound = np.maximum(bound, 1e-7)
    finite = np.isfinite(theirs)
    excess = np.abs(ours[finite] - theirs[finite]) - bound[finite]
    assert (excess <= 0.0).all(), (name, excess.max(), np.flatnonzero(finite)[np.argmax(excess)])


@pytest.mark.parametrize("name", SETS)
def test_every_forced_plugin_is_reproduced(reference, name):
    plugins = PLUGINS
    expected_names = pq.read_schema(reference / name / "expected_plugins.parquet").names
    if "base_PeakLikelihoodFlux_instFlux" in expected_names:
        plugins += ("base_PeakLikelihoodFlux",)
    measured, expected = measured_and_expected(reference / name, "expected_plugins", plugins, slots=SLOTS)
    names = [n for n in expected.column_names if not n.startswith(NOT_MEASURED)]
    assert measured.column_names == names
    assert measured.schema.types == expected.select(names).schema.types
    for column_name in names:
        ours, theirs = (t.schema.field(column_name).metadata or {} for t in (measured, expected))
        assert ours.get(b"unit", b"") == theirs.get(b"unit", b""), column_name
        assert_column_agrees(measured, expected, column_name)


@pytest.mark.parametrize("name", SETS)
def test_blendedness_without_a_deblender_is_nothing(reference, name):
    expected = pq.read_table(reference / name / "expected_plugins.parquet")
    for column_name in expected.column_names:
        if column_name.startswith(NOT_MEASURED):
            values = column(expected, column_name)
            assert not (values[np.isfinite(values)]).any(), column_name


@pytest.mark.parametrize("name", SETS)
def test_catalog_calculation_and_slots_are_reproduced(reference, name):
    plugins = PLUGINS
    expected_names = pq.read_schema(reference / name / "expected_plugins_catcalc.parquet").names
    if "base_PeakLikelihoodFlux_instFlux" in expected_names:
        plugins += ("base_PeakLikelihoodFlux",)
    measured, expected = measured_and_expected(
        reference / name,
        "expected_plugins_catcalc",
        plugins,
        slots=CATALOG_SLOTS,
        do_run_catalog_calculation=True,
    )
    names = [n for n in expected.column_names if not n.startswith(NOT_MEASURED)]
    assert measured.column_names == names
    for column_name in names:
        if (
            "Classification" in column_name
            or "FootprintArea" in column_name
            or column_name.startswith("slot")
        ):
            assert_column_agrees(measured, expected, column_name)


@pytest.mark.parametrize("name", SETS)
def test_single_frame_plugins_are_reproduced_at_forced_positions(reference, name):
    measured, expected = measured_and_expected(
        reference / name, "expected_singleframe", SINGLE_FRAME, slots=SLOTS, do_ap_corr=False
    )
    names = [n for n in expected.column_names if n.startswith("base_")]
    assert len(names) == 19
    for column_name in names:
        assert measured.schema.field(column_name).type == expected.schema.field(column_name).type
        if column_name.endswith("mask_bits"):
            assert_planes_agree(reference / name, measured, expected, column_name)
        else:
            assert_column_agrees(measured, expected, column_name)


def assert_planes_agree(folder, measured, expected, name):
    """The pipelines number the planes as in memory, not as in the file."""
    in_memory = ("BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA")
    numbers = cached_exposure(folder / "exposure.fits").mask_planes
    ours, theirs = (t[name].to_numpy() for t in (measured, expected))
    for bit, plane in enumerate(in_memory):
        np.testing.assert_array_equal(ours >> numbers[plane] & 1, theirs >> bit & 1, err_msg=plane)
