"""The DuckDB side: connection, registry, sky coverage, SQL functions and macros."""
