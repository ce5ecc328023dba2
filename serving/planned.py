"""Budgets that are planned for days to come: each holds from a midnight on, in place of the campaign's own."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.flight import Date
from bidpilot.serving.ledger.store import MICRO, MOST

if TYPE_CHECKING:
    from bidpilot.serving.served import ServedCampaign

_MOST = 400  # days that are planned


class PlannedBudget(BaseModel):
    """A budget per day, and the first day that has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Date = Field(description="first day, YYYY-MM-DD")
    budget: float = Field(description="most that may be spent each day, currency; 0: it does not bid")

    @field_validator("budget")
    @classmethod
    def _amount(cls, value: float) -> float:
        if not 0 <= value * MICRO <= MOST:  # nor is NaN
            raise InvalidServing(
                f"a budget of {value:g} cannot be planned. Give one up to {MOST / MICRO:.0f}, or 0 for a day without "
                "bids."
            )
        return value


class Planned(BaseModel):
    """Budgets by the day from which they hold, on top of the campaign's own.

    They hold while that is what they stand in place of: whoever sets it anew has the last word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    instead_of: float = Field(description="the campaign's own budget when they were planned, currency")
    days: tuple[PlannedBudget, ...] = Field(max_length=_MOST, description="what holds since when, in order of days")

    def on(self, day: date, budget: float) -> float:
        """What a campaign whose own budget is `budget` may spend on a day, currency."""
        if budget != self.instead_of:
            return budget
        return next((planned.budget for planned in reversed(self.days) if planned.since <= day), budget)

    @classmethod
    def of(cls, before: Planned | None, budget: float, new: PlannedBudget, today: date) -> Planned:
        """What is planned when `new` comes to what was; of days gone by only the last is kept.

        `budget` is the campaign's own. What was planned for the day of `new` or later is dropped.

        Raises:
            InvalidServing: `new` is of a day that has begun.
        """
        if new.since <= today:
            raise InvalidServing(
                f"{new.since} has begun (it is {today}): a budget is planned for a later day. Give one, or no `from` "
                "to change the budget at once."
            )
        kept = () if before is None or before.instead_of != budget else before.days
        old = [planned for planned in kept if planned.since <= today][-1:]
        coming = [planned for planned in kept if today < planned.since < new.since]
        return cls(instead_of=budget, days=(*old, *coming, new))


class _Order(msgspec.Struct):
    """The body of POST /admin/campaigns/NAME/budget."""

    budget: float
    since: str | None = msgspec.field(default=None, name="from")


def budget_order(served: ServedCampaign, body: bytes, today: date, share: float = 1.0) -> dict[str, Any]:
    """The settings that change by `{"budget": AMOUNT}`, at once, or with `"from": DATE` from that day on.

    `share`: of the amount that is this campaign's.

    Raises:
        InvalidServing, InvalidFlight: the amount or the day is none that can be.
        msgspec.MsgspecError: the body is none.
    """
    order = msgspec.json.decode(body, type=_Order)
    if order.since is None:
        return {"campaign": {"budget": order.budget * share}}
    new = PlannedBudget.model_validate({"since": order.since, "budget": order.budget * share})
    return {"planned": Planned.of(served.planned, served.campaign.budget, new, today).model_dump(mode="json")}
