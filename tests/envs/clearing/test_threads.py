"""Facts about threads: any number plays the same days to the last bit, and what a part raises is raised."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.clearing.threads import in_parts
from bidpilot.envs.markets.forecasting import fit_forecast
from tests.envs.answering.small import small_market, some_days


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_every_row_is_played_once(threads: int, rows: int) -> None:
    played = np.zeros(rows, np.int64)

    def work(first: int, last: int) -> None:
        played[first:last] += 1

    in_parts(rows, threads, work)
    assert (played == 1).all()


@pytest.mark.parametrize("bad", [0, 1])
def test_what_a_part_raises_is_raised(bad: int) -> None:
    def work(first: int, last: int) -> None:
        if first == bad:
            raise ValueError(first)

    with pytest.raises(ValueError, match=str(bad)):
        in_parts(2, 2, work)


def test_no_thread_at_all_is_refused() -> None:
    with pytest.raises(InvalidMarket, match="threads"):
        BiddingVectorEnv(2, threads=0)


@pytest.mark.parametrize("rivals", [False, True], ids=["daily", "rivals"])
def test_any_number_of_threads_plays_the_same_days_to_the_last_bit(rivals: bool) -> None:
    found = []
    for threads in (1, 2, 3):
        settings: dict[str, Any] = {}
        if rivals:
            market = small_market(played=1)
            settings = {"market": market, "forecast": fit_forecast(market, some_days(market)[0])}
        env = BiddingVectorEnv(5, threads=threads, **settings)
        observation, _ = env.reset(seed=3)
        rng = np.random.default_rng(0)
        seen: list[np.ndarray] = [observation]
        for _ in range(min(env.episode.slots, 6)):
            action = rng.uniform(-1, 1, env.action_space.shape)
            observation, reward, _ = env.play(action)
            totals = [np.asarray(getattr(env.episode.totals, field.name)) for field in fields(env.episode.totals)]
            seen += [observation, reward, env.episode.left.copy(), *(total.copy() for total in totals)]
        found.append(seen)
    for other in found[1:]:
        for one, another in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, another)
