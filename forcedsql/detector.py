"""Detector: where an exposure's pixels are in the focal plane of the camera."""

from dataclasses import dataclass

from forcedsql.arrays import FloatArray
from forcedsql.transforms import PointMap


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """One detector of a camera.

    Parameters
    ----------
    name : str
        As the camera calls it.
    number : int
        Its number in the camera.
    to_focal_plane : callable
        From parent pixels (x, y) to the focal plane, mm; NaN where it is not defined.
    """

    name: str
    number: int
    to_focal_plane: PointMap

    def pixel_to_focal_plane(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return positions on the focal plane.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Parent coordinates.

        Returns
        -------
        x, y : ndarray, (n,) float64, mm
            In the system that afw calls FOCAL_PLANE; NaN where there is no value.
        """
        return self.to_focal_plane(x, y)
