"""``python -m forcedsql`` is the ``forcedsql`` command."""

from forcedsql.cli.main import run

if __name__ == "__main__":
    run()
