"""The images that went into a coadd, as afw's exposure catalogues list them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.fields.calibration import ApCorrMap, PhotoCalib
from forcedsql.footprints import CoaddFootprints, Footprint
from forcedsql.geometry import Box, Polygon
from forcedsql.psf.protocol import Psf
from forcedsql.wcs import SkyWcs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExposureRecord:
    """One image of an exposure catalogue; None and "" stand for what the file does not say.

    Parameters
    ----------
    id : int
    bbox : Box
        The image, in its own parent pixels.
    wcs : SkyWcs or None
    psf : Psf or None
    photo_calib : PhotoCalib or None
    ap_corr : mapping of str to BoundedField, or None
    valid_polygon : Polygon or None
        The part of the image that counts, in its own parent pixels.
    visit, detector : int or None
    weight : float or None
        Weight in a coadd.
    band, physical_filter : str
    mjd : float or None
        Mid-exposure time, MJD (TAI).
    exposure_time : float or None
        Seconds.
    unsupported : mapping of str to str
        Components that the file has but no decoder knows: attribute to class name.
    """

    id: int
    bbox: Box
    wcs: SkyWcs | None = None
    psf: Psf | None = None
    photo_calib: PhotoCalib | None = None
    ap_corr: ApCorrMap | None = None
    valid_polygon: Polygon | None = None
    visit: int | None = None
    detector: int | None = None
    weight: float | None = None
    band: str = ""
    physical_filter: str = ""
    mjd: float | None = None
    exposure_time: float | None = None
    unsupported: Mapping[str, str] = field(default_factory=dict)


ExposureCatalog = tuple[ExposureRecord, ...]
"""Images in the order of their file."""


@dataclass(frozen=True, slots=True, eq=False)
class CoaddInputs:
    """What went into a coadd.

    Parameters
    ----------
    visits : tuple of ExposureRecord
        Visits.
    ccds : tuple of ExposureRecord
        Their detectors' images.
    """

    visits: ExposureCatalog
    ccds: ExposureCatalog

    def count(
        self, x: FloatArray, y: FloatArray, coadd_wcs: SkyWcs, *, valid_polygons: bool = False
    ) -> IntArray:
        """Return how many detectors' images cover positions on the coadd.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Parent coordinates of the coadd.
        coadd_wcs : SkyWcs
        valid_polygons : bool
            Whether to heed the images' valid polygons; LSST's ``base_InputCount`` does not.

        Returns
        -------
        ndarray, (n,) int64
            Zero for NaN.
        """
        footprints = [
            Footprint(ccd.wcs, ccd.bbox, ccd.valid_polygon if valid_polygons else None)
            for ccd in self.ccds
            if ccd.wcs is not None
        ]
        counts = np.zeros(len(x), dtype=np.int64)
        for cover in CoaddFootprints(coadd_wcs, footprints).covers(x, y):
            counts[cover.rows] += 1
        return counts
