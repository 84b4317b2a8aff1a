"""Published figures of the LSST Science Pipelines, from another machine; they are not run here.

``ForcedMeasurementDriverTask.runFromAstropy`` of the LSST Science Pipelines, one thread of a shared
4-core x86-64 machine with 20 % scatter between repeats, 10,000 positions on 4000 x 4000
pixels, ten apertures; the project's reference measurements, November 2026.
"""

from dataclasses import dataclass

PUBLISHED_POSITIONS = 10_000

CITATION = (
    "LSST Science Pipelines, ForcedMeasurementDriverTask, 10,000 positions on 4000 x 4000 pixels, one "
    "thread of another machine (shared, 4 cores, x86-64); not run here"
)


@dataclass(frozen=True, slots=True)
class PublishedCost:
    """What a position costs LSST's driver.

    Parameters
    ----------
    us_per_source : (float, float), microsecond
        Least and most over the repeats.
    times_sep : float
        Of the time that sep takes for ten apertures, both measured side by side on one core.
    psf : str
        The PSF it was measured with.
    """

    us_per_source: tuple[float, float]
    times_sep: float | None
    psf: str

    @property
    def us_text(self) -> str:
        """The range as a table prints it."""
        low, high = self.us_per_source
        return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


LSST = {
    "gaussian": PublishedCost((476.0, 587.0), 1.43, "SingleGaussianPsf 25 x 25"),
    "varying": PublishedCost((496.0, 586.0), None, "PcaPsf 25 x 25, 4 components"),
    "piff": PublishedCost((1642.0, 1643.0), 5.6, "PiffPsf 25 x 25"),
    "coadd": PublishedCost((32222.0, 32222.0), 94.0, "CoaddPsf of 12 Piff inputs"),
}
"""By the name of the `PsfModel`."""
