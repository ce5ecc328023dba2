"""Training runs."""

from bidpilot.training.train.run import run

__all__ = ["run"]
