"""Options of every command that opens exposures: how plain FITS images are read."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forcedsql.cli.narrate import say

if TYPE_CHECKING:
    from forcedsql.open_options import OpenOptions

# Option on the command line, its value, what it means, and the option of opening that it sets.
_OPTIONS = (
    ("--hdu", "EXT", "name or number (from 0) of the image's HDU; the first image if not given.", "science"),
    ("--error", "FILE[EXT]", "error image: FILE, FILE[EXT], [EXT] or none.", "error"),
    (
        "--error-kind",
        "KIND",
        "what the error image holds: variance, invvar, weight (relative) or rms; none: the image's own.",
        "error_kind",
    ),
    ("--mask", "FILE[EXT]", "mask: FILE, FILE[EXT], [EXT] or none.", "mask"),
    (
        "--mask-kind",
        "KIND",
        "what the mask holds: nonzero (is bad), planes (of MP_ cards), bits or values (of a profile).",
        "mask_kind",
    ),
    ("--zeropoint", "MAG|CARD", "AB magnitude of one unit of the image.", "zeropoint"),
    ("--gain", "NUMBER|CARD", "photoelectrons per unit of the image.", "gain"),
    (
        "--psf",
        "FILE|gaussian:FWHM|moffat:FWHM,BETA",
        "point spread function; FWHM in pixels, or such as 1.2arcsec.",
        "psf",
    ),
)
_PROFILE = typer.Option(
    "--profile",
    metavar="NAME|FILE",
    help="Plain FITS: survey (decam, hst-drz, jwst, sdss, swarp, ztf) or TOML file that says how to read it.",
)
_OPEN = typer.Option(
    "--open",
    metavar="OPTION=VALUE",
    help="Plain FITS: any other option of opening (forcedsql.OpenOptions), such as saturation=60000; may "
    "be repeated.",
)


def opens_exposures(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of opening; it gets them as one, named `opening`.

    `opening` is an `OpenOptions`, or None where none of the options is given.
    """

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        profile, settings = arguments.pop("profile"), arguments.pop("open_settings")
        given = {name: arguments.pop(f"open_{name}") for *_, name in _OPTIONS}
        command(**arguments, opening=open_options(profile, settings, given))

    signature = inspect.signature(command)
    kept = [p for p in signature.parameters.values() if p.name != "opening"]
    added = [_parameter("profile", str | None, _PROFILE)]
    for flag, metavar, meaning, name in _OPTIONS:
        option = typer.Option(flag, metavar=metavar, help=f"Plain FITS: {meaning}")
        added.append(_parameter(f"open_{name}", str | None, option))
    added.append(_parameter("open_settings", list[str] | None, _OPEN))
    # Typer reads the options from the signature, and their types from the annotations.
    with_options.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in (*kept, *added)}
    return with_options


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=None, annotation=Annotated[kind, option])


def open_options(
    profile: str | None, settings: list[str] | None, given: Mapping[str, str | None]
) -> "OpenOptions | None":
    """Return what the command line says of how images are opened, None if it says nothing.

    Parameters
    ----------
    profile : str or None
    settings : list of str, or None
        ``option=value`` texts.
    given : mapping of str to str or None
        Options by name.

    Raises
    ------
    ConfigError
        If an option is unknown or its value not usable.
    """
    named = {name: value for name, value in given.items() if value is not None}
    if profile is None and not settings and not named:
        return None
    from forcedsql.open_options import OpenOptions

    base = OpenOptions(profile=profile or "")
    if profile not in (None, "", "none"):
        base = OpenOptions.from_profile(str(profile))
    return base.updated(OpenOptions.from_mapping(named)).with_settings(settings or [])


def say_origins(name: str, origins: Mapping[str, str]) -> None:
    """Say line by line what was taken for the parts of a plain image."""
    if not origins:
        return
    say(f"{name}:")
    for part, words in origins.items():
        say(f"  {part:<11} {words}")
