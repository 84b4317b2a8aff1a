import runpy

import pytest


def test_the_package_runs_as_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["forcedsql", "--version"])
    with pytest.raises(SystemExit) as ending:
        runpy.run_module("forcedsql", run_name="__main__")
    assert ending.value.code == 0
    assert capsys.readouterr().out.strip()


def test_importing_the_module_runs_nothing():
    assert "run" in runpy.run_module("forcedsql.__main__", run_name="forcedsql.__main__")
