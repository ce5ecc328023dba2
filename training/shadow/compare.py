"""What a shadow policy would have bought and paid where the live one bid, as far as the market's prices are told.

The shadow decides from the same facts as the live policy: what that has spent and won. It is compared auction by
auction: with the price told, whether each wins and what it pays is known. Where it is not, a bid above a lost one, or
below a won one, may win or not: both are reckoned, and the interval holds them both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidLog
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.decisions import WON
from bidpilot.training.evaluation.statistics import interval
from bidpilot.training.report.shadow import DifferenceRow, ShadowRow

Array = NDArray[np.float64]
Block = Literal["auto", "day", "hour"]

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the ratio of the shadow's bids to those that were made."""
FEW_DAYS: Final = 5
"""Days below which hours are the blocks."""
_ALIKE = 1e-3  # relative difference up to which two bids are the same
_HOURS = 24


@dataclass(frozen=True)
class Bought:
    """What one policy wins and pays of N auctions."""

    wins: Array  # (N,) 0 or 1
    cost: Array  # (N,) currency


def compare(rows: pl.DataFrame, campaign: str, preference: Sequence[float], block: Block, seed: int = 0) -> ShadowRow:
    """Compare the policies on a campaign's rows of the log.

    Raises:
        InvalidLog: no row has a bid of a shadow.
    """
    own = rows.filter(pl.col("campaign") == campaign)
    both = own.filter(pl.col("shadow_bid").is_not_null())
    if both.is_empty():
        raise InvalidLog(
            f"no row of campaign {campaign} has a bid of a shadow. Serve with --shadow BUNDLE and --decisions DIR."
        )
    live, low, high = played(both)
    value = both.select(KPI).to_numpy().astype(np.float64)
    worth = value @ _weights(value, preference)
    dates = both["date"].to_numpy()
    by_hour = block == "hour" or (block == "auto" and len(np.unique(dates)) < FEW_DAYS)
    _, blocks = np.unique(_blocks(both) if by_hour else dates, return_inverse=True)
    bid, shadow = both["bid"].to_numpy(), both["shadow_bid"].to_numpy()
    made = bid > 0
    quantiles = np.quantile(shadow[made] / bid[made], QUANTILES) if made.any() else np.full(len(QUANTILES), np.nan)
    unclear = low.wins != high.wins
    measures = {"spend": None, "wins": np.ones(len(bid)), **dict(zip(KPI, value.T, strict=True)), "worth": worth}
    return ShadowRow(
        campaign=campaign,
        days=len(np.unique(dates)),
        auctions=len(bid),
        not_compared=len(own) - len(both),
        same_bids=float((np.abs(shadow - bid) <= _ALIKE * np.maximum(bid, shadow)).mean()),
        same_results=float((~unclear & (low.wins == live.wins)).mean()),
        unclear=float(unclear.mean()),
        ratios=[float(q) if np.isfinite(q) else None for q in quantiles],
        block="hour" if by_hour else "day",
        blocks=int(blocks.max()) + 1,
        differences=[
            _difference(name, _of(live, m), _of(low, m), _of(high, m), blocks, seed) for name, m in measures.items()
        ],
    )


def played(rows: pl.DataFrame) -> tuple[Bought, Bought, Bought]:
    """What the live policy has bought, and the shadow would have bought at least and at most."""
    bid, shadow, floor = (rows[name].to_numpy().astype(np.float64) for name in ("bid", "shadow_bid", "floor"))
    price = rows["market_price"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    first, won = rows["first_price"].to_numpy(), (rows["result"] == WON).to_numpy()
    cost = rows["cost"].to_numpy().astype(np.float64)
    price = np.where(won & ~first & ~np.isfinite(price), cost, price)  # a win at second price tells its price
    told = np.isfinite(price)
    bids = (shadow > 0) & (shadow >= floor)
    # a price that is not told lies above a bid that lost and not above one that won
    sure = bids & np.where(told, shadow >= np.where(told, price, 0.0), won & (shadow >= bid))
    never = ~bids | np.where(told, ~sure, ~won & (shadow <= bid) & (bid > 0))
    pays = np.where(first, shadow, np.where(told, np.where(told, price, 0.0), np.where(won & sure, cost, shadow)))
    live = Bought(won.astype(np.float64), np.where(won, cost, 0.0))
    low, high = (Bought(w.astype(np.float64), np.where(w, pays, 0.0)) for w in (sure, ~never))
    return live, low, high


def ratio_interval(
    more: Array, usual: Array, blocks: NDArray[np.int64], seed: int
) -> tuple[float, tuple[float, float] | None]:
    """Relative difference `sum(more) / sum(usual)` of sums over blocks, and its 95 % interval.

    By the influence of each block on the ratio (the delta method), whose mean is the ratio itself.
    """
    of_block, base = np.bincount(blocks, more), np.bincount(blocks, usual)
    ratio = float(of_block.sum() / base.sum())
    influence = ratio + (of_block - ratio * base) / base.mean()
    return ratio, interval(influence, np.arange(len(base)), np.random.default_rng(seed), trim=0.0)


def _of(bought: Bought, measure: Array | None) -> Array:
    """(N,) what is bought by a measure of each auction; None: what it costs."""
    return bought.cost if measure is None else bought.wins * measure


def _difference(name: str, live: Array, low: Array, high: Array, blocks: NDArray[np.int64], seed: int) -> DifferenceRow:
    usual = float(live.sum())
    least, most = float(low.sum()), float(high.sum())
    row = DifferenceRow(measure=name, live=usual, least=least, most=most, difference=None, low=None, high=None)
    if usual <= 0:
        return row
    (worst, under), (best, over) = (ratio_interval(side - live, live, blocks, seed) for side in (low, high))
    row["difference"] = (worst + best) / 2
    if under is not None and over is not None:
        row["low"], row["high"] = under[0], over[1]
    return row


def _weights(value: Array, preference: Sequence[float]) -> Array:
    """The preference over the mean of each KPI of all auctions, so that worth is in auctions' means."""
    mean = value.mean(axis=0)
    return np.array(preference) / np.where(mean > 0, mean, 1.0)


def _blocks(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Hours of days, numbered in time."""
    hours = rows.select(hour=pl.col("slot") * _HOURS // pl.col("slots"), day=pl.col("date").rank("dense"))
    return np.asarray(hours["day"].to_numpy() * _HOURS + hours["hour"].to_numpy(), np.int64)
