"""A survey of many visits: exposures over years, the objects on them, and the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.exposure import Exposure, ExposureInfo
from forcedsql.fields.calibration import PhotoCalib
from forcedsql.file_names import make_folder
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.simulate.bad_files import FAULTS, spread_faults
from forcedsql.simulate.population import Population, random_population
from forcedsql.simulate.scene import Conditions, Defects, Setting, Sources, expose
from forcedsql.simulate.sky import tangent_wcs
from forcedsql.simulate.stamps import render_stars
from forcedsql.simulate.visits import DETECTOR, SurveyDesign, Visit, schedule
from forcedsql.tables import write_table
from forcedsql.writer import write_exposure

EPOCHS_SEED = 20260301

DIFFERENCE = "difference_image"
"""Dataset type of difference images."""

GAIN = 1.5
"""Electrons per adu."""

_PSF_SIDE = 25
_SIGMAS_PER_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
_BEYOND = 20.0
"""Objects this many pixels off an image still light it."""

_UNITS = {
    "ra": ("deg", "ICRS right ascension"),
    "dec": ("deg", "ICRS declination"),
    "coord_ra": ("deg", "ICRS right ascension"),
    "coord_dec": ("deg", "ICRS declination"),
    "pm_ra": ("mas/yr", "proper motion in right ascension, times cos(dec)"),
    "pm_dec": ("mas/yr", "proper motion in declination"),
    "ref_epoch": ("yr", "Julian year of the position"),
    "epoch": ("d", "MJD (TAI) of the position"),
    "mjd": ("d", "middle of the exposure, MJD (TAI)"),
    "explosion": ("d", "MJD (TAI) of the first light"),
    "period": ("d", "period of the sine"),
    "phase": ("rad", "phase of the sine at the epoch"),
    "amplitude": ("", "amplitude of the sine, of the mean flux"),
    "flux": ("nJy", "true flux"),
    "difference": ("nJy", "true flux less that of the template, of what does not move"),
    "x": ("pix", "true column"),
    "y": ("pix", "true row"),
    "rotation": ("deg", "rotation of the image, counter-clockwise"),
    "fwhm": ("pix", "full width at half maximum of the PSF"),
    "background": ("adu", "sky that was subtracted, per pixel"),
    "njy_per_adu": ("nJy/adu", "photometric calibration"),
}


@dataclass(frozen=True, slots=True)
class EpochFiles:
    """Files of a survey of many visits.

    Parameters
    ----------
    exposures : tuple of Path
        Visit images (afw ExposureF) in order of time, the bad ones among them.
    differences : tuple of Path
        Their difference images, if any were asked for.
    bad : mapping of Path to str
        What is wrong with the bad ones: truncated, no PSF, wrong shape.
    objects : Path
        The catalogue to measure: objectId, coord_ra, coord_dec, proper motions and ref_epoch.
    truth : Path
        One row per object: kind, position, motion, mean fluxes, light curve.
    fluxes : Path
        One row per object and exposure whose image holds it: true flux and place.
    visits : Path
        One row per exposure: pointing, seeing, sky, calibration, name of the file, fault.
    """

    exposures: tuple[Path, ...]
    differences: tuple[Path, ...]
    bad: Mapping[Path, str]
    objects: Path
    truth: Path
    fluxes: Path
    visits: Path


def simulate_epochs(
    directory: str | Path,
    design: SurveyDesign | None = None,
    *,
    bad_files: bool = False,
    differences: bool = False,
    seed: int = EPOCHS_SEED,
) -> EpochFiles:
    """Write a survey of many visits; the same seed gives the same pixels and rows.

    Stars that are constant, stars that vary (one in twenty), a supernova and a star of high
    proper motion, on calibrated visit images in adu that differ in pointing, seeing, sky and
    transparency.  The variance planes are those that the noise was drawn from.

    Parameters
    ----------
    directory : str or Path
        Made if it is not there; files of the same names are replaced.
    design : SurveyDesign, optional
        200 exposures of 20,000 objects where not given.
    bad_files : bool
        Whether three of the exposures are a truncated file, one without a PSF, and one whose
        variance has another shape than its image.
    differences : bool
        Whether each visit image has a difference image beside it: what is left of it without
        a noiseless template of the mean fluxes, on which there is no supernova.
    seed : int

    Returns
    -------
    EpochFiles

    Raises
    ------
    ConfigError
        If the objects do not fit into the survey.
    OutputError
        If a file cannot be written.
    """
    design = design or SurveyDesign()
    faults = spread_faults(design.exposures) if bad_files else {}
    schedule_seed, sky_seed, *pixel_seeds = np.random.SeedSequence(seed).spawn(2 + design.exposures)
    visits = schedule(design, np.random.Generator(np.random.PCG64(schedule_seed)))
    population = random_population(design, np.random.Generator(np.random.PCG64(sky_seed)))
    folder = Path(directory)
    make_folder(folder)
    paths: list[Path] = []
    subtracted: list[Path] = []
    fluxes: list[pa.Table] = []
    for i, (visit, pixel_seed) in enumerate(zip(visits, pixel_seeds, strict=True)):
        exposure, seen = expose_visit(
            visit, population, design.size, seed=int(pixel_seed.generate_state(1)[0])
        )
        paths.append(folder / f"visit_image_{visit.visit}_{DETECTOR}_{visit.band}.fits")
        FAULTS.get(faults.get(i, ""), write_exposure)(exposure, paths[-1])
        fluxes.append(seen)
        if differences:
            subtracted.append(folder / paths[-1].name.replace("visit_image", DIFFERENCE, 1))
            write_exposure(subtract_template(exposure, visit, population), subtracted[-1])
    bad = {paths[i]: fault for i, fault in faults.items()}
    return _write_tables(folder, population, visits, fluxes, _Images(paths, subtracted, bad))


def expose_visit(visit: Visit, population: Population, size: int, *, seed: int) -> tuple[Exposure, pa.Table]:
    """Take one exposure.

    Parameters
    ----------
    visit : Visit
    population : Population
    size : int, pixel
    seed : int

    Returns
    -------
    exposure : Exposure
        In adu, with its calibration to nJy.
    seen : pyarrow.Table
        Of each object on the image objectId, visit, detector, band, mjd, its true flux and
        that less the template's in nJy, and where it is: ra, dec in degrees, x, y in pixels.
    """
    setting = _setting(visit, size)
    ra, dec = population.position(visit.mjd)
    x, y = setting.wcs.sky_to_pixel(ra, dec)
    flux = population.flux(visit.band, visit.mjd)
    lights = _within(x, y, size, _BEYOND)
    sources = Sources(x[lights], y[lights], flux[lights] / visit.njy_per_adu, np.zeros(lights.sum()))
    simulated = expose(sources, setting, seed=seed)
    exposure = replace(simulated.exposure, unit="adu", photo_calib=PhotoCalib(visit.njy_per_adu))
    on = np.flatnonzero(_within(x, y, size, 0.5))
    seen = {
        "objectId": population.ids[on],
        "visit": np.full(len(on), visit.visit),
        "detector": np.full(len(on), DETECTOR, dtype=np.int16),
        "band": np.full(len(on), visit.band),
        "mjd": np.full(len(on), visit.mjd),
        "flux": flux[on],
        "difference": (flux - population.template_flux(visit.band))[on],
        "ra": ra[on],
        "dec": dec[on],
        "x": x[on],
        "y": y[on],
    }
    return exposure, pa.table(seen)


def subtract_template(exposure: Exposure, visit: Visit, population: Population) -> Exposure:
    """Return the difference of a visit's image and a noiseless template of the same seeing."""
    x, y = exposure.require_wcs().sky_to_pixel(population.ra, population.dec)
    lights = _within(x, y, exposure.shape[0], _BEYOND)
    flux = population.template_flux(visit.band)[lights] / visit.njy_per_adu
    template = render_stars(_psf(visit), x[lights], y[lights], flux, exposure.shape)
    return replace(
        exposure,
        image=(exposure.image - template).astype(np.float32),
        info=replace(exposure.info, dataset_type=DIFFERENCE),
    )


