"""Ids, shared tables and the index of an archive."""

from dataclasses import dataclass

import pytest

from forcedsql.errors import ForcedSQLError
from forcedsql.writer.archive import ArchiveWriter, Record
from forcedsql.writer.hdus import Field, Schema


@dataclass(frozen=True)
class Leaf:
    value: int


@dataclass(frozen=True)
class OtherLeaf:
    value: int


@dataclass(frozen=True)
class Pair:
    first: object
    second: object


VALUE = Schema((Field("value", "int", "a value"),))
LINKS = Schema((Field("link", "int", "an id"),))

ENCODERS = {
    Leaf: lambda leaf, _: Record("Leaf", "a.module", VALUE, [{"value": leaf.value}]),
    OtherLeaf: lambda leaf, _: Record("OtherLeaf", "a.module", VALUE, [{"value": leaf.value}]),
    Pair: lambda pair, archive: Record(
        "Pair", "", LINKS, [{"link": archive.put(pair.first)}, {"link": archive.put(pair.second)}]
    ),
}


def table(hdu):
    """Return the name cards and raw rows of an HDU."""
    return [card.value for card in hdu.header.cards if card.keyword == "AR_NAME"], hdu.header["NAXIS2"]


def test_an_object_is_stored_once():
    archive, leaf = ArchiveWriter(ENCODERS), Leaf(7)
    pair = Pair(leaf, leaf)
    assert archive.put(pair) == archive.put(pair) == 1
    index, *tables = archive.hdus()
    assert index.header["NAXIS2"] == 2
    assert sorted(t.header["NAXIS2"] for t in tables) == [1, 2]


def test_nothing_is_id_zero():
    assert ArchiveWriter(ENCODERS).put(None) == 0


def test_objects_of_equal_schema_share_a_table():
    archive = ArchiveWriter(ENCODERS)
    for part in (Leaf(1), OtherLeaf(2), Leaf(3)):
        archive.put(part)
    index, *tables = archive.hdus()
    assert index.header["AR_NCAT"] == 2
    assert [table(hdu) for hdu in tables] == [(["Leaf", "OtherLeaf"], 3)]
    assert tables[0].header["EXTNAME"] == "OtherLeaf"


def test_equal_but_distinct_objects_have_ids_of_their_own():
    archive = ArchiveWriter(ENCODERS)
    assert [archive.put(Leaf(1)), archive.put(Leaf(1))] == [1, 2]


def test_an_unknown_class_is_named():
    with pytest.raises(ForcedSQLError, match="cannot write a complex: no afw class"):
        ArchiveWriter(ENCODERS).put(1j)
