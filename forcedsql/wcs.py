"""Sky projections: parent pixels to ICRS degrees and back."""

from typing import Protocol

from forcedsql.arrays import FloatArray


class SkyWcs(Protocol):
    """A map between parent pixel coordinates and ICRS sky coordinates.

    Implementations may be called from several threads.
    """

    def sky_to_pixel(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return parent pixel positions of sky positions.

        Parameters
        ----------
        ra, dec : ndarray, (n,) float64, degree
            ICRS; any value, NaN and infinity included.

        Returns
        -------
        x, y : ndarray, (n,) float64, pixel
            NaN where the projection is undefined.
        """
        ...

    def pixel_to_sky(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS (ra in [0, 360), dec) in degrees of parent pixel positions; NaN where undefined."""
        ...
