"""Memory: a log of 10 million auctions, and what stepping over it adds; the baseline is the bar of 500 MB."""

from __future__ import annotations

import json
import resource

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket

AUCTIONS, DAYS, SLOTS, SOURCES = 10_000_000, 10, 48, 64
BAR = 500.0
SEGMENTS = ("feed/head", "feed/tail")


def resident() -> float:
    """Megabytes (10^6 bytes) of this process now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def make_log() -> AuctionLog:
    """A log without true values, as most recorded ones; drawn straight into float32 columns."""
    rng = np.random.default_rng(0)
    price, exposure, interaction, conversion = (rng.random(AUCTIONS, np.float32) for _ in range(4))
    edges = np.linspace(0, AUCTIONS, DAYS * SLOTS + 1).astype(np.int64)
    return AuctionLog(
        name="large",
        market_price=price,
        exposure=exposure,
        interaction=interaction,
        conversion=conversion,
        true_exposure=exposure,
        true_interaction=interaction,
        true_conversion=conversion,
        segment=rng.integers(0, len(SEGMENTS), AUCTIONS, np.int16),
        source=rng.integers(0, SOURCES, AUCTIONS, np.int16),
        invalid=np.zeros(AUCTIONS, np.bool_),
        interacted=None,
        converted=None,
        offsets=np.stack([edges[d * SLOTS : (d + 1) * SLOTS + 1] for d in range(DAYS)]),
        days=tuple(DayRecord(f"day {d}", f"day {d}", 1000.0, 1.0) for d in range(DAYS)),
        segments=SEGMENTS,
        sources=SOURCES,
    )


def report(name: str, value: float) -> None:
    """Print one measurement."""
    print(json.dumps({"name": name, "value": value, "unit": "MB", "baseline": BAR, "ratio": value / BAR}))


def main() -> None:
    """Print one JSON line per measurement."""
    start = resident()
    market = RecordedMarket(make_log())
    report("log_10m_auctions", resident() - start)
    forecast = fit_forecast(market, market.recorded([0]))
    episode = Episode(market, forecast, DAYS)
    days = market.recorded(np.arange(DAYS))
    episode.begin(days, CampaignBatch.repeat(Campaign(budget=1000.0), DAYS))
    episode.play(np.zeros((DAYS, 3 + len(SEGMENTS))))
    before = resident()
    for _ in range(SLOTS - 1):
        episode.play(np.zeros((DAYS, 3 + len(SEGMENTS))))
    report("stepping_10m_auctions", resident() - before)


if __name__ == "__main__":
    main()
