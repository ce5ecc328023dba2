"""Auctions per second and core of a market of 48 bidders that pace themselves, beside AuctionNet's simulator.

AuctionNet's simulator has 26 to 90 thousand auctions per second at 48 bidders; the baseline is the faster one, measured
elsewhere on such a core, so that the ratio is no ratio of one run.
"""

from __future__ import annotations

import json
import time

import numpy as np

from bidpilot.bidding.rule import Rule
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.market import rival_market
from bidpilot.envs.clearing.columns import FirstPrice

AUCTIONNET = 90_000.0
ROWS, ROUNDS = 64, 12


def measure(auctions_per_slot: int, first_price: bool) -> None:
    """Whole days of 64 markets, one of whose bidders is played; values are drawn before, pacing is in it."""
    config = RivalMarketConfig(auctions_per_slot=auctions_per_slot, pool_auctions=max(65_536, 192 * auctions_per_slot))
    market = rival_market(config)
    days = market.days(np.random.default_rng(0).random((ROWS, market.draws)))
    rivals, segments = days.answers, len(market.log.segments)
    assert rivals is not None
    rule = Rule(np.full((ROWS, 3), 0.05), np.ones((ROWS, segments)), np.zeros((ROWS, segments)))
    bids_paid = FirstPrice(np.full(ROWS, first_price), np.ones(256), np.full(ROWS, 0.08))
    left, best = np.full(ROWS, config.budget), np.inf
    for _ in range(ROUNDS):
        rivals.begin()
        start = time.perf_counter()
        for t in range(config.slots):
            rivals.answer(t, rule, left, None, bids_paid)
        best = min(best, time.perf_counter() - start)
    rate = float(days.count.sum()) / best
    name = f"rivals_{config.bidders}_{'first_' if first_price else ''}{auctions_per_slot}"
    line = {"name": name, "value": rate, "unit": "auctions/s", "baseline": AUCTIONNET, "ratio": rate / AUCTIONNET}
    print(json.dumps(line), flush=True)


def main() -> None:
    """Print one JSON line per measurement."""
    for auctions_per_slot in (200, 2_000):
        for first_price in (False, True):
            measure(auctions_per_slot, first_price)


if __name__ == "__main__":
    main()
