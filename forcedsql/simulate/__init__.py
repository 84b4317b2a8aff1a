"""Simulated exposures and the sample survey.

`simulate_exposure` makes one exposure of random stars, `simulate_survey` the files of
``data/survey``, `simulate_epochs` a survey of many visits over years.  The latter two are also
commands: ``python -m forcedsql.simulate survey DIR`` and ``... epochs DIR``.
"""

from forcedsql.simulate.epochs import EPOCHS_SEED, EpochFiles, simulate_epochs
from forcedsql.simulate.scene import (
    Conditions,
    Defects,
    Setting,
    SimulatedExposure,
    Sources,
    expose,
    random_sources,
    simulate_exposure,
)
from forcedsql.simulate.sky import tangent_wcs
from forcedsql.simulate.stamps import render_galaxies, render_stars
from forcedsql.simulate.survey import (
    SEED,
    SURVEY_FILES,
    make_survey,
    sample_survey,
    simulate_survey,
    varying_psf,
)
from forcedsql.simulate.visits import SurveyDesign

__all__ = [
    "EPOCHS_SEED",
    "SEED",
    "SURVEY_FILES",
    "Conditions",
    "Defects",
    "EpochFiles",
    "Setting",
    "SimulatedExposure",
    "Sources",
    "SurveyDesign",
    "expose",
    "make_survey",
    "random_sources",
    "render_galaxies",
    "render_stars",
    "sample_survey",
    "simulate_epochs",
    "simulate_exposure",
    "simulate_survey",
    "tangent_wcs",
    "varying_psf",
]
