"""The benchmark: forcedsql and its peers in one interleaved run, on the same positions."""

from forcedsql.bench.report import Report, Row, as_mapping, as_markdown, as_text
from forcedsql.bench.suite import PEERS, Options, run

__all__ = ["PEERS", "Options", "Report", "Row", "as_mapping", "as_markdown", "as_text", "run"]
