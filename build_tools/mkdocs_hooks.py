"""Hooks of the documentation's build: the reference pages are made from the code as it is now."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parent))

from reference_pages import PAGES


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of the docs folder."""
    for path, page in PAGES.items():
        files.append(File.generated(config, path, content=page()))
    return files
