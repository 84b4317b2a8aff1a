"""Build hook: the wheel carries what is compiled, where it can be compiled, and is pure where not."""

import platform
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compile_extension import EXTENSION, compile_extension
from compile_native import LIBRARY, CannotCompileError, compile_library

ROOT = Path(__file__).resolve().parent.parent

PARTS = (
    (LIBRARY, compile_library, "its native kernel"),
    (EXTENSION, compile_extension, "its DuckDB extension"),
)
"""What is compiled: where it belongs, by which function, and what it is called."""


class NativeKernelHook(BuildHookInterface):  # type: ignore[type-arg] - hatchling's generic is private
    """Compile the kernel and the extension for a wheel, or beside their sources for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the libraries to a build; without one the build goes on, and says so."""
        if version != "editable":
            self._folder = tempfile.TemporaryDirectory(prefix="forcedsql-wheel-")
        for place, compile_part, name in PARTS:
            target = place if version == "editable" else Path(self._folder.name) / place.name
            try:
                compile_part(target)
            except CannotCompileError as reason:
                self.app.display_warning(f"forcedsql is built without {name}: {reason}")
                continue
            if version != "editable":
                build_data["force_include"][str(target)] = str(place.relative_to(ROOT))
                build_data["pure_python"] = False
                version_tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
                build_data["tag"] = f"{version_tag}-abi3-{_platform_tag()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for a wheel."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _platform_tag() -> str:
    """Return this machine's tag; a Python for several kinds of Mac still compiles for one."""
    name = sysconfig.get_platform().replace("universal2", platform.machine())
    return name.replace("-", "_").replace(".", "_")
