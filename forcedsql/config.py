"""MeasurementConfig: every option of a measurement, its default and its meaning."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from forcedsql.errors import ConfigError
from forcedsql.plugins import FORCED_CENTROID, LOCAL_BACKGROUND, PluginOption, check_plugin_names, find_plugin
from forcedsql.slots import Slots
from forcedsql.toml_file import read_toml

DEFAULT_PLUGINS = (
    FORCED_CENTROID,
    "base_CircularApertureFlux",
    "base_PixelFlags",
    "base_PsfFlux",
)

_RANGES = {
    "max_sinc_radius": (0, 64, "pixels"),
    "mesh_size": (8, 4096, "pixels"),
    "mesh_filter": (1, 31, "cells"),
}
"""Options that are numbers: smallest and largest value, and their unit."""


def _option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementConfig:
    """Options of one measurement; the defaults are those of DP1 tutorial 105.3.

    The fields carry their meaning as metadata (``describe_options``), from which the
    command line and the documentation are made.  `slots` and `plugin_options` may be given
    as mappings: ``slots={"shape": "base_SdssShape"}``,
    ``plugin_options={"base_Variance": {"scale": 3.0}}``.

    Raises
    ------
    ConfigError
        If an option has a value outside its choices or range.
    """

    do_ap_corr: bool = _option(True, "multiply PSF fluxes by the exposure's aperture correction")
    do_scale_variance: bool = _option(
        False, "multiply the variance by what makes the sky's scatter agree with it, before measuring"
    )
    do_replace_with_noise: bool = _option(
        False, "hide the other listed positions under noise while one is measured"
    )
    subtract_background: Literal["none", "local", "mesh"] = _option(
        "none",
        "local: take base_LocalBackground off PSF and aperture fluxes; mesh: take a smooth background off "
        "the whole image first (package sep)",
    )
    mesh_size: int = _option(64, "side in pixels of the cells of subtract_background=mesh")
    mesh_filter: int = _option(3, "side in cells of the median filter of subtract_background=mesh")
    noise_source: Literal["measure", "variance", "meta", "variance_median"] = _option(
        "measure", "where the width of the hiding noise comes from"
    )
    noise_offset: float = _option(0.0, "mean of the hiding noise, in the unit of the exposure")
    noise_seed: int = _option(1, "seed of the hiding noise: equal seeds give equal fluxes")
    psf_footprint_scaling: float = _option(
        3.0, "size of the footprint of the pixel flags, in units of the PSF's second moments"
    )
    bad_mask_planes: tuple[str, ...] = _option((), "mask planes left out of the PSF fit")
    radii: tuple[float, ...] = _option(
        (3.0, 4.5, 6.0, 9.0, 12.0, 17.0, 25.0, 35.0, 50.0, 70.0), "aperture radii in pixels"
    )
    aperture_method: Literal["sinc", "exact", "center"] = _option(
        "sinc",
        "which pixels an aperture counts: by sinc coefficients, as LSST does; each by the part of it "
        "inside the circle; or those whose centres are inside",
    )
    max_sinc_radius: float = _option(
        10.0,
        "largest radius in pixels that uses sinc coefficients; larger ones count pixel centres, "
        "all with aperture_method=sinc",
    )
    sinc_shift: Literal["lanczos5", "exact"] = _option(
        "lanczos5",
        "how sinc coefficients reach the sub-pixel position: as LSST does, or without its bias",
    )
    masks_footprint: tuple[str, ...] = _option((), "further mask planes flagged in the footprint")
    masks_center: tuple[str, ...] = _option((), "further mask planes flagged in the central 3x3 pixels")
    off_image: Literal["flag", "raise"] = _option(
        "flag", "what a position off the image becomes: a flagged row, or an error as in LSST"
    )
    space_motion: Literal["auto", "never"] = _option(
        "auto",
        "move positions by proper motion and parallax to the exposure's time where their table has such "
        "columns, or never",
    )
    calibrate: Literal["auto", "never"] = _option(
        "auto", "turn fluxes into nJy where the exposure carries a calibration, or never"
    )
    plugins: tuple[str, ...] = _option(DEFAULT_PLUGINS, "measurement plugins to run")
    deblend: Literal["none", "joint"] = _option(
        "none", "joint: fit the PSF fluxes of all positions that overlap together as well"
    )
    deblend_background: bool = _option(False, "fit a constant background in each group of a joint fit")
    undeblended: tuple[str, ...] = _option(
        (), "plugins to run once more on the pixels as they were before noise replacement"
    )
    do_run_catalog_calculation: bool = _option(False, "run the plugins of catalog_calculation at the end")
    catalog_calculation: tuple[str, ...] = _option(
        ("base_ClassificationExtendedness", "base_FootprintArea"),
        "plugins that combine what the others have measured",
    )
    slots: Slots = field(default_factory=Slots)
    plugin_options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for f in _plain_fields():
            value = _coerce(f.name, getattr(self, f.name), hints[f.name])
            object.__setattr__(self, f.name, value)
        object.__setattr__(self, "slots", _as_slots(self.slots))
        object.__setattr__(self, "plugin_options", _as_plugin_options(self.plugin_options))
        self._check_ranges()

    def _check_ranges(self) -> None:
        for radius in self.radii:
            if not 0.0 < radius <= 1000.0:
                raise ConfigError(f"radii: {radius} is not a radius in pixels between 0 and 1000")
        labels = [f"{radius:.1f}" for radius in self.radii]
        for label in labels:
            if labels.count(label) > 1:
                raise ConfigError(f"radii: two of them are {label} to one decimal, and would share a column")
        for name, (low, high, unit) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name}: {getattr(self, name)} is not between {low} and {high} {unit}")
        if not 0.0 < self.psf_footprint_scaling <= 100.0:
            raise ConfigError(f"psf_footprint_scaling: {self.psf_footprint_scaling} is not between 0 and 100")
        if not 0 <= self.noise_seed < 2**63:
            raise ConfigError(f"noise_seed: {self.noise_seed} is not between 0 and 2^63")
        check_plugin_names(self.all_plugins, option="plugins")
        check_plugin_names(self.undeblended, option="undeblended")
        if FORCED_CENTROID not in self.plugins:
            raise ConfigError(f"plugins: {FORCED_CENTROID} gives the position and cannot be left out")

    @property
    def all_plugins(self) -> tuple[str, ...]:
        """Names of every plugin that runs, those that an option brings with it included."""
        background = (LOCAL_BACKGROUND,) if self.subtract_background == "local" else ()
        calculated = self.catalog_calculation if self.do_run_catalog_calculation else ()
        return (*self.plugins, *background, *calculated)

    def plugin_option(self, plugin: str, option: str) -> Any:
        """Return the value of a plugin's own option, its default where it is not set."""
        values = dict(self.plugin_options)
        name = f"{plugin}.{option}"
        return values[name] if name in values else _declared_option(name).default

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Self:
        """Build a configuration from option names and values.

        Slots and the options of plugins are named with a dot, ``slots.shape`` and
        ``base_Variance.scale``, or given as mappings, as TOML tables are.

        Raises
        ------
        ConfigError
            If a name is not an option, or a value is not usable.
        """
        return cls(**_arguments(options))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a configuration from a TOML file of ``option = value`` lines.

        Raises
        ------
        ConfigError
            If the file cannot be read, is not TOML, or holds an unusable option.
        """
        try:
            options = read_toml(Path(path))
        except OSError as error:
            raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"{path} is not a TOML file: {error}") from error
        return cls.from_mapping(options)

    def with_settings(self, settings: Iterable[str]) -> Self:
        """Return a copy changed by ``option=value`` texts, as ``--set`` gives them.

        Lists are written with commas, ``radii=3,6,12``; slots and options of plugins with a
        dot, ``slots.shape=base_SdssShape``.

        Raises
        ------
        ConfigError
            If a text has no ``=``, names no option, or its value is not usable.
        """
        changes: dict[str, Any] = {}
        for text in settings:
            name, equals, value = text.partition("=")
            name = name.strip()
            if "." not in name:
                name = name.replace("-", "_")
            if not equals:
                raise ConfigError(f"{text!r} is not of the form option=value")
            is_list = _is_list(name)
            changes[name] = [v.strip() for v in value.split(",") if v.strip()] if is_list else value.strip()
        return self.from_mapping(self.to_mapping() | changes)

    def to_mapping(self) -> dict[str, Any]:
        """Return the options as plain values that JSON and TOML can hold."""
        values = {f.name: getattr(self, f.name) for f in _plain_fields()}
        values |= {f"slots.{name}": value for name, value in self.slots.to_mapping().items()}
        values |= dict(self.plugin_options)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def digest(self) -> str:
        """Return a short hash that is equal for equal configurations (provenance)."""
        text = json.dumps(self.to_mapping(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_options() -> list[tuple[str, Any, str]]:
    """Return (name, default, meaning) of every option but those of plugins, in order."""
    options = [(f.name, f.default, f.metadata["help"] + _choices(f.type)) for f in _plain_fields()]
    slots = [
        (f"slots.{name}", value, f"beginning of the columns that stand for the {name}, empty for none")
        for name, value in Slots().to_mapping().items()
    ]
    return options + slots


def _choices(type_: Any) -> str:
    """Return the values that an option may have in words, "" where it may have any of its type."""
    return f"; one of {', '.join(get_args(type_))}" if get_origin(type_) is Literal else ""


def _plain_fields() -> tuple[Any, ...]:
    return tuple(f for f in fields(MeasurementConfig) if f.name not in ("slots", "plugin_options"))


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Sort options into the arguments of MeasurementConfig."""
    known = [f.name for f in _plain_fields()]
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            flat[name] = value
    arguments = {name: value for name, value in flat.items() if "." not in name}
    for name in arguments:
        if name not in known:
            raise ConfigError(f"{name!r} is not an option; there are {', '.join(known)}")
    dotted = {name: value for name, value in flat.items() if "." in name}
    slots = {name.removeprefix("slots."): v for name, v in dotted.items() if name.startswith("slots.")}
    of_plugins = {name: v for name, v in dotted.items() if not name.startswith("slots.")}
    return arguments | {"slots": slots, "plugin_options": of_plugins}


