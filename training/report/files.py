"""Results as files where a user asks for them: whole, in folders that are made."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure


def write_json(path: Path | None, data: object) -> None:
    """Write `data` as JSON, which knows no NaN; nothing where no path is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_figure(path: Path | None, figure: Figure) -> None:
    """Draw a figure to a file; nothing where no path is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
