"""What a watched day tells of: the kinds of risk, and an alarm with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Risk(StrEnum):
    """What can go wrong with a campaign that is live."""

    platform_shock = "platform_shock"  # requests, prices or values leave the forecast from one slot on
    regime_change = "regime_change"  # the whole day is of another law: re-fit the forecast
    invalid_traffic = "invalid_traffic"
    budget_overrun = "budget_overrun"  # spend ahead of the plan, debt, or bills above what was bid
    target_missed = "target_missed"  # a target cost, an ROI, a share or a floor
    tracking_outage = "tracking_outage"  # interactions or conversions are told of no more
    miscalibration = "miscalibration"  # realised KPIs are not what was predicted
    exchange_not_billing = "exchange_not_billing"
    policy_failure = "policy_failure"
    store_failure = "store_failure"  # ledger, state file or decision log


@dataclass(frozen=True)
class Alarm:
    """One metric that has left its band, as told at the end of a slot.

    `observed`, `expected`, `low` and `high` are of the window, in the metric's own unit.
    """

    risk: Risk
    metric: str  # whose band was left, as `bidpilot.bidding.watch` names it
    slot: int  # the last of the window
    window: int  # slots
    observed: float
    expected: float
    low: float  # the band
    high: float
    score: float  # standard deviations from what was expected
    threshold: float  # of the score, above which an alarm is told
    explanation: str = ""  # one sentence in words

    @property
    def first(self) -> int:
        """The slot that the window begins with."""
        return self.slot - self.window + 1
