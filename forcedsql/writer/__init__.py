"""Writing exposures in the format of the LSST Science Pipelines."""

from forcedsql.writer.exposure import write_exposure

__all__ = ["write_exposure"]
