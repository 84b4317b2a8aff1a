"""What a worker knows of exposures: what the extension answers it."""

from collections.abc import Callable, Mapping, Sequence

from forcedsql.config import MeasurementConfig
from forcedsql.database.session import Session
from forcedsql.exposure_file import RegisteredExposure
from forcedsql.extension.questions import Answer, Question


class RemoteSession(Session):
    """A session without a connection: each look-up is a question to the extension.

    Parameters
    ----------
    shown : str
        Name of the database in messages.
    config : MeasurementConfig
    cache_bytes : int, byte
        Budget of the opened exposures.
    ask : callable
        Gets the answer to a question.
    """

    def __init__(
        self,
        *,
        shown: str,
        config: MeasurementConfig,
        cache_bytes: int,
        ask: Callable[[Question], Answer],
    ) -> None:
        super().__init__(shown=shown, database="", config=config, cache_bytes=cache_bytes)
        self._question = ask

    def look_up(self, exposure_ids: Sequence[str]) -> Mapping[str, RegisteredExposure]:
        """Return what is registered; unknown ids are left out."""
        return self._question(Question(tuple(exposure_ids))).rows

    def look_up_layouts(self, exposure_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the layouts of exposures' files, of those that have one."""
        return self._question(Question(tuple(exposure_ids), with_layouts=True)).layouts
