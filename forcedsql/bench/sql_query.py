"""The SQL workload: a query on one exposure, beside the direct call in Python."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from forcedsql.bench.catalogue import make_catalogue
from forcedsql.bench.psf_models import PSF_MODELS
from forcedsql.bench.report import Row
from forcedsql.bench.timing import Turns, interleaved, limited_threads
from forcedsql.database import connect, ingest
from forcedsql.measure import measure
from forcedsql.readers import open_exposure
from forcedsql.writer import write_exposure

DIRECT, QUERY = "forcedsql.measure", "SQL"
"""The yardstick, and what is compared with it: both give an Arrow table of every column."""

_ID = "exposure"
_Contestants = Mapping[str, Callable[[], pa.Table]]


def sql_rows(psf: str, *, side: int, count: int, thread_counts: Sequence[int], rounds: int) -> list[Row]:
    """Time the query and the direct call on the same file and positions.

    Parameters
    ----------
    psf : str
        A PSF model that `forcedsql.writer` can put into a file.
    side : int, pixel
        Of the image.
    count : int
        Positions.
    thread_counts : sequence of int
    rounds : int
        Turns of each contestant in each case.
    """
    catalogue = make_catalogue(psf, side=side, positions=count)
    with tempfile.TemporaryDirectory(prefix="forcedsql-bench-") as folder, connect() as con:
        file = Path(folder) / "exposure.fits"
        write_exposure(catalogue.exposure(), file, compress=False)
        ingest(con, file, exposure_id=_ID)
        exposure = open_exposure(file)
        ra, dec = catalogue.sky(exposure, count)

        def query() -> pa.Table:
            return con.sql(f"FROM forced_photometry('{_ID}', positions)").to_arrow_table()

        rows = []
        for order, places in (("random order", np.arange(count)), ("ordered by dec", np.argsort(dec))):
            positions = pa.table({"id": places, "ra": ra[places], "dec": dec[places]})
            con.register("arriving", positions)
            con.execute("CREATE OR REPLACE TABLE positions AS FROM arriving")
            con.unregister("arriving")
            direct = partial(measure, exposure, positions, columns="source")
            contestants: _Contestants = {DIRECT: direct, QUERY: query}
            for threads in thread_counts:
                blank = Row(
                    workload="sql",
                    psf=psf,
                    psf_title=PSF_MODELS[psf].title,
                    count=count,
                    threads=threads,
                    contestant="",
                    work=f"everything, {order}",
                )
                rows += _case(blank, contestants, rounds)
        return rows


def _case(blank: Row, contestants: _Contestants, rounds: int) -> list[Row]:
    with limited_threads(blank.threads):
        tables = {name: run() for name, run in contestants.items()}
        turns = dict.fromkeys(contestants, Turns(blank.count, rounds))
        timings = interleaved({name: partial(_ready, run) for name, run in contestants.items()}, turns)
    fluxes = {name: table["psfFlux"].to_numpy() for name, table in tables.items()}
    largest = float(np.max(np.abs(fluxes[QUERY] - fluxes[DIRECT])))
    agreement = {QUERY: f"PSF flux: largest difference {largest:.1g}"}
    yardstick = timings[DIRECT].us_each
    return [
        replace(blank, contestant=name, agreement=agreement.get(name, "")).filled(timing, yardstick)
        for name, timing in timings.items()
    ]


def _ready(run: Callable[[], pa.Table]) -> Callable[[], pa.Table]:
    return run
