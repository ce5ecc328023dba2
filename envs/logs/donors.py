"""The half of an auction that a log lacks, drawn from a model fitted on another log.

`PriceDonor` ("copula prices"): the market price is the donor's price curve over the day times a draw
from the donor's prices relative to it, joined to the auction's value by a Gaussian copula with the
donor's rank correlation (Nelsen, "An Introduction to Copulas", 2006, section 2.3). `InteractionDonor`
("hot deck"): exposure and interaction are those of a random donor auction of the same time of day
(Andridge and Little, "A review of hot deck imputation", 2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from bidpilot.envs.logs.auction_log import AuctionLog

Array = NDArray[np.float64]

_SAMPLE = 200_000
_QUANTILES = 513
_PER_SLOT = 4096


class PriceDonor:
    """Market prices as those of `log` are: by time of day, in spread, and in how they go with value."""

    def __init__(self, log: AuctionLog) -> None:
        totals = np.zeros(log.slots)
        for day in range(log.n_days):  # day by day, so that a mapped log is never whole in memory
            edges = log.offsets[day]
            sums = np.add.reduceat(np.append(log.market_price[edges[0] : edges[-1]], 0.0), edges[:-1] - edges[0])
            totals += np.where(np.diff(edges) > 0, sums, 0.0)
        counts = log.counts.sum(axis=0)
        mean = totals.sum() / counts.sum()
        self._curve = np.where((counts > 0) & (totals > 0), totals / np.maximum(counts, 1), mean)
        pick = np.arange(0, log.n, max(1, log.n // _SAMPLE))
        price = log.market_price[pick] / self._curve[_slots(log, pick)]
        value = money_value(log, pick)
        self._quantiles = np.quantile(price, np.linspace(0.0, 1.0, _QUANTILES))
        self.correlation = _score_correlation(value, price)
        self.note = (
            f"prices drawn: copula prices fitted on {log.name!r} (mean {mean:.4g}, rank correlation with value "
            f"{self.correlation:.3f}); no auction of this log was ever cleared at them"
        )

    def draw(self, rng: np.random.Generator, time: Array, value: Array) -> Array:
        """Market prices (N,), currency of the donor, for times of day (N,) in [0, 1) and values (N,)."""
        noise = rng.standard_normal(len(value))
        if np.ptp(value) > 0:
            noise = self.correlation * _scores(value) + np.sqrt(1.0 - self.correlation**2) * noise
        level = self._curve[(time * len(self._curve)).astype(np.int64)]
        return np.asarray(level * np.interp(ndtr(noise), np.linspace(0.0, 1.0, _QUANTILES), self._quantiles))


class InteractionDonor:
    """Exposures and interactions as those of `log` are, by time of day."""

    def __init__(self, log: AuctionLog, rng: np.random.Generator) -> None:
        counts = log.counts.sum(axis=0)
        everything = rng.integers(0, log.n, _PER_SLOT)
        picks = []
        for slot in range(log.slots):
            if counts[slot] == 0:
                picks.append(everything)
                continue
            rank = rng.integers(0, counts[slot], _PER_SLOT)
            ends = np.cumsum(log.counts[:, slot])
            day = np.searchsorted(ends, rank, side="right")
            picks.append(log.offsets[day, slot] + rank - (ends - log.counts[:, slot])[day])
        self._pick = np.stack(picks)  # (T, _PER_SLOT)
        self._exposure, self._interaction = log.exposure[self._pick], log.interaction[self._pick]
        self.note = f"exposures and interactions drawn: hot deck from {log.name!r}, by time of day"

    def draw(self, rng: np.random.Generator, time: Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Exposures and interactions (N,) for times of day (N,) in [0, 1)."""
        slot = (time * len(self._pick)).astype(np.int64)
        place = rng.integers(0, _PER_SLOT, len(time))
        return self._exposure[slot, place], self._interaction[slot, place]


def money_value(log: AuctionLog, pick: NDArray[np.int64]) -> Array:
    """Value (N,) of some auctions: conversions in currency, or interactions where the log has no conversions."""
    conversion = log.conversion[pick].astype(np.float64)
    if not conversion.any():
        return log.interaction[pick].astype(np.float64)
    day = np.searchsorted(log.offsets[:, -1], pick, side="right")
    return np.asarray(conversion * np.array([record.conversion_value for record in log.days])[day])


def _slots(log: AuctionLog, pick: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slot of each auction."""
    ends = log.offsets[:, 1:].ravel()
    return np.asarray(np.searchsorted(ends, pick, side="right") % log.slots)


def _scores(values: Array) -> Array:
    """Normal scores (N,); ties share theirs."""
    return np.asarray(ndtri((rankdata(values) - 0.5) / len(values)))


def _score_correlation(value: Array, price: Array) -> float:
    if np.ptp(value) == 0 or np.ptp(price) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(_scores(value), _scores(price))[0, 1], -0.99, 0.99))
