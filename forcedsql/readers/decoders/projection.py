"""Decoder of sky projections."""

from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.ast.text import MAX_CHARACTERS
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.wcs import AstWcs


def _sky_wcs(source: ArchiveObject) -> AstWcs:
    text = source.row().blob("wcs", limit=MAX_CHARACTERS)
    try:
        return AstWcs(text.decode("ascii", errors="replace"))
    except UnknownAstClassError as fault:
        raise UnknownClassError(f"AST {fault.class_name}") from fault


DECODERS = {"SkyWcs": Decoder("sky projection", _sky_wcs)}
