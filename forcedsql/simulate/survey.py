"""The sample survey: one coadd, one visit image, their tables and the truth."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from forcedsql.arrays import FloatArray
from forcedsql.exposure import ExposureInfo
from forcedsql.fields.bounded_field import ChebyshevField
from forcedsql.fields.calibration import ApCorrMap
from forcedsql.file_names import is_file, make_folder
from forcedsql.geometry import Box
from forcedsql.psf.analytic import DoubleGaussianPsf
from forcedsql.psf.functions import Chebyshev1Function2D
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import FixedKernel, LinearCombinationKernel
from forcedsql.resources import data_dir
from forcedsql.simulate.catalog import measure_catalogue, object_table, source_table, truth_table
from forcedsql.simulate.scene import Conditions, Defects, Setting, SimulatedExposure, Sources, expose
from forcedsql.simulate.sky import FIRST_OBJECT_ID, Sky, SourceMix, random_sky, tangent_wcs
from forcedsql.tables import write_table
from forcedsql.writer import write_exposure

SEED = 20241206

_BAND = "i"
_TRACT, _PATCH = 5063, "14"
_VISIT, _DETECTOR = 2024120600102, 4
_SIZE = 800
_COADD_ORIGIN = (11700, 9300)
_VISIT_ORIGIN = (1650, 1480)
_TANGENT_PIXEL = (13500.0, 12000.0)
_TANGENT_SKY = (53.13, -28.10)
_SKY_HALF_WIDTH = 640.0
_FIRST_SOURCE_ID = 600413857134018560

SURVEY_FILES = {
    "coadd": f"deep_coadd_{_TRACT}_{_PATCH}_{_BAND}.fits",
    "visit": f"visit_image_{_VISIT}_{_DETECTOR}_{_BAND}.fits",
    "object": "object.parquet",
    "source": "source.parquet",
    "truth": "truth.parquet",
}
"""Names of the survey's files: two afw ExposureF, and the tables."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Everything that is simulated, before it is written."""

    sky: Sky
    coadd: SimulatedExposure
    visit: SimulatedExposure
    objects: pa.Table
    sources: pa.Table
    truth: pa.Table


