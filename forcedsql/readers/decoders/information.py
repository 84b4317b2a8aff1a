"""Decoders of what an exposure says about itself: filter, visit."""

from dataclasses import dataclass

from forcedsql.readers.archive import ArchiveObject, Decoder
from forcedsql.readers.visit_info import VisitInfo, mjd_of_nanoseconds


@dataclass(frozen=True, slots=True)
class FilterLabel:
    """Names of a filter, "" where the file has none."""

    band: str = ""
    physical_filter: str = ""


def _filter_label(source: ArchiveObject) -> FilterLabel:
    row = source.row()
    return FilterLabel(
        band=row.text("band") if row.flag("band_exists") else "",
        physical_filter=row.text("physical") if row.flag("physical_exists") else "",
    )


def _visit_info(source: ArchiveObject) -> VisitInfo:
    row = source.row()
    return VisitInfo(
        visit=row.integer("idnum") if row.has("idnum") else None,
        exposure_time=row.number("exposuretime"),
        mjd=mjd_of_nanoseconds(row.integer("tai")),
    )


DECODERS = {
    "FilterLabel": Decoder("filter label", _filter_label),
    "VisitInfo": Decoder("visit information", _visit_info),
}
