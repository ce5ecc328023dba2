"""Auctions per second and core: the clearing kernel beside the same clearing in NumPy, and behind a gate, in one run.

The ratio of a gate is the time of the kernel with it over the time without; at most 1.4.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
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


def best_seconds(plays: list[Callable[[], object]], repeats: int, rounds: int = 20) -> list[float]:
    """Least seconds of one call of each, the best of `rounds` of `repeats`, in turns."""
    best = [np.inf] * len(plays)
    for _ in range(rounds):
        for k, play in enumerate(plays):
            start = time.perf_counter()
            for _ in range(repeats):
                play()
            best[k] = min(best[k], (time.perf_counter() - start) / repeats)
    return best


def same_bids(episode: Episode, gate: Gate | None = None) -> Rule:
    """The reference coefficients for every segment."""
    flat = np.ones((ROWS, episode.segments))
    return Rule(episode.today.alpha, flat, 0.0 * flat, gate)


def kernel(
    episode: Episode, days: DayBatch, full: bool, gate: Gate | None = None
) -> tuple[Callable[[], None], SlotTotals]:
    """Clears the slot when called, compiled before; and where it writes the totals."""
    rule, totals = same_bids(episode, gate), SlotTotals.zeros(ROWS, episode.segments, episode.market.log.sources)
    second_price = FirstPrice(np.zeros(ROWS, np.bool_), np.ones(1), np.ones(ROWS))
    reference, budget = episode.today.alpha if full else None, episode.today.campaigns.budget

    def clear() -> None:
        clear_slot(episode.market, days, 0, rule, budget.copy(), second_price, reference, totals)

    clear()
    return clear, totals


def report(name: str, size: int, full: bool, fast: float, slow: float, ratio: float) -> None:
    """Print one line; `fast` and `slow` are seconds of a slot."""
    name, auctions = f"{name}_{'full_' if full else ''}{size}", ROWS * size
    line = {"name": name, "value": auctions / fast, "unit": "auctions/s", "baseline": auctions / slow, "ratio": ratio}
    print(json.dumps(line), flush=True)


def measure(size: int, full: bool) -> None:
    """Print kernel against NumPy at `size` auctions a slot."""
    episode, days = slots_of(size)
    clear, totals = kernel(episode, days, full)
    wins = numpy_clearing(episode, days, same_bids(episode), full)
    if abs(wins - int(totals.wins.sum())) > 1e-4 * wins:  # bids that tie to a rounding may fall either way
        raise AssertionError(
            f"the reference wins {wins} auctions, the kernel {totals.wins.sum()}: not the same clearing"
        )
    (fast,) = best_seconds([clear], max(1, 4_000_000 // (ROWS * size)))
    (slow,) = best_seconds([lambda: numpy_clearing(episode, days, same_bids(episode), full)], 1)
    report("clearing_kernel", size, full, fast, slow, slow / fast)


def measure_gate(size: int, full: bool, burst: bool) -> None:
    """Print the kernel behind a gate against the kernel, the slower of two gates: an open one, and a mixed one.

    In a `burst` half of the auctions have another origin than their column says. That is drawn for the won ones
    without a gate, and for all with one.
    """
    episode, days = slots_of(size)
    if burst:
        days = replace(days, invalid_share=np.full_like(days.invalid_share, 0.5))
    rng, sources = np.random.default_rng(1), episode.market.log.sources
    mixed = Gate(
        multiplier=rng.choice([0.0, 0.5, 1.0, 1.0], (ROWS, sources)),
        quota=np.where(rng.random((ROWS, sources)) < 0.3, 2.0 * size / sources, np.inf),
    )
    gates = (None, Gate.open(ROWS, sources), mixed)
    clears = [kernel(episode, days, full, gate)[0] for gate in gates]
    without, *behind = best_seconds(
        clears, max(1, 200_000 // (ROWS * size)), rounds=100
    )  # short turns: few are disturbed
    report(
        "clearing_gate_in_burst" if burst else "clearing_gate", size, full, max(behind), without, max(behind) / without
    )


def main() -> None:
    """Print one JSON line per measurement."""
    for size in (200, 1_000, 10_000):
        for full in (False, True):
            measure(size, full)
            measure_gate(size, full, burst=False)
            measure_gate(size, full, burst=True)


if __name__ == "__main__":
    main()