def _is_list(name: str) -> bool:
    if "." in name:
        return not name.startswith("slots.") and isinstance(_declared_option(name).default, tuple)
    hints = get_type_hints(MeasurementConfig)
    known = [f.name for f in _plain_fields()]
    if name not in known:
        raise ConfigError(f"{name!r} is not an option; there are {', '.join(known)}")
    return get_origin(hints[name]) is tuple


def _as_slots(slots: Any) -> Slots:
    if isinstance(slots, Slots):
        return slots
    if not isinstance(slots, Mapping):
        raise ConfigError(f"slots: {slots!r} is not a mapping of slots to plugins")
    names = Slots.names()
    for name in slots:
        if name not in names and name not in names.values():
            raise ConfigError(f"slots.{name} is not a slot; there are {', '.join(names)}")
    return Slots(**{names.get(str(name), str(name)): value or "" for name, value in slots.items()})


def _as_plugin_options(options: Any) -> tuple[tuple[str, Any], ...]:
    """Check plugins' options against their declarations; return them by name."""
    flat: dict[str, Any] = {}
    for name, value in options.items() if isinstance(options, Mapping) else options:
        flat |= {f"{name}.{o}": v for o, v in value.items()} if isinstance(value, Mapping) else {name: value}
    checked = {name: _coerce(name, value, _hint_of(_declared_option(name))) for name, value in flat.items()}
    return tuple(sorted(checked.items()))


