"""Where the columns of a query come from, as its text says.

A column that is passed on, renamed or cast is still its table's; one that is computed from
others is nobody's.  DuckDB's own parser reads the text.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb


@dataclass(frozen=True, slots=True)
class Names:
    """Which columns of select lists are others by another name, and which are computed.

    All names are in lower case, as SQL does not tell them apart by case.
    """

    renamed: dict[str, str] = field(default_factory=dict)
    computed: set[str] = field(default_factory=set)

    def add(self, select: Mapping[str, Any]) -> None:
        """Take up the names that one SELECT gives."""
        for item in select["select_list"]:
            named = [(item["alias"], item)] if item.get("alias") else []
            named += [(replaced["key"], replaced["value"]) for replaced in item.get("replace_list") or ()]
            for alias, expression in named:
                column = _passed_on(expression)
                if column is None:
                    self.computed.add(alias.lower())
                elif column != alias.lower():
                    self.renamed[alias.lower()] = column


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the columns of a query come from.

    Parameters
    ----------
    outer : Names
        Of the query itself.
    inner : Names
        Of its sub-queries and of the views it reads, whatever their scopes: a name that any
        of them computes counts as computed.
    tables : set of str
        Tables and views it reads.
    """

    outer: Names = field(default_factory=Names)
    inner: Names = field(default_factory=Names)
    tables: set[str] = field(default_factory=set)

    def of(self, column: str) -> tuple[str | None, str | None]:
        """Return a column's name in what the query reads from, and in the table behind it all.

        None where it is computed on the way.
        """
        name = column.lower()
        if name in self.outer.computed:
            return None, None
        nearest = self.outer.renamed.get(name, name)
        return nearest, self._innermost(nearest)

    def _innermost(self, name: str) -> str | None:
        seen = {name}
        while name not in self.inner.computed:
            if name not in self.inner.renamed:
                return name
            name = self.inner.renamed[name]
            if name in seen:
                return None
            seen.add(name)
        return None


def origins_of(con: duckdb.DuckDBPyConnection, query: str) -> Origins:
    """Read a query of one statement, and the views that it names."""
    origins = Origins()
    _read(con, _syntax_tree(con, query), origins, depth=0)
    return origins


def _read(con: duckdb.DuckDBPyConnection, tree: Any, origins: Origins, *, depth: int) -> None:
    for level, node in _nodes(tree, depth):
        if "select_list" in node:
            (origins.inner if level else origins.outer).add(node)
        elif node.get("type") == "BASE_TABLE" and node["table_name"].lower() not in origins.tables:
            origins.tables.add(node["table_name"].lower())
            _read_view(con, node["table_name"], origins)


def _read_view(con: duckdb.DuckDBPyConnection, name: str, origins: Origins) -> None:
    views = con.execute(
        "SELECT sql FROM duckdb_views() WHERE lower(view_name) = lower($name)", {"name": name}
    ).fetchall()
    for (text,) in views:
        head, _, definition = text.rstrip().rstrip(";").partition(" AS ")
        tree = _syntax_tree(con, definition)
        if tree is None or head.endswith(")"):
            # Columns named in the head, or a head with AS in a name: nothing is known for certain.
            columns = con.sql(
                "SELECT column_name FROM duckdb_columns() WHERE table_name = $name", params={"name": name}
            )
            origins.inner.computed.update(column.lower() for (column,) in columns.fetchall())
        else:
            _read(con, tree, origins, depth=1)


def _syntax_tree(con: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return DuckDB's syntax tree of a query; None if it cannot be parsed."""
    ((text,),) = con.execute("SELECT json_serialize_sql($query)", {"query": query}).fetchall()
    tree = json.loads(text)
    return None if tree["error"] else tree


def _nodes(tree: Any, depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield every node of a syntax tree with the number of SELECTs around it."""
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item, depth)
    elif isinstance(tree, dict):
        yield depth, tree
        for name, item in tree.items():
            # A WITH belongs to the query that it stands before, and is inside it.
            inside = "select_list" in tree or name == "cte_map"
            yield from _nodes(item, depth + inside)


def _passed_on(expression: Mapping[str, Any]) -> str | None:
    """Return the column that an expression hands on as it is; None where it computes."""
    if expression.get("class") == "CAST":
        return _passed_on(expression["child"])
    if expression.get("class") == "COLUMN_REF":
        return str(expression["column_names"][-1]).lower()
    return None
