"""A bid server's decision log as it would be after some days, written at once."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bidpilot.envs.logs.auction_log import AuctionLog

OUTCOMES = pl.Schema(
    {
        "key": pl.String,
        "event": pl.String,
        "count": pl.Int64,
        "value": pl.Float64,
        "interaction": pl.Float64,
        "conversion": pl.Float64,
    }
)


def write_served(folder: Path, log: AuctionLog, won: np.ndarray, orders: np.ndarray, first: str = "2026-03-01") -> Path:
    """Decisions and outcomes of a log's auctions, one date for each of its days, from `first` on.

    Args:
        folder: made where missing.
        log: what was offered; its true conversions are what was predicted.
        won: (N,) which auctions were won, at the market price.
        orders: (N,) what an order of each was worth, currency; 0: there was none.
        first: date of the first day.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "segments.json").write_text(json.dumps(log.segments))
    place = np.searchsorted(log.offsets[:, 1:].ravel(), np.arange(log.n), side="right")
    day, slot = np.divmod(place, log.slots)
    dates = [(date.fromisoformat(first) + timedelta(days=k)).isoformat() for k in range(log.n_days)]
    keys = [f"{k:08d}" for k in range(log.n)]
    frame = pl.DataFrame(
        {
            "key": keys,
            "campaign": "spring",
            "date": np.array(dates)[day],
            "slot": slot,
            "slots": log.slots,
            "time": np.arange(log.n, dtype=np.float64),
            "segment": np.array(log.segments)[log.segment],
            "source": log.source.astype(np.int64),
            "exposure": log.exposure.astype(np.float64),
            "interaction": log.interaction.astype(np.float64),
            "conversion": log.conversion.astype(np.float64),
            "result": np.where(won, "won", "lost"),
            "cost": np.where(won, log.market_price, 0.0),
            "market_price": log.market_price.astype(np.float64),
            "budget": log.days[0].budget,
            "conversion_value": log.days[0].conversion_value,
        }
    )
    frame.write_parquet(folder / "decisions-1.parquet")
    told: list[tuple[object, ...]] = [
        (keys[k], "convert", 1, float(orders[k]), 0.0, 1.0) for k in np.flatnonzero(won & (orders > 0))
    ]
    told += [(keys[k], "like", 1, None, 1.0, 0.0) for k in np.flatnonzero(won)[::3]]
    pl.DataFrame(told, OUTCOMES, orient="row").write_parquet(folder / "outcomes-1.parquet")
    return folder
