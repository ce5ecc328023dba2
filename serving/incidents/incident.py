"""One incident: what was noticed, what was done about it and by whom, and what came of it. Its JSON is its file."""

from __future__ import annotations

from datetime import date
from enum import IntEnum, StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bidpilot.bidding.watch.alarm import Risk

SCHEMA_VERSION = 1


class Level(IntEnum):
    """The response levels."""

    none = 0  # watched alone, or cleared
    throttle = 1
    pause = 2  # what is hit is paused, and the plan takes the policy's place
    stop = 3


class Role(StrEnum):
    """Who is told, from the first to the last."""

    watcher = "watcher"
    lead = "lead"
    director = "director"


class Action(StrEnum):
    """What a step of an incident did."""

    opened = "opened"
    reopened = "reopened"  # the same alarm again, soon after it had cleared
    throttled = "throttled"
    paused = "paused"
    fell_back = "fell_back"  # to the plan
    stopped = "stopped"
    escalated = "escalated"
    told = "told"  # a contact
    acknowledged = "acknowledged"
    extended = "extended"
    undone = "undone"
    cleared = "cleared"  # the alarm is over
    closed = "closed"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(_Entry):
    """What is hit."""

    kind: Literal["campaign", "segment", "source", "bidder"] = Field(description="of what kind")
    index: int | None = Field(None, description="number of the segment or source; none: the whole of it")


class Step(_Entry):
    """One event of an incident."""

    at: float = Field(description="time, seconds since 1970")
    action: Action = Field(description="what was done")
    level: Level = Field(description="the response level from here on")
    by: str = Field("server", description="who did it: the server, a deadline, or the name of a token")
    cause: str = Field("", description="why, in words")
    evidence: dict[str, Any] = Field({}, description="numbers that the step rests on")
    undo: dict[str, Any] | None = Field(None, description="what takes it back; none where nothing can or need be")


class Incident(_Entry):
    """One case of the library."""

    schema_version: int = Field(SCHEMA_VERSION, description="layout of the file")
    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,96}$", description="its name, also of its file")
    risk: Risk = Field(description="what went wrong")
    campaign: str = Field(description="whose; empty where it is the bidder's")
    target: Target = Field(description="what is hit")
    day: date = Field(description="of the campaign")
    slot: int = Field(ge=0, description="that it was noticed at the end of")
    slot_seconds: float = Field(1800.0, gt=0, description="length of a slot, seconds")
    bundle: str = Field("", description="digest of the bundle that decided")
    level: Level = Field(description="the response level now")
    role: Role = Field(Role.watcher, description="whose it is now")
    deadline: float | None = Field(None, description="when it escalates by itself, seconds since 1970; none: never")
    acknowledged: bool = Field(False, description="whether somebody has taken it on at this level")
    open: bool = Field(True, description="whether it is still going on")
    seen: float = Field(0.0, description="when its alarm was last heard, seconds since 1970")
    ended: float | None = Field(None, description="when it cleared or was closed, seconds since 1970; none: open")
    held: Level = Field(Level.none, description="the level that it had when it ended, taken up again where it reopens")
    reopened: int = Field(0, ge=0, description="how often it has reopened: it then clears more slowly")
    undone: bool = Field(False, description="whether an operator took the response back: alarms do not bring it again")
    alarms: tuple[dict[str, Any], ...] = Field((), description="the alarms, fields of `Alarm`")
    slots: tuple[dict[str, Any], ...] = Field((), description="totals of the slots around it, by name")
    explanation: str = Field("", description="what happened, in words")
    steps: tuple[Step, ...] = Field((), description="all that was done, in order")
    outcome: str = Field("", description="what a person found when it was reviewed")
    review_due: date | None = Field(None, description="when it is to be looked at again")
