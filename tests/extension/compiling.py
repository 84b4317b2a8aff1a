"""The build tools, which are no package."""

import sys

from tests.conftest import ROOT

sys.path.append(str(ROOT / "build_tools"))

from compile_extension import CannotCompileError, compile_extension, duckdb_platform, make_footer

__all__ = ["CannotCompileError", "compile_extension", "duckdb_platform", "make_footer"]
