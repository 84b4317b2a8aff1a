import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table

from forcedsql.errors import PrecisionWarning, TableError
from forcedsql.measure.positions import as_arrow, find_positions

RA, DEC = [10.0, 20.5, 359.9], [-5.0, 0.0, 89.0]


def assert_found(positions, ids=(7, 8, 9)):
    assert positions.ids.to_pylist() == list(ids)
    np.testing.assert_allclose(positions.ra, RA, rtol=1e-14)
    np.testing.assert_allclose(positions.dec, DEC, rtol=1e-14)


@pytest.mark.parametrize(
    ("names"),
    [
        ("objectId", "coord_ra", "coord_dec"),
        ("sourceId", "ra", "dec"),
        ("diaObjectId", "RA", "Dec"),
        ("ID", "RA", "DEC"),
    ],
)
def test_columns_are_found_by_their_usual_names(names):
    assert_found(find_positions(pa.table([[7, 8, 9], RA, DEC], names=list(names))))


def test_ra_wins_over_coord_ra_and_object_id_over_id():
    table = pa.table(
        {
            "id": [1, 2, 3],
            "objectId": [7, 8, 9],
            "coord_ra": [0.0] * 3,
            "ra": RA,
            "coord_dec": [0.0] * 3,
            "dec": DEC,
        }
    )
    assert_found(find_positions(table))


def test_columns_can_be_named():
    table = pa.table({"name": [7, 8, 9], "l": RA, "b": DEC, "ra": [0.0] * 3, "dec": [0.0] * 3})
    assert_found(find_positions(table, id_column="name", ra_column="l", dec_column="b"))


def test_without_ids_rows_are_numbered():
    assert_found(find_positions(pa.table({"ra": RA, "dec": DEC})), ids=(0, 1, 2))


@pytest.mark.parametrize("unit", ["rad", "radian"])
def test_radians_are_honoured_from_metadata_and_from_the_caller(unit):
    fields = [
        pa.field("ra", pa.float64(), metadata={"unit": unit}),
        pa.field("dec", pa.float64(), metadata={"unit": unit}),
    ]
    values = [np.deg2rad(RA), np.deg2rad(DEC)]
    assert_found(find_positions(pa.table(values, schema=pa.schema(fields))), ids=(0, 1, 2))
    assert_found(find_positions(pa.table(values, names=["ra", "dec"]), unit="rad"), ids=(0, 1, 2))


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, Table, pa.RecordBatch.from_pydict])
def test_any_kind_of_table_will_do(make):
    assert_found(find_positions(make({"objectId": [7, 8, 9], "ra": RA, "dec": DEC})))


def test_astropy_units_and_masks_are_honoured():
    table = QTable({"objectId": [7, 8, 9], "ra": RA * u.deg, "dec": np.deg2rad(DEC) * u.rad})
    assert_found(find_positions(table))
    masked = Table({"ra": MaskedColumn(RA, mask=[False, True, False]), "dec": DEC})
    assert np.isnan(find_positions(masked).ra[1])


def test_columns_of_an_astropy_table_that_arrow_cannot_hold_are_passed_over():
    table = Table({"id": [7, 8, 9], "ra": RA, "dec": DEC, "matrix": np.zeros((3, 2)), "z": [1j, 2j, 3j]})
    table["place"] = SkyCoord(RA, DEC, unit="deg")
    assert_found(find_positions(table))
    assert as_arrow(table).column_names == ["id", "ra", "dec", "matrix"]


def test_ucds_of_an_astropy_table_find_its_coordinates():
    table = Table({"RA_ICRS": RA, "DE_ICRS": DEC})
    table["RA_ICRS"].info.meta = {"ucd": "pos.eq.ra;meta.main"}
    table["DE_ICRS"].info.meta = {"ucd": "pos.eq.dec;meta.main"}
    assert_found(find_positions(table), ids=(0, 1, 2))


def test_big_endian_columns_of_a_fits_table_are_read():
    table = Table(
        {"objectId": np.array([7, 8, 9], ">i8"), "ra": np.array(RA, ">f8"), "dec": np.array(DEC, ">f8")}
    )
    assert_found(find_positions(table))


