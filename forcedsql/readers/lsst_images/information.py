"""What an lsst.images file says about the exposure; whatever is not as expected is left out."""

from typing import Any

from forcedsql.exposure import ExposureInfo
from forcedsql.readers.lsst_images.psfs import schema_of
from forcedsql.readers.lsst_images.tree import Node, finite_number

_LONGEST_NAME = 100
_LARGEST_VISIT = 2**63
_LARGEST_NUMBER = 2**31
_MJD_OF_JD = 2_400_000.5


def read_info(tree: Node) -> ExposureInfo:
    """Return who, when and where an exposure is.

    Times are TAI Julian dates, each in two parts (astro_metadata_translator
    ``observationInfo.py``).
    """
    frame = _pixel_frame(tree)
    patch = _whole(tree.find("patch", "id"), _LARGEST_NUMBER)
    return ExposureInfo(
        band=_name(tree.find("band")),
        physical_filter=_name(tree.find("obs_info", "physical_filter"))
        or _name(tree.find("provenance", "physical_filter")),
        visit=_first(_LARGEST_VISIT, frame.find("visit"), tree.find("obs_info", "visit_id")),
        detector=_first(_LARGEST_NUMBER, frame.find("detector"), tree.find("obs_info", "detector_num")),
        tract=_whole(frame.find("tract"), _LARGEST_NUMBER),
        patch="" if patch is None else str(patch),
        mjd=_middle(tree.find("obs_info", "datetime_begin"), tree.find("obs_info", "datetime_end")),
        dataset_type=_name(schema_of(tree)),
        exposure_time=finite_number(tree.find("obs_info", "exposure_time")),
    )


def _pixel_frame(tree: Node) -> Node:
    """Return the frame that the sky projection starts from: a detector's or a tract's."""
    frames = tree.find("sky_projection", "pixel_to_sky", "frames")
    return Node(frames[0] if isinstance(frames, list) and frames else None)


def _first(limit: int, *values: Any) -> int | None:
    found = (_whole(value, limit) for value in values)
    return next((value for value in found if value is not None), None)


def _whole(value: Any, limit: int) -> int | None:
    return value if type(value) is int and 0 <= value < limit else None


def _name(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST_NAME and value.isprintable() else ""


def _middle(begin: Any, end: Any) -> float | None:
    """Return the MJD halfway between two Julian dates, each in two parts."""
    parts = [finite_number(part) for date in (begin, end) if isinstance(date, list) for part in date]
    if len(parts) != 4 or None in parts:
        return None
    whole_begin, rest_begin, whole_end, rest_end = (part or 0.0 for part in parts)
    # The large parts first: half a day of rounding is lost otherwise.
    return (0.5 * (whole_begin + whole_end) - _MJD_OF_JD) + 0.5 * (rest_begin + rest_end)
