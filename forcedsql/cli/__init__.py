"""The command line: one module per command group.

Importing these modules imports nothing heavy, so that ``--help`` is instant: NumPy, astropy,
DuckDB, Arrow and matplotlib are imported inside the commands that need them.
"""
