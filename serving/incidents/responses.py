"""How a bidder responds to incidents: what it is made with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bidpilot.serving.incidents.files import FOLDER
from bidpilot.serving.incidents.policy import ResponsePolicy
from bidpilot.serving.incidents.teller import Teller


@dataclass(frozen=True)
class Responses:
    """How a bidder responds to incidents."""

    policy: ResponsePolicy = field(default_factory=ResponsePolicy)
    folder: Path | None = None  # of the files; None: they are kept in memory alone
    contacts: Teller | None = None  # tells people
    follows: Path | None = None  # folder of another worker, whose responses hold here as well


def folder_of(state: Path, index: int = 0) -> Path:
    """Where a bidder keeps its incidents; `index` of the worker."""
    folder = state / FOLDER
    return folder if index == 0 else folder / f"worker-{index}"


def plain(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence as JSON keeps it: what is no number is left out."""
    return {
        name: value for name, value in evidence.items() if not (isinstance(value, float) and not math.isfinite(value))
    }
