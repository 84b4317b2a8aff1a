"""The archive: shared tables, references, and what a hostile one may not do."""

import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError, UnsupportedError
from forcedsql.readers import limits
from forcedsql.readers.archive import Archive, Decoder
from forcedsql.readers.fits_file import open_fits


def chain(source):
    """A decoder for objects that refer to one another: the ids along the chain."""
    following = source.row().integer("next")
    return (source.object_id, *(source.refer(following, "chain") if following else ()))


DECODERS = {"Link": Decoder("chain", chain)}


@pytest.fixture
def archive_of(afw, tmp_path):
    files = []

    def build():
        context = open_fits(afw.write(tmp_path / "exposure.fits"))
        files.append(context)
        return Archive(context.__enter__(), 4, DECODERS)

    yield build
    for context in files:
        context.__exit__(None, None, None)


def test_objects_of_one_class_share_a_table(afw, opened):
    table = afw.add_table(
        order_x=("J", [0, 0]),
        **{f"bbox_{edge}_{axis}": ("J", [0, 0]) for edge in ("min", "max") for axis in "xy"},
        coefficients=("1D", [1.5, 2.5]),
    )
    fields = [afw.place("ChebyshevBoundedField", table, row0=row) for row in (0, 1)]
    names = ["base_PsfFlux_instFlux", "base_GaussianFlux_instFlux"]
    afw.primary["AP_CORR_MAP_ID"] = afw.add_object(
        "ApCorrMap", rows=2, name=("64A", names), field=("J", fields)
    )
    ap_corr = opened().ap_corr
    x = np.zeros(1)
    assert [ap_corr[name].evaluate(x, x)[0] for name in names] == [1.5, 2.5]


def test_objects_that_nobody_asks_for_are_not_decoded(afw, opened):
    afw.place("SkyWcs", 99)
    assert opened().wcs is None


def test_references_are_followed(afw, archive_of):
    table = afw.add_table(next=("J", [2, 3, 0]))
    for row in range(3):
        afw.place("Link", table, row0=row)
    assert archive_of().get(1, "chain") == (1, 2, 3)


def test_an_object_is_decoded_once(afw, archive_of):
    afw.add_object("Link", next=("J", [0]))
    archive = archive_of()
    assert archive.get(1, "chain") is archive.get(1, "chain")


@pytest.mark.parametrize("following", [[1], [2, 1], [2, 3, 1]])
def test_a_circle_of_references_is_refused(afw, archive_of, following):
    table = afw.add_table(next=("J", following))
    for row in range(len(following)):
        afw.place("Link", table, row0=row)
    with pytest.raises(ReadError, match="refers to itself"):
        archive_of().get(1, "chain")


def test_references_nested_too_deeply_are_refused(afw, archive_of):
    count = limits.MAX_NESTING + 2
    table = afw.add_table(next=("J", [*range(2, count + 1), 0]))
    for row in range(count):
        afw.place("Link", table, row0=row)
    archive = archive_of()
    with pytest.raises(FileLimitError, match=str(limits.MAX_NESTING)):
        archive.get(1, "chain")
    assert len(archive.get(3, "chain")) == count - 2


def test_an_object_of_an_unknown_class_is_unsupported(afw, archive_of):
    afw.add_object("Mystery", a=("J", [0]))
    with pytest.raises(UnsupportedError, match="Mystery"):
        archive_of().get(1, "chain")


def test_an_object_of_another_kind_is_refused(afw, archive_of):
    afw.add_object("Link", next=("J", [0]))
    with pytest.raises(ReadError, match="is a Link where a PSF is expected"):
        archive_of().get(1, "PSF")


def test_a_missing_object_is_refused(afw, archive_of):
    afw.add_object("Link", next=("J", [7]))
    with pytest.raises(ReadError, match="no object 7"):
        archive_of().get(1, "chain")


@pytest.mark.parametrize(("row0", "rows"), [(1, 1), (0, 2), (-1, 1), (2**30, 2**30)])
def test_rows_outside_the_table_are_refused(afw, archive_of, row0, rows):
    afw.place("Link", afw.add_table(next=("J", [0])), row0=row0, rows=rows)
    with pytest.raises(ReadError, match="of a table with 1"):
        archive_of().get(1, "chain")


@pytest.mark.parametrize("table", [-1, 0, 5])
def test_a_table_that_is_not_there_is_refused(afw, archive_of, table):
    afw.add_table(next=("J", [0]))
    afw.place("Link", table)
    with pytest.raises(ReadError, match=r"table|HDU"):
        archive_of().get(1, "chain")


def test_a_missing_column_is_refused(afw, archive_of):
    afw.add_object("Link", previous=("J", [0]))
    with pytest.raises(ReadError, match="no column 'next'"):
        archive_of().get(1, "chain")


def test_a_column_of_another_type_is_refused(afw, archive_of):
    afw.add_object("Link", next=("8A", ["one"]))
    with pytest.raises(ReadError, match="next has the unexpected type"):
        archive_of().get(1, "chain")


def test_a_column_of_several_elements_is_refused(afw, archive_of):
    afw.add_object("Link", next=("3J", [[1, 2, 3]]))
    with pytest.raises(ReadError, match="3 elements where one is expected"):
        archive_of().get(1, "chain")


def test_an_archive_pointer_to_an_image_is_refused(afw, opened):
    afw.add_wcs()
    afw.primary["AR_HDU"] = 2
    with pytest.raises(ReadError, match="HDU 1 is a ImageHDU, not a binary table"):
        opened()


def test_an_archive_pointer_past_the_end_is_refused(afw, opened):
    afw.add_wcs()
    afw.primary["AR_HDU"] = 50
    with pytest.raises(ReadError, match="no HDU 49"):
        opened()


def test_objects_that_share_rows_beyond_reason_are_refused(afw, archive_of, monkeypatch):
    monkeypatch.setattr(limits, "MAX_TABLE_ROWS", 9)
    table = afw.add_table(next=("J", [0] * 5))
    for _ in range(2):
        afw.place("Link", table, rows=5)
    archive = archive_of()
    assert len(archive.rows(1, 0)) == 5
    with pytest.raises(FileLimitError, match="rows of objects of the archive: 10"):
        archive.rows(2, 0)


def test_an_object_of_two_rows_where_one_is_expected_is_refused(afw, archive_of):
    afw.place("Link", afw.add_table(next=("J", [0, 0])), rows=2)
    with pytest.raises(ReadError, match="has 2 rows where one is expected"):
        archive_of().get(1, "chain")
