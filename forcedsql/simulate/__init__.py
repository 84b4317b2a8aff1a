"""Simulated exposures and the bundled survey.

`simulate_exposure` makes one exposure of random stars, `simulate_survey` the files of
``data/survey``; ``python -m forcedsql.simulate DIR`` is the latter's command line.
"""

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
from forcedsql.simulate.survey import SEED, make_survey, simulate_survey, varying_psf

__all__ = [
    "SEED",
    "Conditions",
    "Defects",
    "Setting",
    "SimulatedExposure",
    "Sources",
    "expose",
    "make_survey",
    "random_sources",
    "render_galaxies",
    "render_stars",
    "simulate_exposure",
    "simulate_survey",
    "tangent_wcs",
    "varying_psf",
]