def _psf(visit: Visit) -> SingleGaussianPsf:
    return SingleGaussianPsf(_PSF_SIDE, _PSF_SIDE, visit.fwhm / _SIGMAS_PER_FWHM)


def _setting(visit: Visit, size: int) -> Setting:
    centre = ((size - 1) / 2.0, (size - 1) / 2.0)
    sky_sigma = float(np.sqrt(visit.background / GAIN))
    return Setting(
        shape=(size, size),
        xy0=(0, 0),
        psf=_psf(visit),
        wcs=tangent_wcs((visit.ra, visit.dec), centre, rotation=visit.rotation),
        info=ExposureInfo(
            band=visit.band,
            physical_filter=f"{visit.band}_06",
            visit=visit.visit,
            detector=DETECTOR,
            mjd=visit.mjd,
            exposure_time=30.0,
            dataset_type="visit_image",
        ),
        conditions=Conditions(sky_sigma=sky_sigma, gain=GAIN, saturation=1.0e5),
        defects=Defects(edge=5, cosmic_rays=6),
    )


def _within(x: FloatArray, y: FloatArray, size: int, margin: float) -> AnyArray:
    """Tell which positions are on an image, or at most `margin` pixels off its outer pixels' centres."""
    return (x >= -margin) & (x < size - 1 + margin) & (y >= -margin) & (y < size - 1 + margin)


@dataclass(frozen=True, slots=True)
class _Images:
    """Files of images, and what is wrong with the bad ones."""

    visits: Sequence[Path]
    differences: Sequence[Path]
    bad: Mapping[Path, str]


def _write_tables(
    folder: Path,
    population: Population,
    visits: Sequence[Visit],
    fluxes: Sequence[pa.Table],
    images: _Images,
) -> EpochFiles:
    files = EpochFiles(
        tuple(images.visits),
        tuple(images.differences),
        images.bad,
        *(folder / f"{name}.parquet" for name in ("object", "truth", "truth_flux", "truth_visit")),
    )
    write_table(_with_units(population.to_catalogue()), files.objects)
    write_table(_with_units(population.to_table()), files.truth)
    write_table(_with_units(pa.concat_tables(fluxes)), files.fluxes)
    write_table(_with_units(_visit_table(visits, images)), files.visits)
    return files


def _visit_table(visits: Sequence[Visit], images: _Images) -> pa.Table:
    rows = [
        {
            **{name: getattr(visit, name) for name in Visit.__slots__},
            "detector": DETECTOR,
            "file": path.name,
            "fault": images.bad.get(path, ""),
        }
        for visit, path in zip(visits, images.visits, strict=True)
    ]
    return pa.Table.from_pylist(rows)


def _with_units(table: pa.Table) -> pa.Table:
    fields = []
    for column in table.schema:
        name = "flux" if column.name.endswith("_flux") else column.name
        unit, meaning = _UNITS.get(name, ("", ""))
        fields.append(column.with_metadata({"unit": unit, "description": meaning} if meaning else None))
    return table.cast(pa.schema(fields))
