"""The market of rivals beside AuctionNet's periods: how prices, values per price and the levels of blocks spread.

Run from the project's root: `python docs/answering.py ../shared/data/auctionnet/period-*.parquet [--json FILE]`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.market import rival_market
from bidpilot.envs.markets.fitted.published import level_statistics

SLOTS, LEVEL_SLOTS, TRAFFIC_SLOTS = 48, 8, 4
DAYS = 64
Array = NDArray[np.float64]


def spread(name: str, days: list[tuple[NDArray[np.int64], Array, Array]]) -> dict[str, Any]:
    """The numbers of some days, each with the slot (N,), the value and the market price of its auctions."""
    sums = [np.stack([np.bincount(slot, w, SLOTS) for w in (np.ones(len(slot)), v, p)]) for slot, v, p in days]
    count, value, price = np.stack(sums, axis=1)
    levels = level_statistics(count, value, price, LEVEL_SLOTS, TRAFFIC_SLOTS)
    logs = [np.log(p[p > 0]) for _, _, p in days]
    ratios = [np.quantile((v / p)[(v > 0) & (p > 0)], (0.5, 0.75, 0.9, 0.97, 0.99)) for _, v, p in days]
    by_slot = (price / count).reshape(len(days), -1, LEVEL_SLOTS)
    return {
        "market": name,
        "days": len(days),
        "price_log_std": float(np.mean([log.std() for log in logs])),
        "price_quantiles": np.mean([np.quantile(p, (0.1, 0.5, 0.9)) / p.mean() for _, _, p in days], axis=0).tolist(),
        "value_per_price": np.mean([ratio / ratio[0] for ratio in ratios], axis=0).tolist(),
        "value_level": levels.value_level.tolist(),
        "price_level": levels.price_level.tolist(),
        "value_per_price_level": levels.value_per_price.tolist(),
        "traffic": levels.traffic.tolist(),
        "price_in_block": (by_slot / by_slot.mean(axis=2, keepdims=True)).mean(axis=(0, 1)).tolist(),
    }


def recorded(periods: list[Path]) -> list[tuple[NDArray[np.int64], Array, Array]]:
    """The days of both advertisers of the periods."""
    columns = ["advertiserNumber", "timeStepIndex", "pValue", "leastWinningCost"]
    found = []
    for period in periods:
        frame = pl.read_parquet(period, columns=columns)
        for (_,), day in frame.sort("advertiserNumber").group_by("advertiserNumber", maintain_order=True):
            slot, value, price = (day[name].to_numpy() for name in columns[1:])
            found.append((slot.astype(np.int64), value.astype(np.float64), price.astype(np.float64)))
    return found


def of_rivals() -> list[tuple[NDArray[np.int64], Array, Array]]:
    """Days at the prices that rivals make alone; a value is a predicted conversion, as there."""
    market = rival_market(RivalMarketConfig())
    days = market.days(np.random.default_rng(0).random((DAYS, market.draws)))
    assert days.answers is not None
    columns, found = days.answers.columns, []
    for row in range(DAYS):
        slot = np.repeat(np.arange(SLOTS), days.count[row])
        at = slice(days.start[row, 0], days.start[row, 0] + len(slot))
        value = columns.conversion[at] * days.value_scale[row, slot, 0]
        found.append((slot, value.astype(np.float64), columns.market_price[at].astype(np.float64)))
    return found


def main() -> None:
    """Print the numbers, and write them where a file is named."""
    parser = argparse.ArgumentParser(description="The market of rivals beside AuctionNet's periods.")
    parser.add_argument("periods", type=Path, nargs="+", help="AuctionNet's traffic, a file for each period")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    asked = parser.parse_args()
    rows = [spread("AuctionNet", recorded(asked.periods)), spread("rivals", of_rivals())]
    for row in rows:
        print(json.dumps(row))
    if asked.json is not None:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
