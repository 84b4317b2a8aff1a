"""Announced positions: measured in batches, handed out as DuckDB asks for them."""

import threading

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database import ingest, measuring, read_ahead
from forcedsql.database.cache import ExposureKey
from forcedsql.database.read_ahead import MOST_ANNOUNCEMENTS, Announcement, Announcements
from forcedsql.measure.driver import measure_positions

from .conftest import Sky, make_exposure

A, B = (ExposureKey(name, f"/{name}.fits", 1, "00") for name in "ab")
RA, DEC = np.random.default_rng(8).uniform(0, 90, (2, 10_000))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(read_ahead, "BATCH", 4000)
    monkeypatch.setattr(read_ahead, "FEWEST", 500)
    monkeypatch.setattr(read_ahead, "thread_limit", lambda: 2)


def results_at(ra, dec) -> pa.StructArray:
    return pa.StructArray.from_arrays([pa.array(ra - dec), pa.array(dec > 45)], ["flux", "flag"])


class Core:
    """Stands for the measuring core: what it gives depends on the position only."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, ra, dec):
        self.calls.append(len(ra))
        return results_at(ra, dec)


@pytest.fixture
def core() -> Core:
    return Core()


def assert_measured(results, rows):
    assert results.equals(results_at(RA[rows], DEC[rows]))


def fetch(announcement, core, start, end, key=A):
    return announcement.measured(key, RA[start:end], DEC[start:end], core)


@pytest.mark.parametrize("chunk", [1000, 700, 4500, 10_000])
def test_chunks_in_order_are_taken_from_batches(core, chunk):
    announcement = Announcement(RA, DEC)
    for start in range(0, len(RA), chunk):
        assert_measured(fetch(announcement, core, start, start + chunk), slice(start, start + chunk))
    assert core.calls == [4000, 4000, 2000]


def test_chunks_of_several_threads_come_in_any_order(core):
    announcement = Announcement(RA, DEC)
    for start in (5000, 0, 6000, 1000, 7000, 4000, 2000, 3000, 9000, 8000):
        assert_measured(fetch(announcement, core, start, start + 1000), slice(start, start + 1000))
    assert core.calls == [4000, 4000, 2000]


def test_each_exposure_has_its_batches(core):
    announcement = Announcement(RA, DEC)
    assert_measured(fetch(announcement, core, 0, 1000), slice(1000))
    assert_measured(fetch(announcement, core, 0, 1000, key=B), slice(1000))
    assert core.calls == [4000, 4000]


def test_few_positions_begin_no_batch_and_are_found_in_one(core):
    announcement = Announcement(RA, DEC)
    assert fetch(announcement, core, 0, 100) is None
    assert core.calls == []
    fetch(announcement, core, 100, 1000)
    assert_measured(fetch(announcement, core, 1000, 1010), slice(1000, 1010))
    assert core.calls == [4000]


def test_positions_that_are_not_a_run_of_the_announced_ones_begin_no_batch(core):
    announcement = Announcement(RA, DEC)
    for ra, dec in (
        (RA[::2], DEC[::2]),
        (RA[::-1], DEC[::-1]),
        (RA + 1e-13, DEC),
        (RA, np.roll(DEC, 1)),
        (np.append(RA, 1.0), np.append(DEC, 1.0)),
        (RA[:0], DEC[:0]),
    ):
        assert announcement.measured(A, ra, dec, core) is None
    assert core.calls == []


def test_positions_without_coordinates_and_repeated_ones_are_found(core):
    ra, dec = RA.copy(), DEC.copy()
    ra[:2000], dec[500:1000] = np.nan, np.nan
    ra[3000:6000], dec[3000:6000] = 1.0, 2.0
    announcement = Announcement(ra, dec)
    for start in range(0, len(ra), 1000):
        results = announcement.measured(A, ra[start : start + 1000], dec[start : start + 1000], core)
        np.testing.assert_array_equal(results.field("flux").to_numpy(), (ra - dec)[start : start + 1000])
    assert sum(core.calls) == 10_000


def test_threads_share_the_measurement_of_a_batch():
    announcement, calls, results = Announcement(RA, DEC), [], {}
    start = threading.Barrier(4)

    def slowly(ra, dec):
        calls.append(len(ra))
        threading.Event().wait(0.05)
        return results_at(ra, dec)

    def ask(first):
        start.wait()
        results[first] = fetch(announcement, slowly, first, first + 1000)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(0, 4000, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [4000]
    for first, found in results.items():
        assert_measured(found, slice(first, first + 1000))


def test_an_error_is_raised_and_its_batch_not_tried_again(core):
    announcement = Announcement(RA, DEC)

    def fail(ra, dec):
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="gone"):
        fetch(announcement, fail, 0, 1000)
    assert fetch(announcement, core, 0, 1000) is None
    assert_measured(fetch(announcement, core, 4000, 5000), slice(4000, 5000))


def test_a_batch_that_was_fetched_is_let_go_and_not_measured_again(core):
    announcement = Announcement(RA, DEC)
    for start in range(0, 4000, 1000):
        fetch(announcement, core, start, start + 1000)
    assert not announcement._batches
    assert fetch(announcement, core, 0, 1000) is None
    assert core.calls == [4000]


def test_no_more_than_two_batches_for_each_thread_are_held(core):
    ra, dec = np.random.default_rng(9).uniform(0, 90, (2, 40_000))
    announcement = Announcement(ra, dec)
    for start in range(0, 40_000, 4000):
        announcement.measured(A, ra[start : start + 1000], dec[start : start + 1000], core)
        assert len(announcement._batches) <= 4
    assert core.calls == [4000] * 10
    # The first ones made room for others: what they held is measured as it comes.
    assert announcement.measured(A, ra[1000:2000], dec[1000:2000], core) is None


def test_only_the_last_announcements_are_known():
    announcements = Announcements()
    numbers = [announcements.add(RA, DEC) for _ in range(MOST_ANNOUNCEMENTS + 1)]
    assert len(set(numbers)) == len(numbers)
    assert announcements.get(numbers[0]) is None
    assert all(announcements.get(number) is not None for number in numbers[1:])
    assert announcements.get(None) is None


class TestInSql:
    @pytest.fixture
    def survey(self, con, exposure_file, calls):
        ingest(con, exposure_file("a.fits"))
        ingest(con, exposure_file("b.fits", make_exposure(Sky(53.101), seed=2)))
        self.put(con, 9000)
        return con

    @staticmethod
    def put(con, count, **columns):
        ra, dec = 53.1 + np.random.default_rng(4).uniform(-0.003, 0.003, (2, count))
        con.register("arriving", pa.table({"id": np.arange(count), "ra": ra, "dec": dec - 81.2, **columns}))
        con.execute("CREATE OR REPLACE TABLE points AS FROM arriving")
        con.unregister("arriving")

    @pytest.mark.parametrize("macro", ["forced_photometry", "forced_measurement"])
    def test_a_table_is_measured_in_batches_and_keeps_its_order(self, survey, calls, macro):
        survey.execute("SET threads = 1")
        got = survey.sql(f"FROM {macro}('a', points)").to_arrow_table()
        assert calls == [4000, 4000, 1000]
        name = "id" if macro == "forced_photometry" else "objectId"
        np.testing.assert_array_equal(got[name].to_numpy(), np.arange(9000))

    def test_the_results_are_those_of_single_rows(self, survey):
        query = 'SELECT p.id, p.ra, p."dec", unnest(forced_phot(\'a\', p.ra, p."dec")) FROM points p'
        got = survey.sql("FROM forced_photometry('a', points)").to_arrow_table()
        want = survey.sql(query).to_arrow_table()
        assert got.schema == want.schema
        for name in want.column_names:
            np.testing.assert_array_equal(got[name].to_numpy(), want[name].to_numpy(), err_msg=name)

    @pytest.mark.parametrize("threads", [1, 4])
    def test_order_and_number_of_rows_whatever_the_threads(self, survey, monkeypatch, threads):
        # Four row groups: DuckDB gives them to different threads, also where they are announced.
        count = 400_000
        monkeypatch.setattr(read_ahead, "BATCH", 61_440)
        one = measure_positions(make_exposure(), np.array([53.1]), np.array([-28.1]), MeasurementConfig())
        measured: list[int] = []

        def quickly(exposure, ra, dec, config):
            measured.append(len(ra))
            return {name: np.repeat(value, len(ra)) for name, value in one.items()} | {"x": ra}

        monkeypatch.setattr(measuring, "measure_positions", quickly)
        self.put(survey, count)
        survey.execute(f"SET threads = {threads}")
        got = survey.sql("SELECT id, ra, x FROM forced_photometry('a', points)").to_arrow_table()
        np.testing.assert_array_equal(got["id"].to_numpy(), np.arange(count))
        np.testing.assert_array_equal(got["x"].to_numpy(), got["ra"].to_numpy())
        assert sum(measured) == count
        assert len(measured) == 7

    def test_every_exposure_is_measured_in_batches(self, survey, calls):
        rows = survey.execute(
            "SELECT e.exposure_id, count(m.psfFlux) "
            "FROM exposure e, LATERAL (FROM forced_photometry(e.exposure_id, points)) m GROUP BY 1 ORDER BY 1"
        ).fetchall()
        assert rows == [("a", 9000), ("b", 9000)]
        assert sum(calls) == 18_000
        assert len(calls) == 6

    def test_a_prepared_query_announces_each_time(self, survey, calls):
        for _ in range(2 * MOST_ANNOUNCEMENTS):
            survey.execute("SELECT sum(psfFlux) FROM forced_photometry($e, points)", {"e": "a"}).fetchall()
        assert calls == [4000, 4000, 1000] * 2 * MOST_ANNOUNCEMENTS

    def test_positions_that_move_are_measured_as_they_come(self, con, exposure_file, calls):
        ingest(con, exposure_file("a.fits", make_exposure(mjd=60676.3)))
        epoch = np.full(9000, 2016.0)
        self.put(con, 9000, pm_ra=np.full(9000, 50.0), pm_dec=np.zeros(9000), ref_epoch=epoch)
        got = con.sql("SELECT id FROM forced_photometry('a', points)  WHERE psfFlux > -1e9").to_arrow_table()
        assert got.num_rows == 9000
        assert max(calls) <= 2048

    def test_what_follows_on_a_million_rows_is_measured_as_it_comes(self, survey, monkeypatch, calls):
        text = "LIMIT 1048576"
        definition = survey.execute(
            "SELECT macro_definition FROM duckdb_functions() WHERE function_name = 'announced_positions'"
        ).fetchone()[0]
        assert text in definition
        survey.execute(
            'CREATE OR REPLACE MACRO announced_positions(positions, id := NULL, ra := NULL, "dec" := NULL) '
            "AS TABLE " + definition.replace(text, "LIMIT 4096")
        )
        got = survey.sql("SELECT id, psfFlux FROM forced_photometry('a', points)").to_arrow_table()
        np.testing.assert_array_equal(got["id"].to_numpy(), np.arange(9000))
        assert sum(calls) == 9000
        assert max(calls) == 4000

    def test_announced_by_hand_lists_must_be_equally_long(self, con):
        assert con.execute("SELECT announce_positions([2, 1], [5.0, 6.0], [7.0, 8.0])").fetchone() == (1,)
        with pytest.raises(duckdb.InvalidInputException, match=r"1 places, 2 values of ra and 1 of dec; the"):
            con.execute("SELECT announce_positions([1], [5.0, 6.0], [7.0])").fetchall()

    @pytest.mark.parametrize("number", ["NULL", "99"])
    @pytest.mark.parametrize("kind", ["", "_lsst"])
    def test_without_an_announcement_positions_are_measured_as_they_come(self, survey, number, kind):
        at = "'a', 53.1, -28.1"
        rows = survey.execute(
            f"SELECT forced_phot{kind}_announced({at}, {number}), forced_phot{kind}({at})"
        ).fetchall()
        assert repr(rows[0][0]) == repr(rows[0][1])

    def test_a_missing_exposure_is_an_error_and_a_null_gives_nulls(self, survey):
        with pytest.raises(duckdb.InvalidInputException, match="no exposure 'c' is registered"):
            survey.execute("FROM forced_photometry('c', points)").fetchall()
        rows = survey.execute(
            "SELECT count(*), count(psfFlux) FROM forced_photometry(NULL, points)"
        ).fetchall()
        assert rows == [(9000, 0)]
