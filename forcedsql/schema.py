"""The one declaration of every measured column.

A `Column` carries both of its names: the LSST driver's (``base_PsfFlux_flux``, with a
``slot_*`` alias for some) and that of the DP1 ``Source`` table (``psfFlux``).  The Arrow
schemas, the SQL struct type, the SQL macros' column lists and the documentation are all
made from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from forcedsql.config import MeasurementConfig

ColumnStyle = Literal["lsst", "source"]

FLUX = "flux"
"""Placeholder unit of a column that is in the unit of the measured exposure."""

CENTROID_PLUGIN = "base_TransformedCentroidFromCoord"
APERTURE_PLUGIN = "base_CircularApertureFlux"
PIXEL_FLAGS_PLUGIN = "base_PixelFlags"
PSF_FLUX_PLUGIN = "base_PsfFlux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One measured quantity.

    Parameters
    ----------
    source : str
        Name in the style of the DP1 ``Source`` table; also the key by which the
        measurement hands over its values.
    lsst : str or None
        Name in the LSST driver's output, or None where the driver has no such column.
    slot : str or None
        Second LSST name under which the same values are repeated.
    type : pyarrow.DataType
    unit : str
        Unit as astropy spells it, `FLUX` for the exposure's own, "" for none.
    ucd : str
        IVOA UCD1+ word.
    meaning : str
        One line for a person.
    """

    source: str
    lsst: str | None
    slot: str | None = None
    type: pa.DataType
    unit: str = ""
    ucd: str
    meaning: str

    def arrow_field(self, name: str, flux_unit: str) -> pa.Field:
        """Return the Arrow field called `name`, its metadata filled in."""
        unit = flux_unit if self.unit == FLUX else self.unit
        return _field(name, self.type, unit, self.ucd, self.meaning)


@dataclass(frozen=True, slots=True)
class PixelFlag:
    """One mask plane that base_PixelFlags reports."""

    name: str
    plane: str
    meaning: str


PIXEL_FLAGS = (
    PixelFlag("edge", "EDGE", "outside the usable area"),
    PixelFlag("nodata", "NO_DATA", "without data"),
    PixelFlag("interpolated", "INTRP", "interpolated"),
    PixelFlag("saturated", "SAT", "saturated"),
    PixelFlag("cr", "CR", "hit by a cosmic ray"),
    PixelFlag("bad", "BAD", "bad in the detector"),
    PixelFlag("suspect", "SUSPECT", "close to saturation"),
)


def aperture_lsst_prefix(radius: float) -> str:
    """Return the LSST column prefix of an aperture: ``base_CircularApertureFlux_4_5``."""
    return f"{APERTURE_PLUGIN}_{radius:.1f}".replace(".", "_")


def aperture_source_prefix(radius: float) -> str:
    """Return the Source-style flux column of an aperture: ``ap04_5Flux``, ``ap12Flux``."""
    whole, tenth = f"{radius:.1f}".split(".")
    return f"ap{int(whole):02d}Flux" if tenth == "0" else f"ap{int(whole):02d}_{tenth}Flux"


def measured_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns that a configuration measures, in the LSST driver's order."""
    columns: list[Column] = list(_centroid_columns())
    if APERTURE_PLUGIN in config.plugins:
        for radius in config.radii:
            columns += _aperture_columns(radius, sinc=radius <= config.max_sinc_radius)
    if PIXEL_FLAGS_PLUGIN in config.plugins:
        columns += _pixel_flag_columns(config)
    if PSF_FLUX_PLUGIN in config.plugins:
        columns += _psf_flux_columns()
    columns.append(_flag("invalidPsfFlag", "base_InvalidPsf_flag", "no PSF model at this position"))
    if PSF_FLUX_PLUGIN in config.plugins and config.do_ap_corr:
        columns += _ap_corr_columns()
    return tuple(columns)


