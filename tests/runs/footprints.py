"""Registered exposures that are footprints and nothing else."""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from forcedsql.database.footprint import Footprint, footprint_of
from forcedsql.exposure import Exposure
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.simulate import tangent_wcs

SIDE = 4000
"""Pixels of 0.2 arcsec along an edge, as an LSST detector has."""


def square_footprints(count: int, *, centre: tuple[float, float], spread: float) -> list[Footprint]:
    """Return footprints of detectors, turned at random, within `spread` degrees of a place."""
    rng = np.random.default_rng(1)
    around = tangent_wcs(centre, (0.0, 0.0))
    reach = spread * 3600.0 / 0.2
    ra, dec = around.pixel_to_sky(rng.uniform(-reach, reach, count), rng.uniform(-reach, reach, count))
    return [
        _footprint((a, d), angle) for a, d, angle in zip(ra, dec, rng.uniform(0, 360, count), strict=True)
    ]


def _footprint(sky: tuple[float, float], rotation: float) -> Footprint:
    pixels = np.broadcast_to(np.float32(0.0), (SIDE, SIDE))
    middle = ((SIDE - 1) / 2, (SIDE - 1) / 2)
    exposure = Exposure(
        image=pixels,
        mask=np.broadcast_to(np.int32(0), (SIDE, SIDE)),
        variance=pixels,
        mask_planes={},
        wcs=tangent_wcs(sky, middle, rotation=rotation),
        psf=SingleGaussianPsf(25, 25, 2.0),
        unit="nJy",
    )
    footprint = footprint_of(exposure)
    assert footprint is not None
    return footprint


def register(
    con: duckdb.DuckDBPyConnection,
    footprints: Sequence[Footprint | None],
    mjd: Sequence[float | None] | None = None,
) -> None:
    """Register exposures e0, e1, ... of these footprints and times.

    A footprint None is of one without a sky projection, a time None of one that does not say it.
    """
    ids = [f"e{i}" for i in range(len(footprints))]
    edges = [None if f is None else f.edges.ravel().tolist() for f in footprints]
    cells = [[] if f is None else f.healpix_cells().tolist() for f in footprints]
    made = pa.table(
        {
            "exposure_id": ids,
            "footprint": pa.array(edges, pa.list_(pa.float64())),
            "cells": cells,
            "mjd": pa.array([None] * len(ids) if mjd is None else mjd, pa.float64()),
        }
    )
    con.register("made", made)
    con.execute(
        "INSERT INTO exposure BY NAME SELECT exposure_id, 'image' AS kind, 0 AS width, 0 AS height, 0 AS x0, "
        "0 AS y0, footprint, mjd, '' AS access_url, 0 AS file_size, 0 AS file_mtime_ns, "
        "exposure_id AS sha256 FROM made"
    )
    con.execute("INSERT INTO exposure_coverage SELECT exposure_id, unnest(cells) FROM made")
    con.unregister("made")
