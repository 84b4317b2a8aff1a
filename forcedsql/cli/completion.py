"""What the shell completes: tables, columns, functions, keywords, and exposure ids in quotes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

if TYPE_CHECKING:
    import duckdb

_WORD = re.compile(r"[A-Za-z_]\w*$")
_OPEN_QUOTE = re.compile(r"'([^']*)$")


@dataclass(frozen=True, slots=True)
class Word:
    """One completion: its text, and what it is."""

    text: str
    kind: str


class SqlCompleter(Completer):
    """Completes the word before the cursor from what the database holds.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Asked once for functions and keywords, and for the rest whenever `refresh` is called.
    """

    def __init__(self, con: "duckdb.DuckDBPyConnection") -> None:
        self._con = con
        self._language = [*self._words(_FUNCTIONS, "function"), *self._words(_KEYWORDS, "keyword")]
        self.refresh()

    def refresh(self) -> None:
        """Take up the tables, columns and exposures that there are now."""
        self._names = [*self._words(_TABLES, "table"), *self._words(_COLUMNS, "column")]
        self._exposures = list(self._words(_EXPOSURES, "exposure"))

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield completions of the word, or of the quoted id, before the cursor."""
        before = document.text_before_cursor
        quoted = _OPEN_QUOTE.search(before) if before.count("'") % 2 else None
        if quoted is not None:
            yield from _matching(quoted[1], self._exposures)
        elif word := _WORD.search(before):
            yield from _matching(word[0], [*self._names, *self._language])

    def _words(self, query: str, kind: str) -> Iterator[Word]:
        with self._con.cursor() as cursor:
            for (text,) in cursor.execute(query).fetchall():
                yield Word(text.upper() if kind == "keyword" else text, kind)


def _matching(start: str, words: Iterable[Word]) -> Iterator[Completion]:
    seen = set()
    for word in words:
        if word.text.lower().startswith(start.lower()) and word.text.lower() not in seen:
            seen.add(word.text.lower())
            yield Completion(word.text, start_position=-len(start), display_meta=word.kind)


_TABLES = """
    SELECT table_name FROM duckdb_tables()
    UNION SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1
"""
_COLUMNS = "SELECT DISTINCT column_name FROM duckdb_columns() WHERE NOT internal ORDER BY 1"
_EXPOSURES = "SELECT exposure_id FROM exposure ORDER BY 1 LIMIT 100000"
# Measuring functions and macros first: they are what this shell is for.
_FUNCTIONS = r"""
    SELECT function_name FROM duckdb_functions()
    WHERE regexp_full_match(function_name, '[a-z]\w*')
    GROUP BY 1 ORDER BY bool_and(internal) AND NOT bool_or(function_name LIKE 'forced%'), 1
"""
_KEYWORDS = "SELECT keyword_name FROM duckdb_keywords() ORDER BY 1"