def sample_survey(directory: str | Path, *, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder of the sample survey, which is simulated where there is none yet.

    A checkout has the survey in ``data/survey``.  A wheel has not: its noise does not compress,
    and takes a second to make.

    Parameters
    ----------
    directory : str or Path
        Where the survey is to be if there is no checkout.  If all of its files are there,
        they are taken as they are.
    say : callable
        Is told in a line that the survey is simulated, before it is.

    Returns
    -------
    Path
        ``data/survey`` of the checkout, or `directory`; it holds `SURVEY_FILES`.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    folder = Path(directory)
    for place in (data_dir() / "survey", folder):
        # Each file appears whole or not at all, so that those that are there are good.
        if all(is_file(place / name) for name in SURVEY_FILES.values()):
            return place
    say(f"simulating the sample survey in {folder}")
    simulate_survey(folder)
    return folder


def simulate_survey(directory: str | Path, *, seed: int = SEED) -> list[Path]:
    """Write a small survey; the same seed gives the same pixels and rows.

    Parameters
    ----------
    directory : str or Path
        Made if it is not there; files of the same names are replaced.
    seed : int

    Returns
    -------
    list of Path
        The files, in the order of `SURVEY_FILES`.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    folder = Path(directory)
    make_folder(folder)
    survey = make_survey(seed=seed)
    paths = {what: folder / name for what, name in SURVEY_FILES.items()}
    write_exposure(survey.coadd.exposure, paths["coadd"])
    write_exposure(survey.visit.exposure, paths["visit"])
    write_table(survey.objects, paths["object"])
    write_table(survey.sources, paths["source"])
    write_table(survey.truth, paths["truth"])
    return list(paths.values())


def make_survey(*, seed: int = SEED) -> Survey:
    """Simulate the survey in memory; see `simulate_survey`."""
    streams = np.random.SeedSequence(seed).spawn(6)
    sky_rng, object_rng, source_rng, other_noise_rng = (
        np.random.Generator(np.random.PCG64(stream)) for stream in streams[:4]
    )
    coadd_seed, visit_seed = (int(stream.generate_state(1)[0]) for stream in streams[4:])
    coadd_setting = _coadd_setting()
    centre = Box(*_COADD_ORIGIN, _SIZE, _SIZE).centre
    visit_setting = _visit_setting(_sky_position(coadd_setting, centre))
    sky = random_sky(coadd_setting.wcs, centre, _SKY_HALF_WIDTH, SourceMix(), sky_rng)
    coadd = expose(_on_image(sky, coadd_setting), coadd_setting, seed=coadd_seed)
    visit = expose(_on_image(sky, visit_setting), visit_setting, seed=visit_seed)

    # Objects have the fluxes of a second coadd of the same depth, so that comparing them with
    # fluxes forced on the first shows the errors of both; sources have those of this very image.
    second_noise = np.sqrt(coadd.exposure.variance) * other_noise_rng.standard_normal(coadd_setting.shape)
    objects = measure_catalogue(coadd, coadd_setting, second_noise, object_rng)
    sources = measure_catalogue(visit, visit_setting, visit.noise, source_rng)
    object_ids = FIRST_OBJECT_ID + np.arange(len(objects.index), dtype=np.int64)
    source_ids = _FIRST_SOURCE_ID + np.arange(len(sources.index), dtype=np.int64)
    links = [("objectId", object_ids, objects), ("sourceId", source_ids, sources)]
    return Survey(
        sky,
        coadd,
        visit,
        object_table(objects, coadd_setting, object_ids),
        source_table(sources, visit_setting, source_ids),
        truth_table(sky, links),
    )


def checksums(paths: Iterable[Path]) -> str:
    """Return SHA-256 lines of files, as ``sha256sum`` writes them in the parent of their folder."""
    ordered = sorted(paths, key=lambda path: path.name)
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.parent.name}/{path.name}\n"
        for path in ordered
    )


def _coadd_setting() -> Setting:
    box = Box(*_COADD_ORIGIN, _SIZE, _SIZE)
    return Setting(
        shape=(_SIZE, _SIZE),
        xy0=_COADD_ORIGIN,
        psf=DoubleGaussianPsf(35, 35, 1.75, 3.5, 0.08),
        wcs=tangent_wcs(_TANGENT_SKY, _TANGENT_PIXEL),
        ap_corr=_ap_corr(box, [[0.9920, 0.0012, -0.0005], [-0.0009, 0.0004, 0.0], [0.0006, 0.0, 0.0]]),
        info=ExposureInfo(band=_BAND, physical_filter="i_06", tract=_TRACT, patch=_PATCH),
        conditions=Conditions(sky_sigma=5.0, gain=30.0, saturation=2.0e4),
        defects=Defects(edge=4, cosmic_rays=4, no_data=36),
    )


def _visit_setting(tangent_sky: tuple[float, float]) -> Setting:
    box = Box(*_VISIT_ORIGIN, _SIZE, _SIZE)
    tangent_pixel = (box.centre[0] + 31.3, box.centre[1] - 20.7)
    distortion_x = {(2, 0): 1.9e-6, (1, 1): -1.2e-6, (0, 2): 0.8e-6, (3, 0): 1.1e-9, (1, 2): 0.9e-9}
    distortion_y = {(2, 0): -0.7e-6, (1, 1): 1.5e-6, (0, 2): 2.1e-6, (0, 3): 1.0e-9, (2, 1): 1.2e-9}
    info = ExposureInfo(
        band=_BAND,
        physical_filter="i_06",
        visit=_VISIT,
        detector=_DETECTOR,
        mjd=60651.15625,
        exposure_time=30.0,
    )
    return Setting(
        shape=(_SIZE, _SIZE),
        xy0=_VISIT_ORIGIN,
        psf=varying_psf(box),
        wcs=tangent_wcs(tangent_sky, tangent_pixel, rotation=37.0, a=distortion_x, b=distortion_y),
        ap_corr=_ap_corr(box, [[0.9815, 0.0025, -0.0010], [-0.0018, 0.0008, 0.0], [0.0012, 0.0, 0.0]]),
        info=info,
        conditions=Conditions(sky_sigma=24.0, gain=1.2, saturation=2.0e4),
        defects=Defects(edge=5, bad_columns=2, cosmic_rays=20, no_data=30),
    )


def varying_psf(box: Box, *, side: int = 25, fwhm: float = 4.1) -> KernelPsf:
    """Return a Moffat PSF whose width and ellipticity drift by a few percent over a box.

    It is a PcaPsf: the mean profile and its changes with width and with both ellipticities,
    with coefficients that are second-order polynomials of position.

    Parameters
    ----------
    box : Box
        Parent pixels over which the coefficients are defined.
    side : int, pixel
        Odd size of the kernel images.
    fwhm : float, pixel
        Full width at half maximum in the middle.
    """
    mean = _moffat(side, fwhm, 0.0, 0.0)
    basis = [
        mean,
        _moffat(side, 1.05 * fwhm, 0.0, 0.0) - mean,
        _moffat(side, fwhm, 0.05, 0.0) - mean,
        _moffat(side, fwhm, 0.0, 0.05) - mean,
    ]
    drifts = [
        (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (0.1, 0.6, -0.4, 0.5, 0.0, 0.3),
        (0.2, -0.5, 0.3, 0.0, 0.4, 0.0),
        (-0.1, 0.4, 0.5, -0.3, 0.0, 0.2),
    ]
    centre = (side // 2, side // 2)
    kernels = [FixedKernel(image, centre) for image in basis]
    functions = [Chebyshev1Function2D(c, box.x0, box.y0, box.x1, box.y1) for c in drifts]
    kernel = LinearCombinationKernel(kernels, functions=functions)
    return KernelPsf(kernel, box.centre, kind="PcaPsf")


def _moffat(side: int, fwhm: float, e1: float, e2: float, beta: float = 3.5) -> FloatArray:
    """Return an elliptical Moffat profile of unit sum (Moffat 1969, A&A 3, 455)."""
    y, x = np.mgrid[:side, :side] - float(side // 2)
    alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
    r2 = (1.0 - e1) * x**2 + (1.0 + e1) * y**2 - 2.0 * e2 * x * y
    profile: FloatArray = (1.0 + r2 / alpha**2) ** -beta
    return profile / float(profile.sum())


def _ap_corr(box: Box, coefficients: list[list[float]]) -> ApCorrMap:
    """Return the corrections of a map as LSST writes it: each flux and its error."""
    correction = ChebyshevField(box, np.array(coefficients))
    error = ChebyshevField(box, np.array([[0.002]]))
    return {
        f"{flux}{suffix}": field
        for flux in ("base_GaussianFlux", "base_PsfFlux")
        for suffix, field in (("_instFlux", correction), ("_instFluxErr", error))
    }


def _sky_position(setting: Setting, pixel: tuple[float, float]) -> tuple[float, float]:
    ra, dec = setting.wcs.pixel_to_sky(np.array([pixel[0]]), np.array([pixel[1]]))
    return float(ra[0]), float(dec[0])


def _on_image(sky: Sky, setting: Setting) -> Sources:
    x, y = setting.wcs.sky_to_pixel(sky.ra, sky.dec)
    return Sources(x, y, sky.flux, sky.sigma)
