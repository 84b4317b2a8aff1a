"""Columns: how each measured quantity is called, typed and described.

A `Column` carries both of its names: the LSST driver's (``base_PsfFlux_flux``) and that of
the DP1 ``Source`` table (``psfFlux``).  Each plugin declares its columns beside its
measurement; here they are put together, and from that the Arrow schemas, the SQL struct
type, the SQL macros' column lists and the documentation are made.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import pyarrow as pa

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError
from forcedsql.plugins import CATALOG_ORDER, Plugin, plugins_in_order

ColumnStyle = Literal["lsst", "source"]

FLUX = "flux"
"""Placeholder in a unit: the unit of the measured exposure."""

APERTURE_PLUGIN = "base_CircularApertureFlux"


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
    type : pyarrow.DataType
    unit : str
        Unit as astropy spells it, with `FLUX` as one of its words where it holds the
        exposure's own, "" for none.
    ucd : str
        IVOA UCD1+ word.
    meaning : str
        One line for a person.
    """

    source: str
    lsst: str | None
    type: pa.DataType
    unit: str = ""
    ucd: str
    meaning: str

    @property
    def is_flux(self) -> bool:
        """Whether values are proportional to flux, so that a calibration multiplies them."""
        return FLUX in self.unit.split()

    def arrow_field(self, name: str, flux_unit: str) -> pa.Field:
        """Return the Arrow field called `name`, its metadata filled in."""
        unit = " ".join(flux_unit if word == FLUX else word for word in self.unit.split())
        return _field(name, self.type, unit, self.ucd, self.meaning)


def value_column(
    source: str,
    lsst: str | None,
    meaning: str,
    *,
    ucd: str,
    unit: str = "",
    type_: pa.DataType | None = None,
) -> Column:
    """Return a column of float64, or of another type."""
    return Column(source=source, lsst=lsst, type=type_ or pa.float64(), unit=unit, ucd=ucd, meaning=meaning)


def flag_column(source: str, lsst: str | None, meaning: str) -> Column:
    """Return the column of a flag."""
    return Column(source=source, lsst=lsst, type=pa.bool_(), ucd="meta.code.error", meaning=meaning)


def flux_columns(source: str, lsst: str, meaning: str, *, ucd: str = "phot.flux") -> tuple[Column, Column]:
    """Return a flux and its error: `source` and ``<source>Err``, ``<lsst>_flux`` and ``<lsst>_fluxErr``."""
    return (
        value_column(source, f"{lsst}_flux", meaning, ucd=ucd, unit=FLUX),
        value_column(
            f"{source}Err",
            f"{lsst}_fluxErr",
            f"1-sigma error of the {meaning}",
            ucd=f"stat.error;{ucd}",
            unit=FLUX,
        ),
    )


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


JOINT_FLUX, JOINT_NAME = "psfFlux_joint", "forcedsql_JointPsfFlux"
"""Names of the joint fit's flux in the two styles; the LSST driver has nothing like it."""

INVALID_PSF = flag_column("invalidPsfFlag", "base_InvalidPsf_flag", "no PSF model at this position")
"""The flag that any plugin raises which met a position without a PSF model."""

UNDEBLENDED = "undeblended_"
"""Prefix of the columns of plugins that run once more on the pixels before noise replacement."""


