"""The suites by name: what each plays, and what it tries to break."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.markets.presets import (
    BOTS,
    DAILY,
    INVALID,
    PERSISTENT,
    RARE,
    SHIFT,
    SPARSE,
    STEADY,
    STEALTH,
    VIRAL,
    WEEK,
)
from bidpilot.envs.markets.worlds import WORLDS
from bidpilot.envs.synthetic.config import SyntheticConfig


@dataclass(frozen=True)
class SuiteRecord:
    """One suite. Its days come from the held-out log and the random stream of its own name."""

    name: str
    breaks: str  # what it tries to break, one line
    market: SyntheticConfig  # what is played
    forecast: SyntheticConfig  # the market whose training days made the forecast
    campaigns: tuple[Campaign, ...]  # day d plays campaign d modulo their number
    gains: str = "daily"  # the preset whose tuned gains the controllers have
    in_a_row: int = 1  # days over which a filter of traffic keeps what it has learnt
    around: str | None = None  # preset with held-out worlds drawn around it, in which days take turns; None: `market`
    rivals: RivalMarketConfig | None = None  # whose best bid is the price, in place of `market`; None: prices are given

    @property
    def together(self) -> int:
        """Days that belong together, a whole sequence in a row or one day in each world: whole ones are played."""
        return self.in_a_row if self.around is None else WORLDS


_RIVALS: Final = RivalMarketConfig()
_MIX = (0.2, 0.3, 0.5)
_CONVERSIONS = (0.0, 0.0, 1.0)
_PREFERENCES = ((1 / 3, 1 / 3, 1 / 3), _MIX, (0.6, 0.2, 0.2), (0.1, 0.1, 0.8))
_TARGETS = ((_MIX, (2.5, 2.9, 3.2)), (_CONVERSIONS, (2.3, 2.7, 3.0)))
"""Target CPAs, currency, by preference. On a training day of `daily` the hindsight optimum of the budget alone costs
a median of 3.46 per conversion for the mix and 3.20 for conversions, 10th percentiles 2.65 and 2.47: the three
targets lie near the 4th, 20th and 35th percentile, so that a target binds on about 80 % of days."""


def _campaign(market: SyntheticConfig, **fields: object) -> Campaign:
    """The market's default campaign with some fields of its own."""
    return Campaign.model_validate({"budget": market.budget, "conversion_value": market.conversion_value} | fields)


def _daily(name: str, breaks: str, *campaigns: Campaign, market: SyntheticConfig = DAILY) -> SuiteRecord:
    """A suite under the forecast of `daily`."""
    return SuiteRecord(name, breaks, market, DAILY, campaigns or (_campaign(market),))


_ALL = (
    SuiteRecord("steady", "plans that leave money on quiet days", STEADY, STEADY, (_campaign(STEADY),), "steady"),
    _daily("daily", "pacing: levels of value, price and traffic that change every four hours"),
    _daily("shift", "trust in the forecast: prices, demand and dispersion unseen, platform shocks", market=SHIFT),
    SuiteRecord(
        "sparse",
        "trust in predictions: one or two conversions a day tell how far off they are",
        SPARSE,
        RARE,
        (_campaign(SPARSE), _campaign(SPARSE, max_cpa=32.0)),
    ),
    _daily(
        "first_price",
        "bids of true value: winners pay their own bid, on half of the days nobody learns the others'",
        _campaign(DAILY, auction="first"),
        _campaign(DAILY, auction="first", feedback="won_only"),
    ),
    _daily(
        "won_only",
        "readers of the market price: none is shown for lost auctions",
        _campaign(DAILY, feedback="won_only"),
    ),
    _daily(
        "delayed",
        "reactions to what was just spent: wins 2, interactions 6, conversions 12 slots late",
        _campaign(DAILY, delays=Delays(wins=2, interactions=6, conversions=12)),
    ),
    _daily("invalid", "belief in every exposure: bursts of invalid traffic", market=INVALID),
    _daily(
        "cpa",
        "spending the whole budget: a target cost per conversion binds on about 80 % of days",
        *(
            _campaign(DAILY, preference=preference, max_cpa=target)
            for preference, targets in _TARGETS
            for target in targets
        ),
    ),
    _daily(
        "balanced",
        "linear trade-offs: nash and chebyshev, four preferences",
        *(
            _campaign(DAILY, preference=preference, scalarisation=kind)
            for preference in _PREFERENCES
            for kind in (Scalarisation.nash, Scalarisation.chebyshev)
        ),
    ),
    _daily(
        "tail",
        "one price for all content: a share of 35 or 50 % for the long tail, which would get 28 %",
        _campaign(DAILY, min_tail_share=0.35),
        _campaign(DAILY, min_tail_share=0.5),
    ),
    SuiteRecord(
        "week",
        "forecasts that know one average day: traffic of 1.23 to 0.84 of the mean over the week",
        WEEK,
        WEEK,
        (_campaign(WEEK),),
    ),
    _daily("stealth", "eyes for bursts alone: a tenth of traffic is invalid all day, from 16 sources", market=STEALTH),
    _daily("bots", "belief in interactions: invalid traffic that interacts more than people", market=BOTS),
    _daily("viral", "suspicion of every surge: honest sources that send half of all traffic", market=VIRAL),
    SuiteRecord(
        "persistent",
        "detectors that forget: the same sources are bad every day, for 30 days in a row",
        PERSISTENT,
        DAILY,
        (_campaign(PERSISTENT),),
        in_a_row=30,
    ),
    SuiteRecord(
        "worlds",
        f"what a policy learnt of its training: {WORLDS} markets of no kind that it saw, under the forecast of `daily`",
        DAILY,
        DAILY,
        (_campaign(DAILY),),
        around="daily",
    ),
    SuiteRecord(
        "rivals",
        "plans that take prices as given: one bidder among 47 who pace their budgets and answer",
        DAILY,
        DAILY,
        (Campaign(budget=_RIVALS.budget, conversion_value=_RIVALS.conversion_value),),
        rivals=_RIVALS,
    ),
)
SUITES: Final = MappingProxyType({record.name: record for record in _ALL})
DEFAULT_SUITES: Final = ("steady", "daily")
EVERY: Final = "all"
"""What `--suites` takes for every one of them."""
