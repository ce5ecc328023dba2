"""The iPinYou protocol of Cai et al., "Real-time bidding by reinforcement learning" (WSDM 2017).

A log is cut into episodes of N auctions in arrival order; each gets B = int(mean train price * c0 * N).
Bids are integers of at most 300 and never above the budget left; a bid wins if bid >= market price and
pays the market price. The last, shorter episode has the full B too, and its bidder does not know that
it is shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidProtocol
from bidpilot.envs.logs.formats import ImportOptions
from bidpilot.envs.logs.importing import import_in_memory
from bidpilot.envs.logs.ipinyou import short_format

MAX_BID = 300
EPISODE = 1000


@dataclass(frozen=True)
class Auctions:
    """M auctions in arrival order."""

    price: NDArray[np.int64]  # (M,) market price, the log's integers
    theta: NDArray[np.float64]  # (M,) predicted click rate, in [0, 1]
    click: NDArray[np.int64]  # (M,) 0 or 1

    def __len__(self) -> int:
        return len(self.price)


@dataclass(frozen=True)
class Training:
    """What bidders may know: the training part of the log, and its totals."""

    auctions: Auctions

    @property
    def mean_price(self) -> float:
        """Mean market price."""
        return float(self.auctions.price.mean())

    @property
    def click_rate(self) -> float:
        """Realised clicks per impression."""
        return float(self.auctions.click.mean())

    @property
    def cost_per_click(self) -> float:
        """What all impressions cost over their clicks."""
        return float(self.auctions.price.sum() / self.auctions.click.sum())

    @property
    def price_density(self) -> NDArray[np.float64]:
        """Probability of each market price 0 .. 300, (301,), from the histogram with one added to each count."""
        counts = np.bincount(self.auctions.price[self.auctions.price <= MAX_BID], minlength=MAX_BID + 1) + 1.0
        return np.asarray(counts / counts.sum())

    def budget(self, share: float, episode: int = EPISODE) -> int:
        """Budget of an episode at the budget share c0, in the log's integers.

        Raises:
            InvalidProtocol: the share is not above zero, or buys nothing.
        """
        budget = int(self.mean_price * share * episode) if share > 0 else 0
        if budget < 1:
            raise InvalidProtocol(f"The budget share {share:g} gives a budget of {budget}. Give a larger share.")
        return budget


@dataclass(frozen=True)
class Play:
    """What a bidder reached, by episode; all (E,)."""

    clicks: NDArray[np.int64]
    expected: NDArray[np.float64]  # clicks by the predicted rates
    cost: NDArray[np.int64]
    wins: NDArray[np.int64]
    auctions: NDArray[np.int64]


class Bidder(Protocol):
    """Bids for one auction after another, knowing only how many are to come and what is left."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def wins(self, auctions: Auctions, budget: int, episode: int) -> NDArray[np.bool_]:
        """Which auctions (M,) are won with this budget in every episode of `episode` auctions."""


def read_auctions(files: Sequence[str | Path]) -> Auctions:
    """Read files of the short form, `click price prediction [exchange]`.

    Raises:
        InvalidProtocol: a row cannot be used, or a market price is no whole number: episodes would shift.
        and what the importer raises.
    """
    found = import_in_memory(short_format, files, ImportOptions(episode=EPISODE), "ipinyou")
    if found.set_aside.height:
        first = found.set_aside.row(0, named=True)
        raise InvalidProtocol(
            f"{found.set_aside.height} rows cannot be used, the first is row {first['row']} of {first['file']}: "
            f"{first['reason']}. Episodes are cut by rows, so correct or remove them first."
        )
    price = np.rint(found.log.market_price).astype(np.int64)
    if not np.array_equal(price, found.log.market_price):
        raise InvalidProtocol("A market price is no whole number, but the protocol bids integers. Round the prices.")
    clicks = found.log.converted
    assert clicks is not None, "the short form records clicks"
    return Auctions(price, found.log.conversion.astype(np.float64), clicks.astype(np.int64))


def read_training(files: Sequence[str | Path]) -> Training:
    """Read the training part.

    Raises:
        InvalidProtocol: it has no click or no price, from which every bidder's scale comes.
        and what `read_auctions` raises.
    """
    auctions = read_auctions(files)
    if not auctions.click.any() or not auctions.price.any():
        raise InvalidProtocol("The training part has no click or no price above zero. Name files that have some.")
    return Training(auctions)


def play(bidder: Bidder, auctions: Auctions, budget: int, episode: int = EPISODE) -> Play:
    """Play a bidder over all episodes."""
    won = bidder.wins(auctions, budget, episode)
    starts = np.arange(0, len(auctions), episode)

    def total(column: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.int64] | NDArray[np.float64]:
        return np.add.reduceat(np.where(won, column, 0), starts)

    return Play(
        clicks=total(auctions.click).astype(np.int64),
        expected=total(auctions.theta).astype(np.float64),
        cost=total(auctions.price).astype(np.int64),
        wins=np.add.reduceat(won.astype(np.int64), starts),
        auctions=np.diff(np.append(starts, len(auctions))),
    )


@numba.njit(cache=True)
def clear_bids(bids, price, budget, episode):  # type: ignore[no-untyped-def]
    """Which auctions (M,) fixed bids (M,) win: each cut to the budget left, a tie wins."""
    won = np.zeros(price.size, dtype=np.bool_)
    left = budget
    for i in range(price.size):
        if i % episode == 0:
            left = budget
        if min(bids[i], left) >= price[i]:
            won[i] = True
            left -= price[i]
    return won
