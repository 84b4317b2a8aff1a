"""Mutated files for every reader: ``python -m tests.fuzz --help``; see docs/robustness.md."""
