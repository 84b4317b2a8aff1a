"""Build hook: the wheel carries the native kernel where it can be compiled, and is pure where not."""

import platform
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compile_native import LIBRARY, CannotCompileError, compile_library


class NativeKernelHook(BuildHookInterface):  # type: ignore[type-arg] - hatchling's generic is private
    """Compile the native kernel for a wheel, or beside its sources for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library to a build; without it the build goes on, and says so."""
        target = LIBRARY
        if version != "editable":
            self._folder = tempfile.TemporaryDirectory(prefix="forcedsql-wheel-")
            target = Path(self._folder.name) / LIBRARY.name
        try:
            compile_library(target)
        except CannotCompileError as reason:
            self.app.display_warning(f"forcedsql is built without its native kernel: {reason}")
            return
        if version != "editable":
            build_data["force_include"][str(target)] = f"forcedsql/native/{LIBRARY.name}"
            build_data["pure_python"] = False
            build_data["tag"] = f"cp{sys.version_info.major}{sys.version_info.minor}-abi3-{_platform_tag()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for a wheel."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _platform_tag() -> str:
    """Return this machine's tag; a Python for several kinds of Mac still compiles for one."""
    name = sysconfig.get_platform().replace("universal2", platform.machine())
    return name.replace("-", "_").replace(".", "_")
