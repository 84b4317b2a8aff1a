"""SQL functions outside Python: a DuckDB extension in C, and the workers that measure for it.

A Python function exists in the process that made it, so the stock ``duckdb`` shell has none.
The extension (``src/``) registers the functions of `forcedsql.database.functions` there, and
hands chunks of rows to worker processes of this package::

    DuckDB ── extension ══ socket: frames, shared memory: columns ══ worker ── the functions

- `descriptor` tells the extension what there is: functions with their types, and how a worker
  is started.  A new function needs no change in C.
- `frames` and `columns` are the protocol; each side checks whatever the other one says.
- `worker` serves; `registry` is what it knows of exposures, by `questions` to the extension.

Workers cannot open the database: the shell has it open for writing.  The extension cannot ask
its own connection either, since one that it kept would hold the file open after the user has
closed it, and DuckDB lends it one only while it is loaded.  So it reads the registry then, a
few hundred bytes per exposure, and answers the workers from memory; no other process can
change the file meanwhile.  In a Python process that asks for workers, the answers come from
the connection itself, and are never old.
"""
