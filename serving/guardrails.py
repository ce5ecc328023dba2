"""Guardrails: what keeps a bad policy, a bad request or a bad day from doing harm. Every intervention is counted."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule, price
from bidpilot.serving.calendar import Clock

LOGGER = logging.getLogger("bidpilot.serving")
_QUIET = 1.0  # seconds between two log lines of one cause; all are counted


class Cause(StrEnum):
    """Why a guardrail stepped in."""

    bid_cap = "bid_cap"
    step_limit = "step_limit"
    spend_rate = "spend_rate"
    policy_failed = "policy_failed"
    policy_slow = "policy_slow"
    policy_out_of_range = "policy_out_of_range"
    breaker_open = "breaker_open"
    breaker_closed = "breaker_closed"
    kill_switch = "kill_switch"
    debt = "debt"
    debt_covered = "debt_covered"
    ledger_unavailable = "ledger_unavailable"
    ledger_failed = "ledger_failed"  # the ledger met what no ledger should raise
    caps_full = "caps_full"  # no room for more exposures: campaigns with caps do not bid
    unwatched = "unwatched"
    campaign_failed = "campaign_failed"
    bidder_gone = "bidder_gone"
    report_unread = "report_unread"
    worker_ended = "worker_ended"
    worker_silent = "worker_silent"  # it hung, and was killed
    order = "order"  # an operator's
    order_late = "order_late"  # not durable yet, given up for a later one, or not to be obeyed here
    audit_failed = "audit_failed"  # an action is not in the audit log; it is tried again, and holds all the same
    retention_failed = "retention_failed"  # what is too old could not be removed
    state_failed = "state_failed"  # the state file refuses to be written; it is tried again
    tick_failed = "tick_failed"
    decisions_lost = "decisions_lost"
    clock_back = "clock_back"
    overpriced = "overpriced"
    unbilled = "unbilled"
    unbilled_stop = "unbilled_stop"
    bundle_swapped = "bundle_swapped"
    bundle_refused = "bundle_refused"
    predictor_rests = "predictor_rests"  # one's own fails or is late again and again: the built-in one stands in
    predictor_swapped = "predictor_swapped"
    predictor_refused = "predictor_refused"
    incident = "incident"  # a step of one, `bidpilot.serving.incidents`
    contact_failed = "contact_failed"  # somebody could not be told of an incident
    response_failed = "response_failed"  # a response could not be carried out; it is tried again


class GuardrailConfig(BaseModel):
    """Limits of a campaign's bidding."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bid_cap: float | None = Field(
        None, gt=0, description="Most that is bid for one exposure, currency; bid-cap-factor decides where none."
    )
    bid_cap_factor: float = Field(
        4.0, gt=0, description="Bid cap as a multiple of the plan's largest bid on the forecast's auctions."
    )
    step_limit: float = Field(
        8.0, gt=1, description="Most that a coefficient may rise or fall by from slot to slot, as a factor."
    )
    slot_share: float = Field(
        0.25, gt=0, le=1, description="Most of the day's budget that may be spent or promised in one slot, share."
    )
    patience: float = Field(0.05, gt=0, description="Longest time that the policy may take for a slot, seconds.")
    breaker_errors: int = Field(5, ge=1, description="Failures within breaker-window that stop bidding.")
    breaker_window: float = Field(10.0, gt=0, description="Time over which failures are counted, seconds.")
    breaker_rest: float = Field(30.0, gt=0, description="Time that bidding then rests, seconds.")


class EventLog:
    """Counts every intervention by cause; logs it as one JSON line, at most one a second for each cause."""

    def __init__(self, clock: Clock, campaign: str = "") -> None:
        self.counts: Counter[Cause] = Counter()
        self._clock, self._campaign = clock, campaign
        self._logged: dict[Cause, tuple[float, int]] = {}

    def record(self, cause: Cause, detail: str = "", always: bool = False) -> None:
        """One intervention; `always` logs it however often its cause comes."""
        self.counts[cause] += 1
        now = self._clock()
        last, count = self._logged.get(cause, (-np.inf, 0))
        if now - last < _QUIET and not always:
            return
        self._logged[cause] = (now, self.counts[cause])
        line = {"event": cause.value, "campaign": self._campaign, "new": self.counts[cause] - count, "detail": detail}
        LOGGER.warning(json.dumps(line))


def bid_cap(config: GuardrailConfig, forecast: Forecast, alpha: np.ndarray, conversion_value: float) -> float:
    """Most that is bid for one exposure, currency, at coefficients `alpha` (1, 3) and the campaign's own worth.

    Raises:
        InvalidServing: it is beyond all numbers.
    """
    if config.bid_cap is not None:
        return config.bid_cap
    segments = len(forecast.segments)
    rule = Rule(alpha=alpha, multiplier=np.ones((1, segments)), beta=np.zeros((1, segments)))
    value = forecast.landscape.value / forecast.kpi_unit(conversion_value)
    cap = config.bid_cap_factor * float(price(rule, 0, value, forecast.landscape.segment.astype(np.int64)).max())
    if not math.isfinite(cap):
        raise InvalidServing(
            f"the most that the campaign would bid is {cap}. Give a smaller conversion_value, or --guardrails.bid-cap."
        )
    return cap


def limit_step(before: Rule, after: Rule, limit: float) -> tuple[Rule, bool]:
    """`after` with each coefficient of alpha and beta within a factor `limit` of `before`; and whether it was cut."""
    alpha = _within(before.alpha, after.alpha, limit)
    beta = _within(before.beta, after.beta, limit)
    cut = bool((alpha != after.alpha).any() or (beta != after.beta).any())
    return replace(after, alpha=alpha, beta=beta), cut


def _within(before: np.ndarray, after: np.ndarray, limit: float) -> np.ndarray:
    return np.where(before > 0, np.clip(after, before / limit, before * limit), after)


@dataclass
class CircuitBreaker:
    """Stops bidding for `breaker_rest` seconds after `breaker_errors` failures within `breaker_window`."""

    config: GuardrailConfig
    events: EventLog
    clock: Clock

    def __post_init__(self) -> None:
        self._failures: list[float] = []
        self._until = -np.inf

    @property
    def open(self) -> bool:
        """Whether bidding rests."""
        if self._until == -np.inf:
            return False
        if self.clock() < self._until:
            return True
        self._until = -np.inf
        self.events.record(Cause.breaker_closed, "bidding goes on")
        return False

    def failed(self, detail: str) -> None:
        """Something that should not fail has failed."""
        now = self.clock()
        self._failures = [t for t in self._failures if now - t < self.config.breaker_window] + [now]
        if len(self._failures) >= self.config.breaker_errors:
            self._failures = []
            self._until = now + self.config.breaker_rest
            self.events.record(Cause.breaker_open, detail)
