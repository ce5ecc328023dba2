"""Plays an experiment in the simulator: two arms over the same days, by each of the designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.detector import detector_for
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import synthetic_market
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.suites import suite_forecast
from bidpilot.training.experiments.arms import Arm, play_slot
from bidpilot.training.experiments.splitting import split_days
from bidpilot.training.experiments.units import COLUMNS, Array, Design, Units

_AT_ONCE = 256  # days side by side
_ENOUGH = 1000.0  # budgets that no slot can spend


@dataclass(frozen=True)
class Ground:
    """Where an experiment is played: a market, what is forecast of it, and the campaign whose money is split."""

    market: SyntheticMarket
    forecast: Forecast
    campaign: Campaign

    @classmethod
    def of(cls, record: SuiteRecord) -> Ground:
        """A suite's ground, on its held-out log.

        Raises:
            InvalidExperiment: its days belong together, or its campaigns take turns.
        """
        if record.together > 1 or len(record.campaigns) > 1:
            raise InvalidExperiment(
                f"an experiment needs one campaign and days that share nothing, and {record.name} has others. "
                "Use daily, steady, shift, invalid, stealth, bots or viral."
            )
        market = synthetic_market(record.market, seeding.LOG_HELD_OUT, 0)
        return cls(market, suite_forecast(record), record.campaigns[0])

    def of_share(self, share: float) -> tuple[Forecast, Campaign]:
        """What an arm is told that has this share of the users and of the money."""
        forecast = replace(self.forecast, auctions=self.forecast.auctions * share)
        return forecast, self.campaign.model_copy(update={"budget": self.campaign.budget * share})


def play(
    ground: Ground,
    arms: tuple[Arm, Arm],
    units: int,
    rng: np.random.Generator,
    design: Design = "split",
    treated_share: float = 0.5,
) -> Units:
    """Play `units` units of an experiment, control and treated arm.

    `split` and `shared`: a unit is a day that the arms share. `switchback`: a unit is two days, in a random order, on
    each of which one arm has all users and all money.
    """
    sizes = [_AT_ONCE] * (units // _AT_ONCE) + [units % _AT_ONCE] * (units % _AT_ONCE > 0)
    parts: list[Units] = []
    for size in sizes:
        if design == "switchback":
            parts.append(_switchback(ground, arms, size, rng))
        else:
            parts.append(_split(ground, arms, size, rng, treated_share, design))
    return joined(parts)


def joined(parts: Sequence[Units]) -> Units:
    """Units of one after those of another, labelled by their place."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
    return replace(parts[0], labels=tuple(f"{k + 1}" for k in range(len(columns["spend"]))), **columns)


def _split(
    ground: Ground, arms: tuple[Arm, Arm], size: int, rng: np.random.Generator, treated_share: float, design: Design
) -> Units:
    shares = (1.0 - treated_share, treated_share)
    days = ground.market.days(rng.random((size, ground.market.draws)))
    halves = split_days(ground.market, days, shares, rng)
    arm_days = [_ArmDay(ground, arm, half, share) for arm, half, share in zip(arms, halves, shares, strict=True)]
    if design == "shared":
        _one_purse(arm_days)
    else:
        for day in arm_days:
            day.whole()
    return _units(arms, arm_days, shares, ground, design)


def _switchback(ground: Ground, arms: tuple[Arm, Arm], size: int, rng: np.random.Generator) -> Units:
    # days share nothing, so that it makes no difference to what is played which of the two comes first
    drawn = [ground.market.days(rng.random((size, ground.market.draws))) for _ in arms]
    arm_days = [_ArmDay(ground, arm, days, 1.0) for arm, days in zip(arms, drawn, strict=True)]
    for day in arm_days:
        day.whole()
    return _units(arms, arm_days, (0.5, 0.5), ground, "switchback")


class _ArmDay:
    """The days of one arm, played slot by slot; what they bring is counted."""

    def __init__(self, ground: Ground, arm: Arm, days: DayBatch, share: float) -> None:
        forecast, campaign = ground.of_share(share)
        self.episode = episode = Episode(ground.market, forecast, len(days))
        batch = CampaignBatch.repeat(campaign, len(days))
        self.offered = _offered(episode, days, batch, share)
        detector = detector_for(forecast, len(days))
        self._observation = episode.begin(days, batch, traffic=detector, replan=arm.replan)
        self._decide = arm.starts(episode)
        rows = len(days)
        self.assigned, self.spend, self.wins, self.invalid_wins = (np.zeros(rows) for _ in range(4))
        self.realised = np.zeros((rows, 3))

    def slot(self) -> None:
        """Play one slot."""
        episode = self.episode
        _, self._observation = play_slot(episode, self._decide, self._observation)
        totals = episode.totals
        self.assigned += totals.auctions + totals.source_refused.sum(axis=1)
        self.spend += totals.spend
        self.wins += totals.wins
        self.invalid_wins += totals.invalid_wins
        self.realised += totals.realised

    def whole(self) -> None:
        """Play all slots."""
        for _ in range(self.episode.slots):
            self.slot()


def _one_purse(arm_days: Sequence[_ArmDay]) -> None:
    """Play arms that spend from one purse, by turns within a slot: who bids more leaves less to the other."""
    purse = np.sum([day.episode.left for day in arm_days], axis=0)
    for t in range(arm_days[0].episode.slots):
        for day in arm_days if t % 2 == 0 else arm_days[::-1]:
            day.episode.left[:] = purse
            day.slot()
            purse = day.episode.left.copy()


def _offered(episode: Episode, days: DayBatch, batch: CampaignBatch, share: float) -> Array:
    """(B, 5) `OFFERED` of days on which the plan's own rule bids to the end, and no filter refuses a request.

    It is the same rule whoever plays the days afterwards.
    """
    episode.begin(days, batch)
    today, rows = episode.today, episode.rows
    rule = Rule(today.alpha, today.multiplier, today.beta)
    requests, price, cost = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    kpi, bought = np.zeros((rows, 3)), np.zeros((rows, 3))
    for _ in range(episode.slots):
        episode.left[:] = _ENOUGH * batch.budget
        episode.play_rule(rule)
        totals = episode.totals
        requests += totals.auctions
        price += totals.price_sum
        cost += totals.spend
        kpi += totals.requested
        bought += totals.predicted
    whole = today.ideal / share  # of all money: values are the same in both arms
    weights = batch.preference / np.where(batch.preference > 0, whole, 1.0)
    each = requests.clip(1.0)
    value, had = (kpi * weights).sum(axis=1), (bought * weights).sum(axis=1)
    return np.stack([requests, value / each, price / each, had, cost], axis=1)


def _units(
    arms: tuple[Arm, Arm], days: Sequence[_ArmDay], shares: tuple[float, float], ground: Ground, design: Design
) -> Units:
    def both(name: str) -> NDArray[np.float64]:
        return np.stack([getattr(day, name) for day in days], axis=1)

    campaign = ground.campaign
    return Units(
        arms=(arms[0].name, arms[1].name),
        labels=tuple(str(k) for k in range(len(days[0].spend))),
        assigned=both("assigned"),
        spend=both("spend"),
        wins=both("wins"),
        invalid_wins=both("invalid_wins"),
        expected=np.stack([day.episode.kpi for day in days], axis=1),
        realised=both("realised"),
        offered=both("offered"),
        design=design,
        shares=shares,
        preference=campaign.preference,
        kind=campaign.scalarisation,
        ideal=(tuple(days[0].episode.today.ideal[0].tolist()), tuple(days[1].episode.today.ideal[0].tolist())),
    )
