"""DuckDB's messages as one line."""

from forcedsql.database.messages import one_line


def test_duckdbs_hint_is_kept_and_its_excerpt_is_not():
    error = ValueError('Catalog Error: no table "a"\nDid you mean "b"?\n\nLINE 1: FROM a\n             ^')
    assert one_line(error) == 'Catalog Error: no table "a" Did you mean "b"?'


def test_what_a_function_of_ours_raised_comes_without_duckdbs_words():
    text = "Invalid Input Error: Python exception occurred while executing the UDF: DatabaseError: no such id"
    assert one_line(ValueError(text)) == "no such id"
