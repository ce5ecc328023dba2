"""What the loop begins with: days of auctions drawn at random, in whole micro-units, as a user's own CSV files.

Prices and KPIs are whole numbers of millionths, and at most 16, up to where float32 tells millionths apart: a value
that is read back anywhere in the loop rounds to the very number it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

MICRO = 1_000_000
SLOTS = 24
CONVERSION_VALUE = 30.0  # currency
SHARE_WEIGHT = 4  # interactions that one share counts for
BUDGET_SHARE = 0.12  # of what all of a usual day's auctions cost
KPIS = ("exposure", "interaction", "conversion")
AMOUNTS = ("price", *KPIS)
CHANNELS, TIERS, PUBLISHERS = ("feed", "search"), ("head", "tail"), 12
BOTS, BURST = "pub-3", range(9, 14)  # the publisher that floods a day with bots, and the slots of the flood

_FIRST = date(2026, 3, 2)
_MOST = 16.0
_PRICE, _CONVERSION = 0.05, 0.004  # currency for an exposure, conversions of one: medians
_DAY_VALUE, _DAY_PRICE, _DAY_TRAFFIC = 0.45, 0.2, 0.2  # standard deviations of the log of a day's levels

MAPPING = {
    "time": {"column": "ts", "form": "epoch_ms", "zone": "UTC"},
    "slots": SLOTS,
    "key": ["request_id"],
    "price": {"column": "clearing_cpm", "unit": 0.001},
    "exposure": {"sum": {"p_complete": 1}},
    "interaction": {"sum": {"p_like": 1, "p_share": SHARE_WEIGHT}},
    "conversion": {"sum": {"pcvr": 1}},
    "interacted": {"sum": {"likes": 1, "shares": SHARE_WEIGHT}},
    "converted": {"sum": {"purchases": 1}},
    "channel": "placement",
    "tier": "content",
    "source": "publisher",
    "budget": "daily_budget",
    "conversion_value": CONVERSION_VALUE,
}


@dataclass(frozen=True)
class Source:
    """Days of auctions.

    `auctions` has a row per auction in order of time: day (ISO 8601), slot, ts (milliseconds since 1970), request_id,
    placement, content, publisher; in millionths `price` (currency per exposure) and the KPIs, with `like` and `share`,
    which make the interaction; the realised `likes`, `shares`, `interacted`, `converted` and `views` (counts); and
    whether it is a `bot`'s.
    """

    auctions: pl.DataFrame
    budget: float  # currency per day

    @property
    def days(self) -> list[str]:
        """The days, in order."""
        return [str(day) for day in self.auctions["day"].unique(maintain_order=True)]


def draw(first: int, days: int, auctions: int, rng: np.random.Generator) -> Source:
    """Days number `first` to `first + days - 1` of about `auctions` auctions each.

    Days differ in the levels of value, price and traffic: one who plans once for all of them does worse than one who
    looks, so that a policy has something to win.
    """
    frames = [_day(_FIRST + timedelta(days=first + d), auctions, rng) for d in range(days)]
    # the budget of a usual day, the same for all: what a bundle's campaign then has too
    return Source(pl.concat(frames), round(BUDGET_SHARE * _PRICE * auctions, 2))


def flooded(source: Source, rng: np.random.Generator) -> Source:
    """The same days with bots: in each slot of the burst `BOTS` sends twice as many requests more as all do together.

    To a bidder they look like other auctions; nobody views what they buy, and nothing comes of it.
    """
    burst = source.auctions.filter(pl.col("slot").is_in(BURST))
    picked = np.sort(rng.integers(0, burst.height, 2 * burst.height))
    nothing = (pl.lit(0, pl.Int64).alias(name) for name in ("likes", "shares", "interacted", "converted", "views"))
    bots = burst[picked].with_columns(
        *nothing,
        pl.lit(True).alias("bot"),
        pl.lit(BOTS).alias("publisher"),
        pl.concat_str("request_id", pl.lit("-bot-"), pl.int_range(pl.len())).alias("request_id"),
    )
    return Source(pl.concat([source.auctions, bots]).sort("ts", maintain_order=True), source.budget)


def _day(day: date, auctions: int, rng: np.random.Generator) -> pl.DataFrame:
    value, price, traffic = np.exp(rng.normal(0.0, (_DAY_VALUE, _DAY_PRICE, _DAY_TRAFFIC)))
    curve = 1.0 + 0.5 * np.sin(2 * np.pi * (np.arange(SLOTS) - 8) / SLOTS)
    counts = rng.poisson(auctions / SLOTS * traffic * curve)
    n = int(counts.sum())
    worth = rng.normal(0.0, 1.0, n)
    tail = rng.random(n) < 0.3
    length = 86_400_000 // SLOTS
    slot = np.repeat(np.arange(SLOTS), counts)
    within = np.concatenate([np.sort(rng.choice(length, count, replace=False)) for count in counts])
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    like = _micro(0.05 * value * np.exp(0.7 * worth + rng.normal(0.0, 0.5, n)), 1.0)
    share = _micro(0.01 * value * np.exp(0.7 * worth + rng.normal(0.0, 0.5, n)), 1.0)
    exposure = _micro(rng.uniform(0.2, 1.0, n), 1.0)
    conversion = _micro(_CONVERSION * value * np.exp(0.8 * worth + rng.normal(0.0, 0.3, n)), 0.5)
    likes, shares = rng.poisson(like / MICRO), rng.poisson(share / MICRO)
    return pl.DataFrame(
        {
            "day": [day.isoformat()] * n,
            "slot": slot,
            "ts": start + slot * length + within,
            "request_id": [f"{day.isoformat()}-{i}" for i in range(n)],
            "placement": np.array(CHANNELS)[rng.integers(0, len(CHANNELS), n)],
            "content": np.where(tail, TIERS[1], TIERS[0]),
            "publisher": [f"pub-{i}" for i in rng.integers(0, PUBLISHERS, n)],
            "price": _micro(_PRICE * price * np.exp(0.5 * worth + rng.normal(0.0, 0.6, n) - 0.3 * tail), _MOST),
            "exposure": exposure,
            "like": like,
            "share": share,
            "interaction": like + SHARE_WEIGHT * share,
            "conversion": conversion,
            "likes": likes,
            "shares": shares,
            "interacted": likes + SHARE_WEIGHT * shares,
            "converted": (rng.random(n) < conversion / MICRO).astype(np.int64),
            "views": (rng.random(n) < exposure / MICRO).astype(np.int64),
            "bot": False,
        }
    )


def _micro(values: NDArray[np.float64], most: float) -> NDArray[np.int64]:
    """Whole millionths, at least one, and at most `most` in all."""
    whole: NDArray[np.int64] = np.clip(np.rint(values * MICRO), 1, most * MICRO).astype(np.int64)
    return whole


@dataclass(frozen=True)
class Fault:
    """Rows of a file that no import can use."""

    rows: int
    column: str
    text: str


FAULTS: Sequence[Fault] = (
    Fault(5, "clearing_cpm", "-1"),
    Fault(3, "pcvr", "1.5"),
    Fault(2, "ts", "yesterday"),
)
REPEATED = 7  # rows whose request_id was met before
REASONS = sorted([*(fault.rows for fault in FAULTS), REPEATED])
"""How many rows are to be set aside for each of the reasons, which differ in their numbers."""


def write_csv(source: Source, path: Path) -> int:
    """Write the file that the user has, with rows that cannot be used at its end; the number of its rows."""
    frame = source.auctions.select(
        pl.col("ts").cast(pl.String),
        "request_id",
        (pl.col("price") / 1_000).round(3).cast(pl.String).alias("clearing_cpm"),
        (pl.col("exposure") / MICRO).alias("p_complete"),
        (pl.col("like") / MICRO).alias("p_like"),
        (pl.col("share") / MICRO).alias("p_share"),
        (pl.col("conversion") / MICRO).cast(pl.String).alias("pcvr"),
        "likes",
        "shares",
        pl.col("converted").alias("purchases"),
        "placement",
        "content",
        "publisher",
        pl.lit(source.budget).alias("daily_budget"),
        pl.lit("Mozilla/5.0").alias("user_agent"),
    )
    bad, taken = [frame.head(REPEATED)], REPEATED
    for fault in FAULTS:
        rows = frame.slice(taken, fault.rows)
        renamed = pl.col("request_id") + "-bad"
        bad.append(rows.with_columns(renamed, pl.lit(fault.text).alias(fault.column)))
        taken += fault.rows
    whole = pl.concat([frame, *bad])
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.write_csv(path)
    return whole.height


def write_mapping(path: Path) -> None:
    """Write what says what each column is."""
    path.write_text(yaml.safe_dump(MAPPING))
