"""R* under first price: the best rule with the levels known, since no bidder pays market prices there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.oracle import InformedReplanner
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.forecasting import true_levels
from bidpilot.solvers.hindsight import Hindsight
from bidpilot.solvers.hindsight_rule import best_constant_rule
from bidpilot.solvers.rule_search import Bids, Played, RulePlayer

_PLAN_REACH = 2.0  # octaves: a day's levels move the scale that spends the budget by one, rarely
_REPLAN_REACH = 0.125  # octaves: the re-plan spends the budget as it is


def best_known_rule(episode: Episode, days: DayBatch, campaigns: CampaignBatch, optimum: Hindsight) -> Played:
    """The best of three rules, day by day, each at the scale that is best for the day's own auctions.

    1. The plan's coefficients all day, shaded by the forecast's win curve at each slot's true price level. One shadow
       price for the day and the bid of most surplus at it is the optimal form where levels are all that is known.
    2. The re-plan that is told the true levels (`mpc_informed`), shaded as agents are.
    3. The best constant rule in hindsight, unshaded.

    All are played by the clearing kernel: the score is one that a bidder who was told levels and scales would have
    had. It is no certified bound. The shading takes price and value for independent, and the coefficients keep their
    proportions; a bidder who did better in either could pass it, and so may one who breaks a hard constraint, which
    the rule keeps wherever one of those tried does. `Hindsight.bound` is certified and out of reach.

    Args:
        episode: of the days' market and the forecast that agents have, with a row per day. It is begun anew.
        days: B days.
        campaigns: B campaigns; scores of rows at second price are those of the same rules there.
        optimum: the days' hindsight optimum.
    """
    replanned = _replanned(episode, days, campaigns)
    today, slots = episode.today, episode.slots
    player = RulePlayer(episode.market, days, campaigns, today.ideal)
    plan = [Rule(today.alpha, today.multiplier, today.beta)] * slots
    shaded = [today.first_price.at(rule.price_level) for rule in replanned]
    unit = np.ones(len(days))
    tried = (
        player.best_scale(Bids(plan, _shading_at_levels(episode)), unit, _PLAN_REACH),
        player.best_scale(Bids(replanned, shaded), unit, _REPLAN_REACH),
        best_constant_rule(player, optimum),
    )
    best = tried[0]
    for other in tried[1:]:
        best, _ = best.best(other)
    return best


def _replanned(episode: Episode, days: DayBatch, campaigns: CampaignBatch) -> list[Rule]:
    """The rules (T,) of the re-plan that is told the levels to come."""
    episode.begin(days, campaigns, InformedReplanner)
    rules = []
    for _ in range(episode.slots):
        episode.play(episode.observer.replanned_action())
        rules.append(episode.rule)
    return rules


def _shading_at_levels(episode: Episode) -> Sequence[FirstPrice]:
    """(T,) the forecast's shading for prices at the true level of each row and slot."""
    today, forecast = episode.today, episode.planner.forecast
    level, _ = true_levels(episode.market, today.days, forecast, today.campaigns.conversion_value)
    usual = today.first_price
    return [
        usual._replace(unit=usual.unit * level[:, t, PRICE_LEVEL] * forecast.price_curve[t])
        for t in range(episode.slots)
    ]
