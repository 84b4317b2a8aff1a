"""MeasurementConfig: every option of a measurement, its default and its meaning."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from forcedsql.errors import ConfigError

DEFAULT_PLUGINS = (
    "base_TransformedCentroidFromCoord",
    "base_CircularApertureFlux",
    "base_PixelFlags",
    "base_PsfFlux",
)


def _option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementConfig:
    """Options of one measurement; the defaults are those of DP1 tutorial 105.3.

    The fields carry their meaning as metadata (``describe_options``), from which the
    command line and the documentation are made.

    Raises
    ------
    ConfigError
        If an option has a value outside its choices or range.
    """

    do_ap_corr: bool = _option(True, "multiply PSF fluxes by the exposure's aperture correction")
    psf_footprint_scaling: float = _option(
        3.0, "size of the footprint of the pixel flags, in units of the PSF's second moments"
    )
    bad_mask_planes: tuple[str, ...] = _option((), "mask planes left out of the PSF fit")
    radii: tuple[float, ...] = _option(
        (3.0, 4.5, 6.0, 9.0, 12.0, 17.0, 25.0, 35.0, 50.0, 70.0), "aperture radii in pixels"
    )
    max_sinc_radius: float = _option(
        10.0, "largest radius in pixels that uses sinc coefficients; larger ones count pixel centres"
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
    calibrate: Literal["auto", "never"] = _option(
        "auto", "turn fluxes into nJy where the exposure carries a calibration, or never"
    )
    plugins: tuple[str, ...] = _option(DEFAULT_PLUGINS, "measurement plugins to run")

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for f in fields(self):
            value = _coerce(f.name, getattr(self, f.name), hints[f.name])
            object.__setattr__(self, f.name, value)
        self._check_ranges()

    def _check_ranges(self) -> None:
        for radius in self.radii:
            if not 0.0 < radius <= 1000.0:
                raise ConfigError(f"radii: {radius} is not a radius in pixels between 0 and 1000")
        labels = [f"{radius:.1f}" for radius in self.radii]
        for label in labels:
            if labels.count(label) > 1:
                raise ConfigError(f"radii: two of them are {label} to one decimal, and would share a column")
        if not 0.0 <= self.max_sinc_radius <= 64.0:
            raise ConfigError(f"max_sinc_radius: {self.max_sinc_radius} is not between 0 and 64 pixels")
        if not 0.0 < self.psf_footprint_scaling <= 100.0:
            raise ConfigError(f"psf_footprint_scaling: {self.psf_footprint_scaling} is not between 0 and 100")
        unknown = set(self.plugins) - set(DEFAULT_PLUGINS)
        if unknown:
            raise ConfigError(
                f"plugins: {min(unknown)!r} is not known; there are {', '.join(DEFAULT_PLUGINS)}"
            )
        if DEFAULT_PLUGINS[0] not in self.plugins:
            raise ConfigError(f"plugins: {DEFAULT_PLUGINS[0]} gives the position and cannot be left out")

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Self:
        """Build a configuration from option names and values.

        Raises
        ------
        ConfigError
            If a name is not an option, or a value is not usable.
        """
        known = [f.name for f in fields(cls)]
        for name in options:
            if name not in known:
                raise ConfigError(f"{name!r} is not an option; there are {', '.join(known)}")
        return cls(**options)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a configuration from a TOML file of ``option = value`` lines.

        Raises
        ------
        ConfigError
            If the file cannot be read, is not TOML, or holds an unusable option.
        """
        try:
            options = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not a TOML file: {error}") from error
        return cls.from_mapping(options)

    def with_settings(self, settings: Iterable[str]) -> Self:
        """Return a copy changed by ``option=value`` texts, as ``--set`` gives them.

        Lists are written with commas: ``radii=3,6,12``.

        Raises
        ------
        ConfigError
            If a text has no ``=``, names no option, or its value is not usable.
        """
        hints = get_type_hints(type(self))
        changes: dict[str, Any] = {}
        for text in settings:
            name, equals, value = text.partition("=")
            name = name.strip().replace("-", "_")
            if not equals:
                raise ConfigError(f"{text!r} is not of the form option=value")
            if name not in hints:
                raise ConfigError(f"{name!r} is not an option; there are {', '.join(hints)}")
            is_list = get_origin(hints[name]) is tuple
            changes[name] = [v.strip() for v in value.split(",") if v.strip()] if is_list else value.strip()
        return replace(self, **changes)

    def to_mapping(self) -> dict[str, Any]:
        """Return the options as plain values that JSON and TOML can hold."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def digest(self) -> str:
        """Return a short hash that is equal for equal configurations (provenance)."""
        text = json.dumps(self.to_mapping(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_options() -> list[tuple[str, Any, str]]:
    """Return (name, default, meaning) of every option, in order."""
    return [(f.name, f.default, str(f.metadata["help"])) for f in fields(MeasurementConfig)]


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
    if hint is float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ConfigError(f"{name}: {value!r} is not a number") from None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name}: {value!r} is not a name")
    return value
