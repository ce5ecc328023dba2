"""Who bids: each bidder's values of a pool of auctions, its kind, category and budget; drawn once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.answering.config import Pacing, RivalMarketConfig
from bidpilot.envs.logs.auction_log import AuctionLog

_SAMPLE = 8192  # auctions of the pool that the scale of values and budgets is found on


@dataclass(frozen=True)
class Bidders:
    """N bidders of a market. The first ones are played by others, the rest are rivals."""

    values: NDArray[np.float32]  # (N, M) currency, of each auction of the pool at unit level
    kind: NDArray[np.int8]  # (N,) `Pacing`; of those that are played it says nothing
    category: NDArray[np.int16]  # (N,)
    budget: NDArray[np.float64]  # (N,) currency per day
    multiplier: NDArray[np.float64]  # (N,) that a rival begins the day with
    target: NDArray[np.float64]  # (N,) spend per value that a rival of target cost keeps to
    mean_price: float  # currency, were all to bid their values

    @property
    def n(self) -> int:
        """Bidders, N."""
        return len(self.kind)

    @property
    def greatest(self) -> NDArray[np.float32]:
        """(N,) the most that an auction of the pool is worth to each, at unit level."""
        greatest: NDArray[np.float32] = self.values.max(axis=1)
        return greatest

    @classmethod
    def drawn(cls, config: RivalMarketConfig, log: AuctionLog, rng: np.random.Generator) -> Bidders:
        """Draw them from `rng`.

        A value is a power of the log's price of the auction, which says what it is worth to many, times a factor of
        the bidder's own; scaled so that the second-best value is what the log's prices are on average.
        """
        n, size = config.bidders, config.pool_auctions
        price = log.market_price[:size]
        values = np.exp(np.float32(config.affinity_log_std) * rng.standard_normal((n, size), np.float32))
        values *= price ** np.float32(config.common)
        order = np.sort(values[:, :_SAMPLE], axis=0)
        values *= np.float32(price.mean() / order[-2].mean())
        second = np.sort(values[:, :_SAMPLE], axis=0)[-2]
        won = np.bincount(values[:, :_SAMPLE].argmax(axis=0), second, n) / second.size  # currency per auction, (N,)
        spread = np.exp(config.budget_log_std * rng.standard_normal(n) - 0.5 * config.budget_log_std**2)
        day = config.auctions_per_slot * config.slots
        return cls(
            values=values,
            kind=_kinds(config, n, rng),
            category=np.arange(n, dtype=np.int16) % config.categories,
            budget=config.budget_level * day * np.maximum(won, won.mean() / n) * spread,
            multiplier=rng.uniform(0.4, 0.8, n),
            target=rng.uniform(0.4, 0.8, n),
            mean_price=float(second.mean()),
        )


def _kinds(config: RivalMarketConfig, n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Each kind in its share, to the nearest bidder, in random order."""
    edges = np.rint(np.cumsum(config.shares) / sum(config.shares) * n)
    kinds = np.searchsorted(edges, np.arange(n), side="right").clip(0, len(Pacing) - 1).astype(np.int8)
    return rng.permutation(kinds)
