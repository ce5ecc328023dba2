"""How runs are referred to; light enough for `--help`."""

from __future__ import annotations

from typing import Final

TRAININGS: Final = ("train", "ablate")
"""Kinds of runs that are trainings."""
LATEST: Final = "latest"
"""Refers to the training that finished last, of those that fit where it is to be played."""
