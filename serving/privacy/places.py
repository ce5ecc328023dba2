"""Where a bid server keeps what, by kind."""

from __future__ import annotations

from pathlib import Path

from bidpilot.serving.privacy import audit
from bidpilot.serving.source_book import FILE as MEMORY

STATE, LEDGER = "state.sqlite", "ledger.sqlite"


def decision_files(folder: Path | None) -> list[Path]:
    """Files of the decision log, those of outcomes among them, encrypted or not."""
    return _of(folder, "decisions-*.parquet") + _of(folder, "outcomes-*.parquet")


def incident_files(state: Path) -> list[Path]:
    """Files of incidents, of all workers."""
    return _of(state / "incidents", "*.json") + _of(state / "incidents", "worker-*/*.json")


def report_files(state: Path) -> list[Path]:
    """Reports that were written into the state folder."""
    return _of(state / "reports", "**/*")


def memory_files(state: Path) -> list[Path]:
    """What is remembered of sources."""
    return _of(state, MEMORY)


def audit_file(state: Path) -> Path:
    """The audit log."""
    return state / audit.FILE


def _of(folder: Path | None, pattern: str) -> list[Path]:
    """Whole files of a folder; what is being written has another ending."""
    if folder is None:
        return []
    return sorted(path for path in folder.glob(pattern) if path.is_file() and path.suffix != ".part")
