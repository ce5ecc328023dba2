"""How much more quality exposure the same money buys, with half of it on long-tail content.

Today the campaign bids one constant for everything; here that constant is the best one of each day, known only
afterwards, so that it spends the whole budget. A quality exposure is a won, valid exposure whose predicted quality
reaches the 70th percentile of the forecast. The plan bids for those, with a tail share of at least one half. Both play
the same held-out days of the default market, which the forecast has not seen.

    python examples/quality_exposure.py [DAYS] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.segments import is_tail
from bidpilot.bidding.rule import Rule
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import FORECAST_DAYS, preset_campaign, preset_market
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.quality import QualityMarket
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.solvers.hindsight import hindsight_utility
from bidpilot.training.evaluation.statistics import interval

QUANTILE, TAIL_SHARE, SEED = 0.70, 0.5, 0


@dataclass(frozen=True)
class Side:
    """What one side won, per day."""

    quality_exposures: NDArray[np.float64]  # (D,)
    quality: NDArray[np.float64]  # (D,) sum of the true quality of all valid exposures won
    head: NDArray[np.float64]  # (D,) exposures on head content
    tail: NDArray[np.float64]  # (D,) on long-tail content
    spend: NDArray[np.float64]  # (D,) currency


@dataclass(frozen=True)
class Comparison:
    """Both sides on the same days, and the hindsight optimum under the same tail share."""

    constant: Side
    plan: Side  # the plan as it stands
    replan: Side  # the plan, re-planned each slot
    optimum: NDArray[np.float64]  # (D,) quality exposures


class Stage:
    """The held-out days, seen with their quality and with quality counted from the threshold on."""

    def __init__(self, days: int) -> None:
        training = preset_market(domain=seeding.LOG_TRAINING)
        self.threshold = float(np.quantile(training.log.exposure, QUANTILE))
        counted = QualityMarket(training, self.threshold)
        uniforms = seeding.stream(seeding.FORECAST, SEED).random((FORECAST_DAYS, training.draws))
        self.forecast = fit_forecast(counted, counted.days(uniforms), training.config.conversion_value)
        self.base: SyntheticMarket = preset_market(domain=seeding.LOG_HELD_OUT)
        self.market = QualityMarket(self.base, self.threshold)
        uniforms = seeding.stream(seeding.suite_domain("daily"), SEED).random((days, self.market.draws))
        self.days: DayBatch = self.market.days(uniforms)
        self.tail = is_tail(self.base.log.segments)

    def side(self, pick: list[NDArray[np.int64]]) -> Side:
        """What the auctions `pick` (one array a day) bring."""
        rows = []
        for d, won in enumerate(pick):
            counted, plain = materialise(self.market, self.days, d), materialise(self.base, self.days, d)
            on_tail = self.tail[counted.segment[won]]
            price = counted.price[won].astype(np.float64)
            rows.append(
                [counted.true[won, 0].sum(), plain.true[won, 0].sum(), (~on_tail).sum(), on_tail.sum(), price.sum()]
            )
        return Side(*np.array(rows, np.float64).T)


def compare(days: int = 256) -> Comparison:
    """Play `days` held-out days."""
    stage = Stage(days)
    campaign = preset_campaign().model_copy(update={"preference": (1.0, 0.0, 0.0), "min_tail_share": TAIL_SHARE})
    campaigns = CampaignBatch.repeat(campaign, days)
    episode = Episode(stage.market, stage.forecast, days)
    plan, replan = (
        stage.side(_won(stage, campaign, _rules(stage, episode, campaigns, name))) for name in ("plan", "mpc")
    )
    best = hindsight_utility(stage.market, stage.days, campaigns, episode.today.ideal)
    return Comparison(stage.side(_cheapest(stage, campaign)), plan, replan, best * episode.today.ideal[:, 0])


def _cheapest(stage: Stage, campaign: Campaign) -> list[NDArray[np.int64]]:
    """What a constant bid wins that is just high enough to spend the budget: the cheapest auctions."""
    pick = []
    for d in range(len(stage.days)):
        price = materialise(stage.market, stage.days, d).price.astype(np.float64)
        order = np.argsort(price, kind="stable")
        pick.append(order[: np.searchsorted(np.cumsum(price[order]), campaign.budget, side="right")])
    return pick


def _rules(stage: Stage, episode: Episode, campaigns: CampaignBatch, agent: str) -> list[Rule]:
    """The rule of each slot that an agent plays."""
    day, rules = AgentDay(controller_agent(agent), episode.rows, episode.segments), []
    observation = episode.begin(stage.days, campaigns)
    for _ in range(episode.slots):
        observation = episode.play(day.act(observation))
        rules.append(episode.rule)
    return rules


def _won(stage: Stage, campaign: Campaign, rules: list[Rule]) -> list[NDArray[np.int64]]:
    """The auctions that the rules win on each day while the budget lasts."""
    alpha = np.stack([r.alpha[:, 0] for r in rules])  # (T, D)
    multiplier, beta = np.stack([r.multiplier for r in rules]), np.stack([r.beta for r in rules])  # (T, D, S)
    pick = []
    for d in range(len(stage.days)):
        day = materialise(stage.market, stage.days, d)
        bid = multiplier[day.slot, d, day.segment] * alpha[day.slot, d] * day.predicted[:, 0]
        wins = np.flatnonzero(bid + beta[day.slot, d, day.segment] >= day.price)
        paid = np.cumsum(day.price[wins].astype(np.float64))
        pick.append(wins[: np.searchsorted(paid, campaign.budget, side="right")])
    return pick


def gain(side: Side, constant: Side) -> tuple[float, float, float]:
    """Mean relative gain in quality exposures over the constant, with its 95 % interval over days, at least three."""
    relative = side.quality_exposures / constant.quality_exposures - 1.0
    found = interval(relative, np.arange(len(relative)), np.random.default_rng(SEED), trim=0.0)
    if found is None:
        raise SystemExit(f"{len(relative)} days are too few for an interval. Give three or more.")
    low, high = found
    return float(relative.mean()), low, high


def rows(result: Comparison) -> list[dict[str, Any]]:
    """Each side in numbers: means over days, shares and gains as fractions."""
    found = []
    for name, side in (("one constant", result.constant), ("plan", result.plan), ("re-planned", result.replan)):
        mean, low, high = gain(side, result.constant)
        found.append(
            {
                "side": name,
                "quality_exposures": float(side.quality_exposures.mean()),
                "gain": mean,
                "gain_low": low,
                "gain_high": high,
                "quality": float(side.quality.mean()),
                "head_per_tail": float(side.head.sum() / side.tail.sum()),
                "spend": float(side.spend.mean()),
                "of_optimum": float((side.quality_exposures / result.optimum).mean()),
                "days": len(side.spend),
            }
        )
    return found


def main() -> None:
    """Print the comparison, and write its rows where a file is named."""
    parser = argparse.ArgumentParser(description="Quality exposure of one budget: one constant beside a plan.")
    parser.add_argument("days", nargs="?", type=int, default=256, help="held-out days")
    parser.add_argument("--json", type=Path, help="file to write the rows to")
    asked = parser.parse_args()
    found = rows(compare(asked.days))
    table = Table(title=f"Quality exposure of one budget, {asked.days} held-out days", title_justify="left")
    for name in ("", "quality exposures", "gain", "sum of quality", "head : tail", "spend", "of the optimum"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for row in found:
        table.add_row(
            row["side"],
            f"{row['quality_exposures']:.0f}",
            "" if row["gain"] == 0.0 else f"{row['gain']:+.1%} ({row['gain_low']:+.1%} .. {row['gain_high']:+.1%})",
            f"{row['quality']:.0f}",
            f"{row['head_per_tail']:.2f} : 1",
            f"{row['spend']:.2f}",
            f"{row['of_optimum']:.1%}",
        )
    Console(width=120).print(table)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
