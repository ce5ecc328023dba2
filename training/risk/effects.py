"""The effects whose cost is measured: each a change of `daily`, on every day, and how likely a suite makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.envs.markets.presets import DAILY, INVALID, PERSISTENT, SHIFT, SPARSE
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.catalogue import SUITES, SuiteRecord

BASE: Final = SUITES["daily"]
"""What effects are measured on: their days are those of this suite, with the effect and without it."""
TARGETS: Final = SUITES["cpa"]
"""What says how often a target is missed, and by how much."""
_LAW = ("price_level", "price_log_std", "conversion_log_std", "demand_curve", "block_price_std")
_FAR_OFF = 0.3  # log-std of a day's conversion calibration, from which on predictions count as miscalibrated


@dataclass(frozen=True)
class Effect:
    """One form of a risk that can be played."""

    risk: Risk
    name: str  # in words
    record: SuiteRecord  # the days of `BASE` with the effect on each
    chance: Callable[[SuiteRecord], float]  # probability of a day that has it, in a suite
    agent: str = MPC.name  # who plays the days that have it


def _market(**changes: object) -> SuiteRecord:
    """The base's days with other parameters of their market."""
    return replace(BASE, market=SyntheticConfig(**DAILY.model_dump() | changes))


def _late() -> SuiteRecord:
    """The base's days, told of as late as in the suite `delayed`."""
    (campaign,), (late,) = BASE.campaigns, SUITES["delayed"].campaigns
    return replace(BASE, campaigns=(Campaign.model_validate(campaign.model_dump() | {"delays": late.delays}),))


def _burst(record: SuiteRecord) -> float:
    """Of a burst that is no whole day."""
    return record.market.invalid_burst_probability * (record.market.invalid_burst_slots < record.market.slots)


def _bad_sources(record: SuiteRecord) -> float:
    whole = record.market.invalid_burst_slots == record.market.slots
    always = record.market.invalid_burst_probability if whole else 0.0
    return max(always, float(record.market.bad_source_share > 0))


def _told_late(record: SuiteRecord) -> float:
    late = [any(campaign.delays.model_dump().values()) for campaign in record.campaigns]
    return sum(late) / len(late)


def _other_law(record: SuiteRecord) -> float:
    differs = any(getattr(record.market, name) != getattr(record.forecast, name) for name in _LAW)
    return float(differs or record.around is not None)


EFFECTS: Final = (
    Effect(
        Risk.platform_shock,
        "traffic falls by 30 to 50 % from a slot on",
        _market(platform_shock_probability=1.0),
        lambda record: record.market.platform_shock_probability,
    ),
    Effect(
        Risk.platform_shock,
        "competitors raise prices for 8 slots",
        _market(surge_probability=1.0),
        lambda record: record.market.surge_probability,
    ),
    Effect(Risk.regime_change, "another law all day, as in shift", replace(BASE, market=SHIFT), _other_law),
    Effect(
        Risk.invalid_traffic,
        "a burst of 8 slots, half of traffic",
        _market(
            invalid_burst_probability=1.0,
            invalid_burst_share=INVALID.invalid_burst_share,
            invalid_burst_slots=INVALID.invalid_burst_slots,
        ),
        _burst,
    ),
    Effect(
        Risk.invalid_traffic,
        "a fifth of traffic from bad sources, all day",
        _market(bad_source_share=PERSISTENT.bad_source_share),
        _bad_sources,
    ),
    Effect(
        Risk.tracking_outage,
        "nothing is told of wins for 4 slots",
        _market(outage_probability=1.0),
        lambda record: record.market.outage_probability,
    ),
    Effect(Risk.tracking_outage, "reports come 2, 6 and 12 slots late", _late(), _told_late),
    Effect(
        Risk.miscalibration,
        "conversion predictions off by a factor of the day",
        _market(calibration_std=SPARSE.calibration_std),
        lambda record: float(record.market.calibration_std[2] >= _FAR_OFF),
    ),
    Effect(Risk.policy_failure, "the plan in place of the policy, all day", BASE, lambda record: 0.0, agent="plan"),
)
"""What is played. Other risks have no effect in a simulated market: their cost is not measured here."""
