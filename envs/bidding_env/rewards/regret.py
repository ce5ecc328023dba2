"""Regret against hindsight: a learner's rewards without the luck of the day.

With `h` the utility that the money left would still bring at the best scale of the plan's direction, all auctions to
come known, a slot's reward `u' - u` becomes `(u' + h') - (u + h)`: what the slot's bids lost against hindsight. The
reward is shaped by a potential (Ng, Harada, Russell, ICML 1999) that knows the day (Mao et al., ICLR 2019). Days do not
answer to bids, and `h` is fixed before the slot's action: with GAE's lambda 1 the policy gradient keeps its mean and
loses most of its variance; below 1 it keeps it as far as the critic is right, as ever. A day sums to
`REWARD_SCALE * ((score - u_hindsight) / u_plan - charge)`, the charge being that of missed constraints.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.landscape.octaves import OctaveGrid
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.rewards.utility import UtilityReward
from bidpilot.envs.clearing.auction import (
    bid_of,
    keep_share,
    market_price,
    octave_bin,
    weights_of,
    worth_counting,
    worth_of,
)
from bidpilot.envs.clearing.columns import auction_columns, day_columns, rule_columns

REWARD_SCALE = 32.0
"""Regrets are a few hundredths of a plan's utility: in this unit they are of the order of 1, as critics want them."""


_GRID = OctaveGrid(6, 3)  # value per price is told apart from 2 ** -6 to 2 ** 6 times the plan's least
_BINS, _SHIFT, _FIRST_BIN = _GRID.bins, _GRID.shift, _GRID.first


class HindsightBaseline:
    """What the rest of each day of an episode would bring at the best scale of the plan's direction.

    Market prices are taken as paid, and constraints as not asked; that costs variance alone.
    """

    def __init__(self, episode: Episode) -> None:
        """Tabulate the days that `episode` has just begun."""
        self._episode = episode
        self._rest = np.zeros((episode.slots + 1, episode.rows, _GRID.bins + 1, 4), np.float32)
        today = episode.today
        plan = Rule(
            today.alpha.astype(np.float32),
            today.multiplier.astype(np.float32),
            today.beta.astype(np.float32),
        )
        _tabulate(auction_columns(episode.market, today.days), day_columns(today.days), rule_columns(plan), self._rest)
        self._rows = np.arange(episode.rows)
        self.potential = self._potential()  # u + h, (B,) in plan utilities

    def change(self) -> NDArray[np.float64]:
        """What the slot just played changed of the potential (B,), in plan utilities."""
        before, self.potential = self.potential, self._potential()
        return self.potential - before

    def _potential(self) -> NDArray[np.float64]:
        e, rows = self._episode, self._rows
        rest = self._rest[e.t]  # (B, bins, 4): spend and KPI of all auctions at least as good as a bin's
        at = np.clip((rest[:, :, 0] <= e.left[:, None]).sum(axis=1), 1, _BINS)
        low, high = rest[rows, at - 1].astype(np.float64), rest[rows, at].astype(np.float64)
        rise = high[:, 0] - low[:, 0]
        part = np.divide(e.left - low[:, 0], rise, out=np.ones_like(rise), where=rise > 0)
        gain = low[:, 1:] + np.minimum(part, 1.0)[:, None] * (high[:, 1:] - low[:, 1:])
        c = e.today.campaigns
        return utility(e.kpi + gain, e.today.ideal, c.preference, c.kind) / e.today.plan_utility


class RegretReward:
    """Rewards against hindsight, in 1 / `REWARD_SCALE` of the plan's utility.

    Args:
        prices: multipliers of missed constraints; None: no charge.
    """

    def __init__(self, prices: ConstraintPrices | None = None) -> None:
        self._utility = UtilityReward(prices)

    def begin(self, episode: Episode) -> None:
        """Tabulate the day."""
        self._utility.begin(episode)
        self._before = episode.utility.copy()
        self._baseline = HindsightBaseline(episode)

    def pay(self, episode: Episode) -> NDArray[np.float64]:
        """The slot's reward (B,)."""
        before, self._before = self._before, episode.utility
        reward = self._utility.pay(episode)
        reward -= (episode.utility - before) / episode.today.plan_utility
        reward += self._baseline.change()
        reward *= REWARD_SCALE
        return reward


@numba.njit(cache=True, error_model="numpy")
def _tabulate(columns, days, rule, rest):  # type: ignore[no-untyped-def]
    """Fill `rest` (T + 1, B, bins + 1, 4): over bins summed from the best down, over slots from the last back."""
    here = np.zeros((_BINS, 4), np.float32)
    total = np.zeros(4, np.float32)
    for b in range(days.auctions.shape[0]):
        weights = weights_of(rule.alpha[b], days.calibration[b])
        for t in range(days.auctions.shape[1] - 1, -1, -1):
            here[:] = 0.0
            _tabulate_slot(b, t, columns, days, rule, weights, here)
            total[:] = 0.0
            for k in range(_BINS):
                for j in range(4):
                    total[j] += here[k, j]
                    rest[t, b, k + 1, j] = rest[t + 1, b, k + 1, j] + total[j]


@numba.njit(cache=True, error_model="numpy")
def _tabulate_slot(b, t, columns, days, rule, weights, here):  # type: ignore[no-untyped-def]
    """Add row b's slot t to `here` (bins, 4), from the best bin down: spend and true KPIs.

    Thinned, overlaid and otherwise invalid auctions count by their probability.
    """
    for i in range(days.start[b, t], days.start[b, t] + days.auctions[b, t]):
        s = columns.segment[i]
        scale = days.value_scale[b, t, s]
        worth = worth_of(weights, scale, columns.exposure[i], columns.interaction[i], columns.conversion[i])
        bid = bid_of(worth, rule.multiplier[b, s], rule.beta[b, s])
        if bid <= 0.0:
            continue
        price = market_price(columns.market_price[i], days.price_scale[b, t, s])
        k = _BINS - 1 - octave_bin(bid / price, _SHIFT, _FIRST_BIN, _BINS)
        arriving, valid = worth_counting(days.sources, b, t, columns.source[i])
        weight = keep_share(days.keep, b, t, s) * arriving
        here[k, 0] += price * weight
        if not columns.invalid[i]:
            weight *= (np.float32(1.0) - days.invalid_share[b, t]) * valid
            here[k, 1] += columns.true_exposure[i] * weight
            here[k, 2] += columns.true_interaction[i] * scale * weight
            here[k, 3] += columns.true_conversion[i] * scale * weight