def _declared_option(name: str) -> PluginOption:
    plugin, _, option = name.partition(".")
    check_plugin_names([plugin], option=name)
    declared = {o.name: o for o in find_plugin(plugin).options}
    if option not in declared:
        choices = f"there are {', '.join(declared)}" if declared else "it has none"
        raise ConfigError(f"{name} is not an option of {plugin}; {choices}")
    return declared[option]


def _hint_of(option: PluginOption) -> Any:
    if isinstance(option.default, tuple):
        return tuple[type(option.default[0]), ...]  # type: ignore[misc]
    return type(option.default)


def _coerce(name: str, value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise ConfigError(f"{name}: {value!r} is not one of {choices}")
        return value
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ConfigError(f"{name}: {value!r} is not a list")
        return tuple(_coerce(name, item, get_args(hint)[0]) for item in value)
    return _coerce_scalar(name, value, hint)


def _coerce_scalar(name: str, value: Any, hint: Any) -> Any:
    if hint is bool:
        truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in truth:
            return truth[str(value).lower()]
        raise ConfigError(f"{name}: {value!r} is not true or false")
    if hint in (int, float):
        try:
            return int(str(value)) if hint is int else float(value)
        except (TypeError, ValueError):
            word = "whole number" if hint is int else "number"
            raise ConfigError(f"{name}: {value!r} is not a {word}") from None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name}: {value!r} is not a name")
    return value
