"""``plugins``: what can be measured, by which plugin, and with which options."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forcedsql.cli.options import ConfigOption, FormatOption, SetOption, configuration
from forcedsql.cli.output import emit

if TYPE_CHECKING:
    from forcedsql.config import MeasurementConfig


def plugins(
    name: Annotated[
        str | None, typer.Argument(metavar="PLUGIN", help="List the columns and options of this one.")
    ] = None,
    format_: FormatOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """List the plugins, or the columns and options of one.

    Those of other packages are listed too. 'runs' tells which of them --config and --set
    ask for; add one to the option plugins to run it.
    """
    options = configuration(config, settings)
    import pyarrow as pa

    rows = _rows_of_all(options) if name is None else _rows_of_one(name, options)
    names = list(rows[0])
    emit(pa.table({column: [row[column] for row in rows] for column in names}), format_)


def _rows_of_all(config: "MeasurementConfig") -> list[dict[str, Any]]:
    from forcedsql.plugins import plugin_names, plugins_in_order

    running = {*config.all_plugins, *config.undeblended}
    return [
        {
            "plugin": plugin.name,
            "runs": plugin.name in running,
            "summary": plugin.summary,
            "options": ", ".join(option.name for option in plugin.options),
            "columns": ", ".join(column.source for column in plugin.columns(config)),
        }
        for plugin in plugins_in_order(plugin_names())
    ]


def _rows_of_one(name: str, config: "MeasurementConfig") -> list[dict[str, Any]]:
    from forcedsql.plugins import find_plugin

    plugin = find_plugin(name)
    columns = [
        {
            "kind": "column",
            "name": column.source,
            "lsst": column.lsst or "",
            "type": str(column.type),
            "unit": column.unit,
            "meaning": column.meaning,
        }
        for column in plugin.columns(config)
    ]
    options = [
        {
            "kind": "option",
            "name": f"{name}.{option.name}",
            "lsst": "",
            "type": type(option.default).__name__,
            "unit": "",
            "meaning": f"{option.meaning} (now {_shown(config.plugin_option(name, option.name))})",
        }
        for option in plugin.options
    ]
    return columns + options


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
