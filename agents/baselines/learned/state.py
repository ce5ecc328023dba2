"""What a learned rival sees before a slot: the state of the AuctionNet benchmark's own offline learners, without units.

Their state (alimama-tech/AuctionNet, `train_data_generator.py`): time and budget left; bid, market price, `pValue`,
conversions and share of wins, each as the mean of the day and of its last three slots; auctions of the day and of its
last three slots. Left out are the two that tell the coming slot's auctions, which no agent here sees before it has
passed. Added is what lets one policy serve several campaigns: budget and usual cost of a conversion in target costs,
whether the target counts, and how the cost so far stands to it. Money is in target costs or relative to the training
log.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog

Floats = NDArray[np.float64]

FEATURES: Final = (
    "time_left",
    "budget_left",
    *(f"{what}_{when}" for when in ("day", "last_three") for what in ("bid", "price", "value", "traffic", "win_rate")),
    "conversions_day",
    "conversions_last_three",
    "budget_in_targets",
    "cost_in_targets",
    "target_counts",
    "cpa_over_target",
)
"""F names. Bid, price, value, traffic, budget and costs are natural logs, 0 where nothing has been seen."""

_LAST = 3  # slots, as published
_MOST_OVER = 3.0  # of the log of CPA over target: the first wins say little


class Usual(NamedTuple):
    """Means of the training log that states are relative to."""

    price: float  # market price of an auction, currency
    value: float  # predicted conversions of an auction
    traffic: float  # auctions of a slot

    @classmethod
    def of(cls, log: AuctionLog) -> Usual:
        """Of all auctions of a log."""
        return cls(
            float(log.market_price.mean(dtype=np.float64)),
            float(log.conversion.mean(dtype=np.float64)),
            float(log.counts.mean()),
        )


class DayState:
    """The states of D days that an episode has begun, slot after slot.

    Args:
        usual: of the training log.
        target: target CPA (D,), currency.
        counts: whether the score counts the target (D,).
    """

    def __init__(self, usual: Usual, target: Floats, counts: NDArray[np.bool_]) -> None:
        self._usual, self._target, self._counts = usual, target, counts
        self._slots: list[Floats] = []  # (6, D) a slot: alpha times auctions, price, value, auctions, wins, conversions

    def before_slot(self, episode: Episode) -> Floats:
        """The states (D, F) before the coming slot; to be asked before every slot, once."""
        if episode.t > 0:
            totals = episode.totals
            bid = episode.rule.alpha[:, CONVERSION] * totals.auctions
            value, won = totals.requested[:, CONVERSION], totals.predicted[:, CONVERSION]
            self._slots.append(np.array([bid, totals.price_sum, value, totals.auctions, totals.wins, won], np.float64))
        budget = episode.today.campaigns.budget
        buys = budget / self._target
        seen = np.array(self._slots) if self._slots else np.zeros((1, 6, len(budget)))
        day, last = (self._means(part) for part in (seen, seen[-_LAST:]))
        won = seen[:, 5]
        spend, allowed = budget - episode.left, self._target * won.sum(axis=0)
        return np.stack(
            [
                np.full(len(budget), 1.0 - episode.t / episode.slots),
                episode.left / budget,
                *day,
                *last,
                won.sum(axis=0) / buys,
                won[-_LAST:].sum(axis=0) / buys,
                np.log(buys),
                np.log(self._usual.price / (self._usual.value * self._target)),
                self._counts.astype(np.float64),
                np.clip(_log_ratio(spend, allowed), -_MOST_OVER, _MOST_OVER),
            ],
            axis=1,
        )

    def _means(self, slots: Floats) -> list[Floats]:
        """Bid, price, value, traffic and win rate (D,) each of some slots (K, 6, D)."""
        bid, price, value, auctions, wins, _ = slots.sum(axis=0)
        usual = self._usual
        return [
            _log_ratio(bid, self._target * auctions),
            _log_ratio(price, usual.price * auctions),
            _log_ratio(value, usual.value * auctions),
            _log_ratio(auctions, np.full(len(auctions), usual.traffic * len(slots))),
            np.divide(wins, auctions, out=np.zeros(len(wins)), where=auctions > 0),
        ]


def _log_ratio(one: Floats, other: Floats) -> Floats:
    """Natural log of their ratio, 0 where either is 0."""
    there = (one > 0) & (other > 0)
    return np.asarray(np.log(np.where(there, one, 1.0) / np.where(there, other, 1.0)))