@lru_cache(maxsize=64)
def measured_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns that a configuration measures, in the LSST driver's order.

    Raises
    ------
    ConfigError
        If a plugin cannot be loaded, two plugins give columns of one name, or a slot that is
        needed is empty or names no column.
    """
    plugins = plugins_in_order(config.all_plugins)
    columns: list[Column] = []
    for plugin in plugins:
        if plugin.order < CATALOG_ORDER:
            columns += plugin.columns(config)
    for plugin in plugins_in_order(config.undeblended):
        columns += undeblended_columns(plugin.columns(config))
    columns.append(INVALID_PSF)
    if config.do_ap_corr:
        for plugin in plugins:
            if plugin.ap_corr:
                columns += ap_corr_columns(flux_of(plugin, config), plugin.name)
    for plugin in plugins:
        if plugin.order >= CATALOG_ORDER:
            columns += plugin.columns(config)
    if config.deblend == "joint":
        columns += joint_columns(config)
    _check_unique(columns)
    config.slots.check(plugins, [column.lsst for column in columns if column.lsst is not None])
    return tuple(columns)


def flux_of(plugin: Plugin, config: MeasurementConfig) -> Column:
    """Return the column ``<name>_flux`` of a plugin that is aperture-corrected."""
    for column in plugin.columns(config):
        if column.lsst == f"{plugin.name}_flux":
            return column
    raise ConfigError(f"plugins: {plugin.name} says ap_corr but has no column {plugin.name}_flux")


def ap_corr_columns(flux: Column, plugin: str) -> tuple[Column, ...]:
    """Return what an aperture correction of a flux adds: the factor, its error and a flag."""
    return (
        value_column(
            f"{flux.source}_apCorr",
            f"{plugin}_apCorr",
            f"aperture correction applied to the {flux.meaning}",
            ucd="arith.factor",
        ),
        value_column(
            f"{flux.source}_apCorrErr",
            f"{plugin}_apCorrErr",
            "error of the aperture correction: always 0, as LSST takes it",
            ucd="stat.error",
        ),
        flag_column(
            f"{flux.source}_flag_apCorr",
            f"{plugin}_flag_apCorr",
            f"the {flux.meaning} could not be corrected for the aperture",
        ),
    )


def joint_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the joint fit, which no plugin makes as it needs all positions at once."""

    def flag(suffix: str, meaning: str) -> Column:
        return flag_column(f"{JOINT_FLUX}_{suffix}", f"{JOINT_NAME}_{suffix}", meaning)

    def number(suffix: str, meaning: str, type_: pa.DataType, *, ucd: str, unit: str = "") -> Column:
        return value_column(
            f"{JOINT_FLUX}_{suffix}", f"{JOINT_NAME}_{suffix}", meaning, ucd=ucd, unit=unit, type_=type_
        )

    flux, error = flux_columns(
        JOINT_FLUX,
        JOINT_NAME,
        "PSF flux fitted together with all overlapping sources",
        ucd="phot.flux;instr.det.psf",
    )
    columns = [
        flux,
        error,
        number("npixels", "pixels of the PSF stamp", pa.int32(), ucd="meta.number;instr.pixel", unit="pix"),
        number("blendId", "row, from 0, of the first position of the group", pa.int64(), ucd="meta.id"),
        number("blendSize", "sources in the group, neighbours included", pa.int32(), ucd="meta.number"),
    ]
    if config.deblend_background:
        columns += [
            number("background", "background in the group", pa.float64(), ucd="phot.flux.sb", unit=FLUX),
            number(
                "backgroundErr",
                "1-sigma error of the background in the group",
                pa.float64(),
                ucd="stat.error;phot.flux.sb",
                unit=FLUX,
            ),
        ]
    columns += [
        flag("flag", "the joint flux could not be measured well"),
        flag("flag_noGoodPixels", "no pixel was left for the PSF stamp"),
        flag("flag_edge", "the PSF stamp reaches over the edge of the image"),
        flag("flag_badPixels", "pixels of the PSF stamp have no finite value or variance and were left out"),
        flag("flag_degenerate", "the data determine only the sum of this flux and others, as of twin rows"),
    ]
    return (*columns, *(ap_corr_columns(flux, JOINT_NAME) if config.do_ap_corr else ()))


def undeblended_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns of a plugin's second run, on the pixels before noise replacement."""
    return tuple(
        replace(
            column,
            source=UNDEBLENDED + column.source,
            lsst=None if column.lsst is None else UNDEBLENDED + column.lsst,
            meaning=f"{column.meaning}, neighbours left in place",
        )
        for column in columns
    )


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
    """Return (LSST column name, column) pairs in order, each followed by its other names.

    A slot or another alias repeats every column whose name begins with what it stands for
    (afw ``python/lsst/afw/table/_schema.py``).
    """
    aliases = _aliases(config)
    pairs: list[tuple[str, Column]] = []
    for column in measured_columns(config):
        if column.lsst is not None:
            name = column.lsst
            pairs.append((name, column))
            pairs += [
                (alias + name.removeprefix(target), column)
                for alias, target in aliases
                if name.startswith(target)
            ]
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
    metadata: dict[str, Any] = {"unit": unit, "ucd": ucd, "description": meaning}
    return pa.field(name, type_, metadata={k: v for k, v in metadata.items() if v})


def _aliases(config: MeasurementConfig) -> list[tuple[str, str]]:
    """Return (alias, what it stands for) in the order in which they follow a column: by name."""
    aliases = config.slots.aliases()
    for plugin in plugins_in_order(config.all_plugins):
        if plugin.aliases is not None:
            aliases |= plugin.aliases(config)
    return sorted(aliases.items())


def _check_unique(columns: Iterable[Column]) -> None:
    for style in ("source", "lsst"):
        names = Counter(getattr(column, style) for column in columns)
        repeated = [name for name, number in names.items() if name is not None and number > 1]
        if repeated:
            raise ConfigError(f"plugins: two of them give a column {repeated[0]!r}; leave one of them out")
