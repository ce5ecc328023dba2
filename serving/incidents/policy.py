"""What is done about each kind of risk, and how long an operator has: one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bidpilot.bidding.errors import InvalidIncident
from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.serving.incidents.incident import Level, Target

HOUR = 3600.0


class Response(BaseModel):
    """What is done about one kind of risk."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first: Level = Field(Level.throttle, description="the level that its incidents open at; none: told alone")
    last: Level = Field(Level.pause, description="the highest level that a deadline brings by itself")
    share: float = Field(0.5, ge=0, le=1, description="what a source or segment that is hit keeps of its bids")
    ahead: float = Field(
        4.0,
        gt=0,
        description="most that a slot of a campaign that is hit may promise or cost, as a multiple of its plan",
    )
    lifts: bool = Field(False, description="whether a stop ends by itself once its cause is away")


DEFAULTS: Mapping[Risk, Response] = {
    # the controller makes up for less traffic: it may not chase it far beyond the plan
    Risk.platform_shock: Response(),
    Risk.regime_change: Response(first=Level.none, last=Level.none),
    Risk.invalid_traffic: Response(last=Level.stop),
    Risk.budget_overrun: Response(last=Level.stop),
    Risk.target_missed: Response(),
    Risk.tracking_outage: Response(last=Level.stop),
    Risk.miscalibration: Response(first=Level.none, last=Level.none),
    # beyond the limit the reconciliation of wins stops the campaign, and lets it go on: no deadline need
    Risk.exchange_not_billing: Response(lifts=True),
    # the plan takes its place slot by slot already
    Risk.policy_failure: Response(),
    # leases bound what can be spent without the store
    Risk.store_failure: Response(first=Level.none, last=Level.none),
}
"""What a deadline may bring. A band's alarm stops no campaign all the same, unless `certain` says from where on: on
honest days under another market's forecast scores are far beyond any threshold.

A slot's limit is loose since it is blind: what comes first in the slot takes it, and what a slot leaves is not bought
later. `make game-day` holds that the guard costs no value; limits of once or half the plan cost up to half of a day's.
"""


WHOLE: Mapping[Risk, Response] = {
    # what the gate by source refuses is refused already, and a burst of honest viewers is refused like one of bots
    Risk.invalid_traffic: Response(first=Level.none, last=Level.none),
}
"""What is done where the whole campaign is hit, and no source or segment of it is named."""


class ResponsePolicy(BaseModel):
    """The response to each risk, the deadlines, and when an incident is over."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    acts: bool = Field(True, description="False: incidents are told and kept, and nothing is done about them")
    risks: dict[Risk, Response] = Field({}, description="what is done by risk; those left out as built in")
    throttle_hours: float = Field(2.0, gt=0, description="time until an unacknowledged throttle escalates, hours")
    pause_hours: float = Field(6.0, gt=0, description="time until an unacknowledged pause escalates, hours")
    stop_hours: float = Field(12.0, gt=0, description="time until an unacknowledged stop is told further, hours")
    clear_slots: int = Field(3, ge=1, le=48, description="slots without its alarm after which an incident clears")
    reopen_slots: int = Field(16, ge=0, description="slots after its end in which the same alarm reopens an incident")
    certain: float | None = Field(
        None,
        ge=1,
        description="score of an alarm, as a multiple of its threshold, from which a deadline may stop a campaign; "
        "none: bands stop nothing, only what the server's own events tell does",
    )
    review_days: int = Field(60, ge=1, description="days after its end when an incident is to be reviewed")
    factors: dict[str, float] = Field(
        {}, description="by risk/metric: multiple of its threshold that an alarm's score must pass to be heard"
    )

    @field_validator("factors")
    @classmethod
    def _raise(cls, factors: dict[str, float]) -> dict[str, float]:
        low = {name: factor for name, factor in factors.items() if factor < 1}
        if low:
            raise InvalidIncident(
                f"factors below 1 would need alarms that are never told: {low}. Give 1 or more; fit the alert rules "
                "again where they should tell of less."
            )
        return factors

    def response(self, risk: Risk, target: Target) -> Response:
        """What is done about a risk of a target."""
        built_in = WHOLE.get(risk, DEFAULTS[risk]) if target.kind == "campaign" else DEFAULTS[risk]
        return self.risks.get(risk, built_in)

    def patience(self, level: Level) -> float | None:
        """How long an operator has at a level, seconds; None: for ever."""
        hours = {Level.throttle: self.throttle_hours, Level.pause: self.pause_hours, Level.stop: self.stop_hours}
        return None if level is Level.none else hours[level] * HOUR

    def hears(self, alarm: Alarm) -> bool:
        """Whether an alarm is listened to: its score passes what reviews have taught."""
        return alarm.score > alarm.threshold * self.factors.get(f"{alarm.risk}/{alarm.metric}", 0.0)


def read_policy(path: Path | None) -> ResponsePolicy:
    """The policy of a JSON or YAML file; the one built in where there is none.

    Raises:
        InvalidIncident: it cannot be read.
    """
    if path is None:
        return ResponsePolicy()
    try:
        return ResponsePolicy.model_validate(read_mapping(path))
    except (ValidationError, ValueError) as error:
        why = " ".join(str(error).split())[:400]
        raise InvalidIncident(
            f'{path} is no response policy ({why}). Write {{"throttle_hours": 2, "risks": {{"tracking_outage": '
            '{"first": 1}}}, or leave it out.'
        ) from error


def read_mapping(path: Path) -> object:
    """What a JSON or YAML file holds.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if path.suffix not in (".yaml", ".yml"):
        return json.loads(text)
    import yaml  # where somebody writes YAML alone

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML: {error}") from error
