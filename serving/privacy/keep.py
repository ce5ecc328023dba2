"""How long each kind of what a bid server keeps is kept."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

AUDIT_DAYS = 730
"""Days that the audit log is kept where all else ages and nothing is said of it."""


class Kind(StrEnum):
    """What ages by a limit of its own."""

    decisions = "decisions"
    incidents = "incidents"
    reports = "reports"
    memory = "memory"
    state = "state"
    audit = "audit"


def _days(what: str, otherwise: str = "keep-days where none") -> int | None:
    found: int | None = Field(None, ge=1, le=36_500, description=f"Days that {what} are kept; {otherwise}.")
    return found


class Keep(BaseModel):
    """How long each kind is kept, where not as long as all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decisions: int | None = _days("files of the decision log")
    incidents: int | None = _days("files of incidents that are closed")
    reports: int | None = _days("reports")
    memory: int | None = _days("what is remembered of sources, and not written again,")
    state: int | None = _days("slots and results of days gone by")
    audit: int | None = _days("lines of the audit log", f"{AUDIT_DAYS}, or keep-days where more, where none")


def limits(keep_days: int | None, keep: Keep) -> dict[Kind, int]:
    """Days by kind; what is not in it does not age."""
    found: dict[Kind, int] = {}
    for kind in Kind:
        own: int | None = getattr(keep, kind.value)
        usual = keep_days
        if kind is Kind.audit and keep_days is not None:
            usual = max(keep_days, AUDIT_DAYS)
        days = usual if own is None else own
        if days is not None:
            found[kind] = days
    return found
