"""Two threads against one, and what bounds one core, in one run; wants two quiet cores.

`threads_environment_1000`: environment steps at 256 rows and 1,000 auctions a slot, whole days with their resets; the
bar is 1.7. `threads_kernel_1000`: the clearing alone. `threads_rivals_1000`: the contest of 48 bidders alone.
`core_memory`: bytes per second that the kernel streams on one core beside what a plain sum streams: far below 1, memory
does not bound it. `core_operations`: operations per second, some of them eight at once, with their number by hand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.rule import Rule
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.market import rival_market
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.clearing.slot import clear_slot
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS, AUCTIONS = 256, 1_000
BYTES = 4 * 4 + 2 * 2
"""Of the log per auction: price and three KPIs in float32, segment and source in int16. Won auctions, one in six or
fewer, read 13 more; all else that a chunk touches stays in the first-level cache."""
OPERATIONS = {
    "factors by segment": 8,  # four loads and stores
    "price and bid": 9,  # price 1, worth 6, multiplier and beta 2
    "value per price and its bin": 12,  # worth 6, division 1, shift and clip 4, store 1
    "sums of what is offered": 10,  # arriving 1, three KPIs 8, price 1
    "counts by segment and bin": 6,  # loads, additions and stores that follow each other
    "reached or not, and listed": 4,
}


def in_turns(plays: list[Callable[[], object]], rounds: int) -> list[float]:
    """Least seconds of each, taken in turns."""
    best = [np.inf] * len(plays)
    for _ in range(rounds):
        for k, play in enumerate(plays):
            start = time.perf_counter()
            play()
            best[k] = min(best[k], time.perf_counter() - start)
    return best


def report(name: str, value: float, unit: str, baseline: float, **more: object) -> None:
    """Print one line."""
    line = {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": value / baseline, **more}
    print(json.dumps(line), flush=True)


def days_of(threads: int) -> Callable[[], None]:
    """Plays a day of an environment, and its reset, when called."""
    env = BiddingVectorEnv(ROWS, threads=threads)
    env.reset(seed=0)
    action = np.zeros((ROWS, *env.single_action_space.shape), np.float32)  # type: ignore[misc]

    def day() -> None:
        days, log = env.episode.today.days, env.episode.market.log
        days.count[:] = AUCTIONS
        np.minimum(days.start, log.n - AUCTIONS, out=days.start)
        for _ in range(env.episode.slots):
            env.step(action)

    return day


def slot_of(threads: int) -> Callable[[], None]:
    """Clears a slot when called."""
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((ROWS, market.draws)))
    days.count[:] = AUCTIONS
    np.minimum(days.start, market.log.n - AUCTIONS, out=days.start)
    episode = Episode(market, preset_forecast(), ROWS)
    episode.begin(days, CampaignBatch.repeat(preset_campaign(), ROWS))
    flat = np.ones((ROWS, episode.segments))
    rule, totals = Rule(episode.today.alpha, flat, 0.0 * flat), episode.totals
    second_price, left = FirstPrice(np.zeros(ROWS, np.bool_), np.ones(1), np.ones(ROWS)), episode.left

    def clear() -> None:
        clear_slot(market, days, 0, rule, left.copy(), second_price, episode.today.alpha, totals, None, threads)

    assert isinstance(totals, SlotTotals)
    return clear


def contest_of(threads: int) -> Callable[[], None]:
    """Plays a slot of rivals when called."""
    market = rival_market(RivalMarketConfig(auctions_per_slot=AUCTIONS, pool_auctions=2 * 68_000))
    days = market.days(np.random.default_rng(0).random((64, market.draws)))
    rivals, segments = days.answers, len(market.log.segments)
    assert rivals is not None
    rule = Rule(np.full((64, 3), 0.05), np.ones((64, segments)), np.zeros((64, segments)))
    bids_paid = FirstPrice(np.zeros(64, np.bool_), np.ones(256), np.ones(64))

    def play() -> None:
        rivals.begin()
        for t in range(4):
            rivals.answer(t, rule, np.full(64, 10.0), None, bids_paid, threads)

    return play


def main() -> None:
    """Print one JSON line per measurement."""
    parser = argparse.ArgumentParser(description="Two threads against one, and what bounds one core.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    for name, made, steps in (
        ("environment", days_of, ROWS * 48),
        ("kernel", slot_of, ROWS),
        ("rivals", contest_of, 256),
    ):
        plays = [made(1), made(asked.threads)]
        in_turns(plays, 1)
        one, several = in_turns(plays, asked.rounds if steps > ROWS else 10 * asked.rounds)
        report(f"threads_{name}_{AUCTIONS}", steps / several, "steps/s", steps / one, threads=asked.threads)
    (clear,) = in_turns([slot_of(1)], 10 * asked.rounds)
    column = np.ones(50_000_000, np.float32)
    (plain,) = in_turns([lambda: column.sum()], asked.rounds)
    rate = ROWS * AUCTIONS / clear
    report("core_memory", rate * BYTES, "bytes/s", column.nbytes / plain, bytes_per_auction=BYTES)
    total, each = sum(OPERATIONS.values()), 1e9 / rate
    report("core_operations", rate * total, "operations/s", 1e9, operations_per_auction=total, ns_per_auction=each)


if __name__ == "__main__":
    main()
