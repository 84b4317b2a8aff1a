"""The noise that registered exposures state, against that of their sky."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from forcedsql.database.registry import look_up, look_up_layouts
from forcedsql.errors import ForcedSQLError


@dataclass(frozen=True, slots=True)
class ExposureNoise:
    """What was found on one exposure.

    Parameters
    ----------
    exposure_id : str
    ratio : float
        Noise of the sky over the stated one; NaN where there is no sky to find it by.
    error : str
        One line on why it could not be read, "" otherwise.
    """

    exposure_id: str
    ratio: float = float("nan")
    error: str = ""


def iter_noise(con: duckdb.DuckDBPyConnection) -> Iterator[ExposureNoise]:
    """Compare the noise of every registered exposure with its sky's, one after the other.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `forcedsql.connect` gives it.

    Yields
    ------
    ExposureNoise
        In the order of their ids.
    """
    with con.cursor() as cursor:
        ((database,),) = cursor.execute("SELECT current_database()").fetchall()
        ids = [row[0] for row in cursor.execute("SELECT exposure_id FROM exposure ORDER BY ALL").fetchall()]
        for exposure_id in ids:
            yield _noise_of(cursor, database, exposure_id)


def _noise_of(cursor: duckdb.DuckDBPyConnection, database: str, exposure_id: str) -> ExposureNoise:
    from forcedsql.readers import lazy  # noqa: PLC0415 - loads astropy
    from forcedsql.sky_noise import noise_ratio  # noqa: PLC0415 - loads scipy

    registered = look_up(cursor, database, [exposure_id])[exposure_id]
    layout = look_up_layouts(cursor, database, [exposure_id]).get(exposure_id, "")
    try:
        exposure = lazy.open_lazily(registered.path, layout, registered.open_options).exposure
        return ExposureNoise(exposure_id, noise_ratio(exposure))
    except ForcedSQLError as error:
        return ExposureNoise(exposure_id, error=" ".join(str(error).split()))
