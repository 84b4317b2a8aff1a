"""Slots: which plugin's result stands for the centroid, the shape, the PSF flux, ..."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields

from forcedsql.errors import ConfigError
from forcedsql.plugins import FORCED_CENTROID, Plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What each slot stands for: the beginning of LSST column names, "" for nothing.

    A slot repeats the columns that begin with it as ``slot_Shape_xx`` and so on, and gives
    other plugins their input.  The defaults are those of DP1 tutorial 105.3.

    Raises
    ------
    ConfigError
        If the centroid is not the forced one.
    """

    centroid: str = FORCED_CENTROID
    shape: str = ""
    psf_shape: str = "base_SdssShape_psf"
    ap_flux: str = ""
    model_flux: str = ""
    psf_flux: str = "base_PsfFlux"
    gaussian_flux: str = ""
    calib_flux: str = ""

    def __post_init__(self) -> None:
        for name, value in self.to_mapping().items():
            if not isinstance(value, str):
                raise ConfigError(f"slots.{name}: {value!r} is not the name of a plugin")
        if self.centroid != FORCED_CENTROID:
            raise ConfigError(
                f"slots.centroid: {self.centroid!r} is not {FORCED_CENTROID}; "
                "forced photometry measures where it is told to"
            )

    @classmethod
    def names(cls) -> dict[str, str]:
        """Return LSST's name of each slot, ``psfShape``, and the attribute that holds it."""
        return {_camel_case(f.name): f.name for f in fields(cls)}

    def to_mapping(self) -> dict[str, str]:
        """Return every slot by its LSST name."""
        return {_camel_case(name): value for name, value in asdict(self).items()}

    def filled(self) -> dict[str, str]:
        """Return the slots that stand for something, by their LSST names."""
        return {name: value for name, value in self.to_mapping().items() if value}

    def aliases(self) -> dict[str, str]:
        """Return how LSST column names begin that repeat others, ``slot_Shape``, and what they stand for."""
        return {f"slot_{name[:1].upper()}{name[1:]}": target for name, target in self.filled().items()}

    def check(self, plugins: Iterable[Plugin], columns: Collection[str]) -> None:
        """Refuse slots that name nothing, and plugins whose slots are empty.

        Parameters
        ----------
        plugins : iterable of Plugin
            Those that run.
        columns : collection of str
            LSST names of the columns that they give.

        Raises
        ------
        ConfigError
            If no column begins with what a slot stands for, the defaults excepted, or a plugin
            needs a slot that no column fills.
        """

        def is_measured(target: str) -> bool:
            return any(name.startswith(f"{target}_") for name in columns)

        filled, defaults = self.filled(), Slots().filled()
        for slot, target in filled.items():
            if target != defaults.get(slot) and not is_measured(target):
                raise ConfigError(f"slots.{slot}: no column begins with {target}_; is its plugin in plugins?")
        for plugin in plugins:
            for slot in plugin.slots:
                if not is_measured(filled.get(slot, "")):
                    raise ConfigError(f"slots.{slot}: {plugin.name} needs it; name the plugin that fills it")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
