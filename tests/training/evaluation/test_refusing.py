"""What refusing is worth: `mpc` on the suite `invalid`, told by source and slot which traffic is a burst."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import held_out, suite_forecast

DAYS = 8


def ratio(arena: Arena, gate_of: Callable[[int], Gate | None]) -> NDArray[np.float64]:
    """R / R* (D,) of `mpc` through the gates of slots."""
    episode = arena.episode
    observation = episode.begin(arena.days, arena.campaigns)
    day = AgentDay(controller_agent("mpc"), episode.rows, episode.segments, episode.replan)
    for t in range(episode.slots):
        observation = episode.play(day.act(observation), gate_of(t))
    return episode.score() / arena.best


def test_refusing_the_bursts_source_in_its_slots_raises_the_score_of_every_day() -> None:
    """Over 64 days the gain is 0.045 of R / R*; an open gate plays as none."""
    record = SUITES["invalid"]
    market, days = held_out(record, DAYS, 0)
    arena = Arena(market, suite_forecast(record), record.campaigns, days)

    def without_burst(t: int) -> Gate:
        gate, hit = Gate.open(DAYS, market.log.sources), np.flatnonzero(days.invalid_share[:, t] > 0)
        gate.multiplier[hit, days.invalid_source[hit, t]] = 0.0
        return gate

    plain = ratio(arena, lambda t: None)
    np.testing.assert_array_equal(ratio(arena, lambda t: Gate.open(DAYS, market.log.sources)), plain)
    gain = ratio(arena, without_burst) - plain
    assert (gain > 0.0).all()
    assert gain.mean() > 0.03
