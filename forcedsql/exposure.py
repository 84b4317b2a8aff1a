"""Exposure: the pixels of a calibrated image and all that is needed to measure on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array
from forcedsql.coadd_inputs import CoaddInputs
from forcedsql.detector import Detector
from forcedsql.errors import MissingComponentError, ReadError, UnsupportedError
from forcedsql.fields.calibration import ApCorrMap, PhotoCalib
from forcedsql.geometry import Box
from forcedsql.psf.protocol import Psf
from forcedsql.wcs import SkyWcs

MaskArray = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureInfo:
    """What an exposure says about itself.

    Parameters
    ----------
    band, physical_filter : str
        Names of the filter, "" where unknown.
    visit, detector : int or None
        Numbers of the visit and the detector of a single-visit image.
    tract : int or None
    patch : str
        Sky tract and patch of a coadd, None and "" otherwise.
    mjd : float or None
        Mid-exposure time, MJD (TAI).
    exposure_time : float or None
        Seconds.
    dataset_type : str
        What a butler or the file itself calls it (``visit_image``, ``difference_image``,
        ``deep_coadd``), "" where unknown.
    background_mean : float or None
        Mean of the sky that was subtracted, in the image's unit (BGMEAN).
    """

    band: str = ""
    physical_filter: str = ""
    visit: int | None = None
    detector: int | None = None
    tract: int | None = None
    patch: str = ""
    mjd: float | None = None
    exposure_time: float | None = None
    dataset_type: str = ""
    background_mean: float | None = None

    @property
    def is_difference(self) -> bool:
        """Whether it is a difference of a visit's image and a template."""
        return "difference" in self.dataset_type.lower()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Exposure:
    """A calibrated image with its mask, variance, sky projection, PSF and calibration.

    Parameters
    ----------
    image : ndarray, (ny, nx) float32, `unit`
    mask : ndarray, (ny, nx) int32
        Bit field; `mask_planes` names the bits.
    variance : ndarray, (ny, nx) float32, `unit` squared
    mask_planes : mapping of str to int
        Bit number of each mask plane by its afw name.
    xy0 : (int, int)
        Parent pixel coordinates (x, y) of ``image[0, 0]``.
    wcs : SkyWcs or None
    psf : Psf or None
    photo_calib : PhotoCalib or None
    ap_corr : mapping of str to BoundedField, or None
    coadd_inputs : CoaddInputs or None
        What went into a coadd.
    detector : Detector or None
        Where a single-visit image is in the focal plane.
    unit : str
        Unit of the image (``nJy``), "" where the file does not say.
    info : ExposureInfo
    unsupported : mapping of str to str
        Components that the file has but no decoder knows: component name to class name; of a
        detector that is damaged also why.
    origins : mapping of str to str
        Where each part of an image was taken from and how it is read, in words, for formats
        that leave it open (plain FITS): "error", "mask", "PSF", "zero point", "background".
    """

    image: Float32Array
    mask: MaskArray
    variance: Float32Array
    mask_planes: Mapping[str, int] = field(default_factory=dict)
    xy0: tuple[int, int] = (0, 0)
    wcs: SkyWcs | None = None
    psf: Psf | None = None
    photo_calib: PhotoCalib | None = None
    ap_corr: ApCorrMap | None = None
    coadd_inputs: CoaddInputs | None = None
    detector: Detector | None = None
    unit: str = ""
    info: ExposureInfo = field(default_factory=ExposureInfo)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image.ndim != 2:
            raise ReadError(f"the image has {self.image.ndim} dimensions; an exposure has 2")
        for name, plane in (("mask", self.mask), ("variance", self.variance)):
            if plane.shape != self.image.shape:
                raise ReadError(f"the {name} is {plane.shape} pixels, the image {self.image.shape}")

    @property
    def bbox(self) -> Box:
        """Box of the image in parent pixels."""
        height, width = self.shape
        return Box(*self.xy0, width, height)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the image."""
        height, width = self.image.shape
        return height, width

    @property
    def nbytes(self) -> int:
        """Bytes of pixels in memory."""
        return self.image.nbytes + self.mask.nbytes + self.variance.nbytes

    def read_rows(self, pixels: BoolArray, mask: BoolArray, columns: slice | None = None) -> None:
        """Make sure that rows of the planes are in memory, as they are here from the start.

        Parameters
        ----------
        pixels, mask : ndarray, (ny,) bool
            Rows of image and variance, and rows of the mask.
        columns : slice, optional
            The columns that are wanted of them, which may reach over the edges; all by default.

        Raises
        ------
        ReadError
            By exposures that are read from a file as needed, where it is damaged or has changed.
        """

    def planes_so_far(self) -> tuple[Float32Array, MaskArray, Float32Array]:
        """Return image, mask and variance in which `read_rows` may yet have rows to fill in."""
        return self.image, self.mask, self.variance

    def require_wcs(self) -> SkyWcs:
        """Return the sky projection.

        Raises
        ------
        UnsupportedError
            If the file has one of a class that no decoder knows.
        MissingComponentError
            If it has none.
        """
        self.require_supported("wcs")
        if self.wcs is None:
            raise MissingComponentError("the exposure has no sky projection (WCS); it cannot place positions")
        return self.wcs

    def require_supported(self, component: str) -> None:
        """Refuse if the file holds `component` in a form that cannot be read.

        Raises
        ------
        UnsupportedError
        """
        if component in self.unsupported:
            name = self.unsupported[component]
            raise UnsupportedError(f"the exposure's {component} is a {name}, which forcedsql cannot read")
