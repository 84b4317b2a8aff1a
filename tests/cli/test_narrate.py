"""Progress bars: on a terminal only, and only for work that takes time."""

import sys
import time
import warnings

import pytest

from forcedsql.cli import narrate
from forcedsql.errors import PrecisionWarning
from tests.cli.conftest import Terminal


def _work(monkeypatch, stream, seconds):
    monkeypatch.setattr(sys, "stderr", stream)
    with narrate.progress("counting sheep", 3) as step:
        for _ in range(3):
            time.sleep(seconds / 3)
            step()
    return stream.getvalue()


def test_a_pipe_gets_no_progress_bar(capsys):
    with narrate.progress("counting sheep", 1) as step:
        step()
    assert capsys.readouterr() == ("", "")


def test_quick_work_gets_no_progress_bar(monkeypatch):
    assert _work(monkeypatch, Terminal(), 0.0) == ""


def test_slow_work_gets_one_on_a_terminal(monkeypatch):
    monkeypatch.setattr(narrate, "PATIENCE", 0.05)
    monkeypatch.setenv("TERM", "xterm")
    assert "counting sheep" in _work(monkeypatch, Terminal(), 0.6)


def test_warnings_of_precision_are_one_line_and_others_are_pythons_own(capsys):
    with narrate.spoken_warnings():
        warnings.warn("few digits", PrecisionWarning, stacklevel=1)
    with pytest.warns(UserWarning, match="something else"), narrate.spoken_warnings():
        warnings.warn("something else", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "forcedsql: warning: few digits\n"
