"""The command line. `main` is the whole program; `python -m bidpilot` calls the same function."""

from bidpilot.training.cli.program import main

__all__ = ["main"]
