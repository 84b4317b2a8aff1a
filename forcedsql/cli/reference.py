"""``columns`` and ``config``: what is measured, and what can be set."""

import json
from typing import Annotated, Any

import typer

from forcedsql.cli.options import ColumnNames, ConfigOption, FormatOption, SetOption, configuration
from forcedsql.cli.output import emit


def columns(
    names: Annotated[
        ColumnNames, typer.Option("--columns", help="Names of the LSST driver, or of the DP1 Source table.")
    ] = ColumnNames.SOURCE,
    format_: FormatOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """List the measured columns: name, type, unit and meaning.

    'flux' stands for the unit of fluxes: nJy where the exposure is calibrated.
    """
    options = configuration(config, settings)
    import pyarrow as pa

    from forcedsql.schema import FLUX, lsst_schema, source_schema
    from forcedsql.tables import field_metadata

    schema = (lsst_schema if names is ColumnNames.LSST else source_schema)(options, FLUX)
    described = [field_metadata(field) for field in schema]
    listing = {
        "column": schema.names,
        "type": [str(field.type) for field in schema],
        "unit": [metadata.get("unit", "") for metadata in described],
        "meaning": [metadata.get("description", "") for metadata in described],
    }
    emit(pa.table(listing), format_)


def config(file: ConfigOption = None, settings: SetOption = None) -> None:
    """Print every measurement option and its meaning.

    What is printed can be a file for --config. Values are those of --config and --set, the
    defaults otherwise.
    """
    from forcedsql.config import describe_options

    values = configuration(file, settings).to_mapping()
    for name, _, meaning in describe_options():
        typer.echo(f"# {meaning}\n{name} = {_toml(values.pop(name))}\n")
    for name, value in values.items():
        typer.echo(
            f"# of a plugin; see 'forcedsql plugins {name.partition('.')[0]}'\n{name} = {_toml(value)}\n"
        )


def _toml(value: Any) -> str:
    # For text, numbers, truth values and lists of them, TOML is spelled as JSON.
    return json.dumps(value)