def test_nulls_become_nan_and_null_ids_stay():
    table = pa.table({"objectId": [1, None, 3], "ra": [1.0, None, 2.0], "dec": [0.0, 0.0, None]})
    positions = find_positions(table)
    assert positions.ids.to_pylist() == [1, None, 3]
    assert np.isnan(positions.ra).tolist() == [False, True, False]
    assert np.isnan(positions.dec).tolist() == [False, False, True]


@pytest.mark.parametrize("ids", [["a", "b", "c"], [2**64 - 1, 1, 2]])
def test_ids_that_are_no_int64_pass_through(ids):
    array = pa.array(ids, pa.uint64() if isinstance(ids[0], int) else None)
    assert find_positions(pa.table({"id": array, "ra": RA, "dec": DEC})).ids.to_pylist() == ids


def test_integer_and_decimal_coordinates_are_numbers():
    table = pa.table(
        {"ra": pa.array([10, 20], pa.int32()), "dec": pa.array(["1.5", "-2.25"]).cast(pa.decimal128(8, 3))}
    )
    positions = find_positions(table)
    assert (positions.ra.tolist(), positions.dec.tolist()) == ([10.0, 20.0], [1.5, -2.25])


def test_chunked_columns_are_joined():
    part = pa.table({"id": [7], "ra": RA[:1], "dec": DEC[:1]})
    rest = pa.table({"id": [8, 9], "ra": RA[1:], "dec": DEC[1:]})
    assert_found(find_positions(pa.concat_tables([part, rest])))


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            {"ra": RA},
            {},
            "no column dec or coord_dec; they have ra; name it: --dec-column, in Python dec_column",
        ),
        ({"x": RA}, {}, "no column ra or coord_ra; they have x"),
        ({}, {}, "they have no columns"),
        (
            {"ra": RA, "dec": ["1.5", " -2e1", "05:34:31.9"]},
            {},
            "column 'dec' is string, not a number: '05:34:31.9' in row 3; give coordinates in degrees",
        ),
        ({"ra": RA, "dec": ["1", "2", "3"]}, {}, "column 'dec' is string, not a number; give"),
        ({"ra": RA, "dec": [True, False, True]}, {}, "column 'dec' is bool, not a number; give"),
        ({"ra": RA, "dec": DEC}, {"id_column": "nr"}, "the table has no column 'nr'; it has ra, dec"),
        (
            {"ra": RA, "dec": DEC},
            {"unit": "hours"},
            "column 'ra' has unit 'hours'; coordinates are in deg or rad",
        ),
    ],
)
def test_an_unusable_table_is_refused_in_one_line(table, options, message):
    with pytest.raises(TableError) as error:
        find_positions(pa.table(table), **options)
    assert message in str(error.value)


def test_what_is_not_a_table_is_named():
    with pytest.raises(TableError, match="positions of type list are not a table"):
        find_positions([(1, 2)])


@pytest.mark.parametrize("single", ["ra", "dec"])
def test_single_precision_is_warned_about_once_with_the_column(single):
    columns = {"ra": pa.array(RA), "dec": pa.array(DEC)}
    columns[single] = columns[single].cast(pa.float32())
    with pytest.warns(PrecisionWarning, match=f"column '{single}' is float32: up to 0.1 arcsec") as caught:
        find_positions(pa.table(columns))
    assert len(caught) == 1


def test_no_rows_are_not_warned_about():
    find_positions(pa.table({"ra": pa.array([], pa.float32()), "dec": pa.array([], pa.float32())}))


def test_coordinates_of_other_names_are_found_by_their_ucds():
    fields = [
        ("RA_ICRS", "pos.eq.ra;meta.main"),
        ("e_RA", "stat.error;pos.eq.ra"),
        ("DE_ICRS", "POS.EQ.DEC;meta.main"),
    ]
    schema = pa.schema([pa.field(name, pa.float64(), metadata={"ucd": ucd}) for name, ucd in fields])
    assert_found(find_positions(pa.table([RA, [1.0] * 3, DEC], schema=schema)), ids=(0, 1, 2))


def test_whole_numbers_too_large_for_a_double_are_rounded():
    found = find_positions(pa.table({"ra": [2**53 + 1], "dec": [-(2**63)]}))
    assert (found.ra[0], found.dec[0]) == (2.0**53, -(2.0**63))