def source_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the same columns in the order of the DP1 ``Source`` table: PSF flux first."""
    columns = measured_columns(config)
    position = [c for c in columns if c.source in ("x", "y", "centroid_flag")]
    psf = [c for c in columns if c.source.startswith("psfFlux")]
    return (*position, *psf, *(c for c in columns if c not in position and c not in psf))


LSST_IDENTITY = (
    ("coord_ra", pa.float64(), "rad", "pos.eq.ra;meta.main", "ICRS right ascension as requested"),
    ("coord_dec", pa.float64(), "rad", "pos.eq.dec;meta.main", "ICRS declination as requested"),
    ("parent", pa.int64(), "", "meta.id.parent", "id of the parent source: always 0 here"),
    ("objectId", pa.int64(), "", "meta.id;meta.main", "id as given with the position"),
    ("parentObjectId", pa.int64(), "", "meta.id.parent", "id of the parent object: always 0 here"),
    ("deblend_nChild", pa.int32(), "", "meta.number", "number of deblended children: always 0 here"),
)

SOURCE_IDENTITY = (
    ("id", pa.int64(), "", "meta.id;meta.main", "id as given with the position"),
    ("ra", pa.float64(), "deg", "pos.eq.ra;meta.main", "ICRS right ascension as requested"),
    ("dec", pa.float64(), "deg", "pos.eq.dec;meta.main", "ICRS declination as requested"),
)


def lsst_names(config: MeasurementConfig) -> tuple[tuple[str, Column], ...]:
    """Return (LSST column name, column) pairs in order, each ``slot_*`` after its target."""
    pairs: list[tuple[str, Column]] = []
    for column in measured_columns(config):
        if column.lsst is not None:
            pairs.append((column.lsst, column))
        if column.slot is not None:
            pairs.append((column.slot, column))
    return tuple(pairs)


def lsst_schema(config: MeasurementConfig, flux_unit: str) -> pa.Schema:
    """Return the Arrow schema of the LSST driver's table (100 columns by default)."""
    identity = [_field(*spec) for spec in LSST_IDENTITY]
    return pa.schema(identity + [c.arrow_field(name, flux_unit) for name, c in lsst_names(config)])


def source_schema(config: MeasurementConfig, flux_unit: str) -> pa.Schema:
    """Return the Arrow schema with columns named as in the DP1 ``Source`` table."""
    identity = [_field(*spec) for spec in SOURCE_IDENTITY]
    return pa.schema(identity + [c.arrow_field(c.source, flux_unit) for c in source_columns(config)])


def struct_type(config: MeasurementConfig) -> pa.StructType:
    """Return the Arrow type of ``forced_phot``: everything measured at one position."""
    return pa.struct([(c.source, c.type) for c in source_columns(config)])


def _field(name: str, type_: pa.DataType, unit: str, ucd: str, meaning: str) -> pa.Field:
    metadata = {"unit": unit, "ucd": ucd, "description": meaning}
    return pa.field(name, type_, metadata={k: v for k, v in metadata.items() if v})


def _flag(source: str, lsst: str | None, meaning: str, *, slot: str | None = None) -> Column:
    return Column(
        source=source, lsst=lsst, slot=slot, type=pa.bool_(), ucd="meta.code.error", meaning=meaning
    )


def _centroid_columns() -> Sequence[Column]:
    return (
        *(
            Column(
                source=axis,
                lsst=f"{CENTROID_PLUGIN}_{axis}",
                slot=f"slot_Centroid_{axis}",
                type=pa.float64(),
                unit="pix",
                ucd=f"pos.cartesian.{axis};instr.det",
                meaning=f"{word} of the requested position, in parent pixels",
            )
            for axis, word in (("x", "column"), ("y", "row"))
        ),
        _flag("centroid_flag", None, "the requested position has no place in pixels: missing, not finite"),
    )


def _aperture_columns(radius: float, *, sinc: bool) -> list[Column]:
    source, lsst = aperture_source_prefix(radius), aperture_lsst_prefix(radius)
    columns = [
        Column(
            source=source,
            lsst=f"{lsst}_flux",
            type=pa.float64(),
            unit=FLUX,
            ucd="phot.flux",
            meaning=f"flux inside a circle of {radius:g} pixels radius",
        ),
        Column(
            source=f"{source}Err",
            lsst=f"{lsst}_fluxErr",
            type=pa.float64(),
            unit=FLUX,
            ucd="stat.error;phot.flux",
            meaning=f"1-sigma error of the flux inside {radius:g} pixels",
        ),
        _flag(f"{source}_flag", f"{lsst}_flag", f"the {radius:g} pixel aperture could not be measured"),
        _flag(
            f"{source}_flag_apertureTruncated",
            f"{lsst}_flag_apertureTruncated",
            f"the {radius:g} pixel aperture reaches over the edge of the image",
        ),
    ]
    if sinc:
        columns.append(
            _flag(
                f"{source}_flag_sincCoeffsTruncated",
                f"{lsst}_flag_sincCoeffsTruncated",
                f"the weights of the {radius:g} pixel aperture reach over the edge of the image",
            )
        )
    return columns


