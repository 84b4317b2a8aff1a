"""Ctrl-C in a worker: it ends what is computed, and never a frame half sent."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Turns SIGINT into KeyboardInterrupt where that is wanted, and nowhere else.

    The terminal sends the signal to the shell and to its workers alike.  Python writes a byte
    to the pipe at once, even while the kernel computes, and the extension ends the query; this
    is what makes the worker ready for the next one.

    Parameters
    ----------
    pipe : int
        File descriptor of the pipe to the extension.
    """

    def __init__(self, pipe: int) -> None:
        self._allowed = False
        self._pending = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self._allowed:
            raise KeyboardInterrupt
        self._pending = True

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let Ctrl-C end the body; what came before it does not count."""
        self._pending = False
        self._allowed = True
        try:
            yield
        finally:
            self._allowed = False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Within `allowed`: let Ctrl-C wait until the body is done."""
        self._allowed = False
        try:
            yield
        finally:
            self._allowed = True
        if self._pending:
            raise KeyboardInterrupt
