"""Auctions per second and core: the clearing kernel beside the same clearing in NumPy, in one run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.statistics import SlotTotals
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.clearing.slot import clear_slot
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS = 256


def slots_of(size: int) -> tuple[Episode, DayBatch]:
    """An episode whose every slot is a window of `size` auctions of the daily log."""
    market, rng = preset_market(), np.random.default_rng(0)
    days = market.days(rng.random((ROWS, market.draws)))
    days.start[:] = rng.integers(0, market.log.n - size, days.start.shape)
    days.count[:] = size
    episode = Episode(market, preset_forecast(), ROWS)
    campaign = preset_campaign().model_copy(update={"budget": preset_campaign().budget * size / 200})
    episode.begin(days, CampaignBatch.repeat(preset_campaign(), ROWS))
    episode.judge_by(CampaignBatch.repeat(campaign, ROWS))
    return episode, days


def numpy_clearing(episode: Episode, days: DayBatch, rule: Rule, full: bool) -> int:
    """The same slot, row by row, vectorised over its auctions; returns the wins.

    A loop over auctions is needed only once the budget is short, and here it never is: what is paid
    before that is a running sum.
    """
    log, wins = episode.market.log, 0
    for b in range(ROWS):
        at = slice(days.start[b, 0], days.start[b, 0] + days.count[b, 0])
        segment, source = log.segment[at], log.source[at]
        scale = days.value_scale[b, 0][segment]
        value = np.stack([log.exposure[at], log.interaction[at] * scale, log.conversion[at] * scale])
        value *= days.calibration[b][:, None]
        price = log.market_price[at] * days.price_scale[b, 0][segment]
        bid = rule.multiplier[b][segment] * (rule.alpha[b] @ value) + rule.beta[b][segment]
        won = (bid >= price) & (np.cumsum(np.where(bid >= price, price, 0.0)) <= episode.today.campaigns.budget[b])
        paid = np.where(won, price, 0.0)
        wins += int(won.sum())
        for key, size in ((segment, episode.segments), (source, log.sources)):
            np.bincount(key, minlength=size)
            np.bincount(key, won, size)
            np.bincount(key, paid, size)
        if full:
            np.quantile((episode.today.alpha[b] @ value) / price, RATIO_QUANTILES)
            value.sum(axis=1), (value * won).sum(axis=1)
            true = np.stack([log.true_exposure[at], log.true_interaction[at] * scale, log.true_conversion[at] * scale])
            (true * won).sum(axis=1)
            np.bincount(source, value[1] * won, log.sources)
    return wins


def best_seconds(play: Callable[[], object], repeats: int) -> float:
    """Least seconds of one call, the best of twenty rounds of `repeats`."""
    rounds = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(repeats):
            play()
        rounds.append((time.perf_counter() - start) / repeats)
    return min(rounds)


def measure(size: int, full: bool) -> None:
    """Print kernel against NumPy at `size` auctions a slot."""
    episode, days = slots_of(size)
    rule = Rule(episode.today.alpha, np.ones((ROWS, episode.segments)), np.zeros((ROWS, episode.segments)))
    totals = SlotTotals.zeros(ROWS, episode.segments, episode.market.log.sources)
    reference = episode.today.alpha if full else None
    campaigns, second_price = episode.today.campaigns, FirstPrice(np.zeros(ROWS, np.bool_), np.ones(1), np.ones(ROWS))

    def kernel() -> None:
        left = campaigns.budget.copy()
        clear_slot(episode.market, days, 0, rule, left, second_price, reference, totals)

    kernel()
    fast = ROWS * size / best_seconds(kernel, max(1, 4_000_000 // (ROWS * size)))
    wins = numpy_clearing(episode, days, rule, full)
    if abs(wins - int(totals.wins.sum())) > 1e-4 * wins:  # bids that tie to a rounding may fall either way
        raise AssertionError(
            f"the reference wins {wins} auctions, the kernel {totals.wins.sum()}: not the same clearing"
        )
    slow = ROWS * size / best_seconds(lambda: numpy_clearing(episode, days, rule, full), 1)
    name = f"clearing_kernel_{'full_' if full else ''}{size}"
    print(json.dumps({"name": name, "value": fast, "unit": "auctions/s", "baseline": slow, "ratio": fast / slow}))


def main() -> None:
    """Print one JSON line per measurement."""
    for size in (200, 1_000, 10_000):
        for full in (False, True):
            measure(size, full)


if __name__ == "__main__":
    main()
