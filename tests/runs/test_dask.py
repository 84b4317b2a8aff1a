"""A run on a real Dask cluster of two worker processes, one of which is killed."""

import os
import signal
import time

import pytest

from forcedsql.errors import ForcedSQLError
from forcedsql.runs import run
from forcedsql.runs.pools import open_pool
from tests.runs.conftest import EXPOSURES, content_hash, table_rows

distributed = pytest.importorskip(
    "distributed", reason="dask.distributed, an optional extra, is not installed"
)

pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask, about its own workings


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield cluster.scheduler_address.removeprefix("tcp://"), client


class KillsOneWorker:
    """Kills a worker process when the first exposure is done."""

    def __init__(self, pid):
        self.pid = pid

    def planned(self, exposures, rows):
        pass

    def finished(self, exposure_id, rows, error):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.pid = None


def test_a_cluster_gives_the_rows_of_threads_even_if_a_worker_dies(con, cluster):
    address, client = cluster
    watcher = KillsOneWorker(next(iter(client.run(os.getpid).values())))
    report = run(con, "object", into="by_dask", executor=f"dask://{address}", watcher=watcher)
    assert watcher.pid is None
    assert (report.measured, report.failed) == (EXPOSURES, {})
    run(con, "object", executor="thread")
    assert content_hash(table_rows(con, "by_dask")) == content_hash(table_rows(con))
    workers = con.execute("SELECT DISTINCT worker FROM measurement_task WHERE destination = 'table:by_dask'")
    assert f":{os.getpid()}" not in str(workers.fetchall())


def test_an_interrupted_run_takes_its_tasks_off_the_cluster(con, tmp_path, cluster):
    address, client = cluster

    class Impatient(KillsOneWorker):
        def finished(self, exposure_id, rows, error):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(con, "object", out=tmp_path / "out", executor=f"dask://{address}", watcher=Impatient(None))
    for _ in range(100):
        if not any(client.processing().values()):
            break
        time.sleep(0.05)
    assert not any(client.processing().values())
    assert con.execute("SELECT status FROM measurement_run").fetchall() == [("interrupted",)]


def test_a_cluster_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr("forcedsql.runs.pools.PATIENCE", "0.2s")
    with pytest.raises(ForcedSQLError, match=r"^no Dask scheduler answers at tcp://127.0.0.1:9: [^\n]*$"):
        open_pool("dask://127.0.0.1:9", None)


def test_a_cluster_without_workers_is_one_line():
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty,
        pytest.raises(ForcedSQLError, match=r"^the Dask cluster at \S+ has no workers$"),
    ):
        open_pool(f"dask://{empty.scheduler_address}", None)