def _pixel_flag_columns(config: MeasurementConfig) -> list[Column]:
    def column(suffix: str, meaning: str) -> Column:
        return _flag(f"pixelFlags_{suffix}", f"{PIXEL_FLAGS_PLUGIN}_flag_{suffix}", meaning)

    general = _flag("pixelFlags_flag", f"{PIXEL_FLAGS_PLUGIN}_flag", "the pixel flags could not be found")
    columns = [general, column("offimage", "the position is off the image")]
    columns += [column(f.name, f"a pixel of the footprint is {f.meaning}") for f in PIXEL_FLAGS]
    columns += [
        column(f"{f.name}Center", f"one of the central 3x3 pixels is {f.meaning}") for f in PIXEL_FLAGS
    ]
    columns += [
        column(f"{f.name}CenterAll", f"all of the central 3x3 pixels are {f.meaning}") for f in PIXEL_FLAGS
    ]
    centre = [plane.lower() for plane in config.masks_center]
    columns += [column(f"{p}Center", f"one of the central 3x3 pixels has {p.upper()}") for p in centre]
    columns += [column(f"{p}CenterAll", f"all of the central 3x3 pixels have {p.upper()}") for p in centre]
    columns += [
        column(p.lower(), f"a pixel of the footprint has {p.upper()}") for p in config.masks_footprint
    ]
    return columns


def _psf_column(suffix: str, **options: object) -> Column:
    separator = "" if suffix in ("", "Err") else "_"
    lsst = f"flux{suffix}" if not separator else suffix
    return Column(
        source=f"psfFlux{separator}{suffix}",
        lsst=f"{PSF_FLUX_PLUGIN}_{lsst}",
        slot=f"slot_PsfFlux_{lsst}",
        **options,  # type: ignore[arg-type]
    )


def _psf_flag(suffix: str, meaning: str) -> Column:
    return _psf_column(suffix, type=pa.bool_(), ucd="meta.code.error", meaning=meaning)


def _psf_flux_columns() -> list[Column]:
    return [
        _psf_column(
            "",
            type=pa.float64(),
            unit=FLUX,
            ucd="phot.flux;instr.det.psf",
            meaning="flux of the PSF fitted at the position",
        ),
        _psf_column(
            "Err",
            type=pa.float64(),
            unit=FLUX,
            ucd="stat.error;phot.flux;instr.det.psf",
            meaning="1-sigma error of the PSF flux",
        ),
        _psf_column(
            "area",
            type=pa.float32(),
            unit="pix",
            ucd="phys.area;instr.det.psf",
            meaning="effective area of the PSF",
        ),
        _psf_column(
            "chi2",
            type=pa.float32(),
            ucd="stat.fit.chi2",
            meaning="chi-square of the PSF fit, before aperture correction",
        ),
        _psf_column(
            "npixels",
            type=pa.int32(),
            unit="pix",
            ucd="meta.number;instr.pixel",
            meaning="pixels in the PSF fit",
        ),
        _psf_flag("flag", "the PSF flux could not be measured well"),
        _psf_flag("flag_noGoodPixels", "no pixel was left for the PSF fit"),
        _psf_flag("flag_edge", "the PSF reaches over the edge of the image"),
    ]


def _ap_corr_columns() -> list[Column]:
    return [
        _psf_column(
            "apCorr",
            type=pa.float64(),
            ucd="arith.factor",
            meaning="aperture correction applied to the PSF flux",
        ),
        _psf_column(
            "apCorrErr",
            type=pa.float64(),
            ucd="stat.error;arith.factor",
            meaning="error of the aperture correction: always 0, as LSST takes it",
        ),
        _psf_flag("flag_apCorr", "the PSF flux could not be aperture-corrected"),
    ]
