"""The best constant rule in hindsight: one scale for the whole day, chosen with every auction known."""

from __future__ import annotations

import numpy as np

from bidpilot.bidding.rule import Rule
from bidpilot.solvers.hindsight import Hindsight
from bidpilot.solvers.rule_search import Bids, Played, RulePlayer

_REACH = 3.0  # octaves around the average price of value at the optimum


def best_constant_rule(player: RulePlayer, optimum: Hindsight) -> Played:
    """The days of the best bids `scale * slope . predicted`, unshaded, one scale a day.

    The rule is played: so it is a score that a bidder could have had, and never above R* at market prices where the
    campaign's hard constraints are kept.

    Args:
        player: of B days.
        optimum: the days' hindsight optimum, whose slopes are the bid coefficients.
    """
    slope, campaigns = optimum.slope, player.campaigns
    worth = np.einsum("bj,bj->b", slope, optimum.kpi)
    paid = np.where(optimum.spend > 0, optimum.spend, campaigns.budget)
    centre = np.where(worth > 0, paid / np.where(worth > 0, worth, 1.0), 0.0)
    rule = Rule(slope, np.ones((len(slope), player.segments)), np.zeros((len(slope), player.segments)))
    return player.best_scale(Bids.unshaded(rule, campaigns.first_price, player.slots), centre, _REACH)
