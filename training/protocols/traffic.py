"""The `traffic` command: what the detector is worth on each market, beside no filter and the one that is told.

`mpc` plays the same days three times: without a filter, behind the detector, and behind the filter that is told which
traffic is invalid (`mpc_unfiltered`, `mpc`, `mpc_filtered` of `evaluate`). Differences are paired by day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.clearing.traffic import TrueTraffic
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.refusals import Accuracy, Refusals, Watch, accuracy, invalid_spend
from bidpilot.training.evaluation.rows import LEAST_GAP
from bidpilot.training.evaluation.statistics import NO_INTERVAL, interval
from bidpilot.training.evaluation.suites import synthetic_suite
from bidpilot.training.evaluation.traffic import detected, told, unfiltered
from bidpilot.training.protocols.config import TrafficConfig
from bidpilot.training.protocols.traffic_markets import Ground, grounds
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import steps
from bidpilot.training.report.tables import print_table
from bidpilot.training.report.traffic import TrafficRow, traffic_figure, traffic_table
from bidpilot.training.tracking import open_run


def run(config: TrafficConfig) -> list[TrafficRow]:
    """Play every market; print, draw, log and write a row for each.

    Raises:
        InvalidConfig: no market of a name that was asked for.
    """
    wanted = _named(config)
    console = Console()
    rows = []
    with open_run(
        config.experiment, "traffic", changed(config), {"traffic_filter": "detector"}, kind="traffic", config=config
    ) as tracked:
        with steps(console, len(wanted)) as step:
            for ground in wanted:
                step(f"playing {ground.name}")
                rows.append(_row(ground, _play(ground, config.days, config.seed), config.seed))
        tracked.log_metrics({f"{_metric(row['market'])}/gain": row["gain"] for row in rows}, 0)
        tracked.log_json(rows, "traffic.json")
        figure = traffic_figure(rows)
        if any(row["invalid_share"] > 0 for row in rows):
            tracked.log_figure(figure, "figures/traffic.png")
    print_table(traffic_table(rows, f"The traffic detector, {config.days} days a market, seed {config.seed}"), console)
    write_json(config.json_file, rows)
    write_figure(config.figure, figure)
    return rows


def _named(config: TrafficConfig) -> list[Ground]:
    every = grounds(config.seed)
    names = [ground.name for ground in every]
    for name in config.markets:
        if name not in names:
            raise InvalidConfig(f"no market of the traffic protocol is called {name!r}. Use {', '.join(names)}.")
    return [ground for ground in every if not config.markets or ground.name in config.markets]


@dataclass(frozen=True)
class _Played:
    """D days of one market, played three times."""

    ratios: NDArray[np.float64]  # (3, K) R / R* of the K days that are kept: unfiltered, detected, told
    units: NDArray[np.int64]  # (K,)
    days_in_a_row: int
    before: Refusals  # without a filter
    after: Refusals  # behind the detector
    truth: TrueTraffic
    budget: NDArray[np.float64]  # (D,) currency


def _play(ground: Ground, days: int, seed: int) -> list[_Played]:
    """Each market of a row; the days are shared out among several."""
    found = []
    for record in ground.records:
        suite = synthetic_suite(record, max(1, days // len(ground.records)), seed)
        agent, arena, slots = controller_agent(MPC.name), suite.arena, suite.arena.market.slots
        watches = Watch(), Watch()
        ratios = [
            arena.play(agent, filter_of=unfiltered, watch=watches[0]).ratio,
            arena.play(agent, filter_of=detected, watch=watches[1]).ratio,
            arena.play(agent, filter_of=told).ratio,
        ]
        before, after = (watch.refusals(slots) for watch in watches)
        budget = np.resize(arena.campaigns.budget, len(before.spend))  # of each turn the same
        length = len(before.spend) // len(arena.days)
        found.append(_Played(np.stack(ratios), suite.kept_units, length, before, after, arena.traffic, budget))
    return found


def _row(ground: Ground, played: Sequence[_Played], seed: int) -> TrafficRow:
    ratios = np.concatenate([p.ratios for p in played], axis=1)
    units = _apart([p.units for p in played])
    before, after = (Refusals.joined([getattr(p, kind) for p in played]) for kind in ("before", "after"))
    truth = TrueTraffic(*(np.concatenate([getattr(p.truth, k) for p in played]) for k in ("requests", "invalid")))
    budget = np.concatenate([p.budget for p in played])
    gains = ratios[1] - ratios[0]
    low, high = interval(gains, units, np.random.default_rng(seed), trim=0.0) or NO_INTERVAL
    room = float((ratios[2] - ratios[0]).mean())
    gain, share = float(gains.mean()), float(gains.mean()) / room if room >= LEAST_GAP else None
    wasted = [float((invalid_spend(found, truth) / budget).mean()) for found in (before, after)]
    judged: Accuracy = accuracy(after, truth)
    return TrafficRow(
        market=ground.name,
        bar=None if ground.bar is None else ground.bar.least,
        bar_of=None if ground.bar is None else ground.bar.of,
        met=_met(ground, gain, share),
        gain=gain,
        gain_low=low,
        gain_high=high,
        share=share,
        unfiltered=float(ratios[0].mean()),
        detected=float(ratios[1].mean()),
        told=float(ratios[2].mean()),
        invalid_share=float(truth.invalid.sum() / truth.requests.sum()),
        honest_refused=judged.honest_refused,
        honest_closed=judged.honest_closed,
        caught=judged.caught,
        precision=judged.precision,
        recall=judged.recall,
        slots_to_detection=judged.slots_to_detection,
        wasted_before=wasted[0],
        wasted_after=wasted[1],
        gain_by_day=_by_day(gains, played),
        days=len(gains),
        groups=len(np.unique(units)),
    )


def _met(ground: Ground, gain: float, share: float | None) -> bool | None:
    """Whether the bar is reached; None where there is none, or no gain to have a share of."""
    if ground.bar is None:
        return None
    reached = gain if ground.bar.of == "change" else share
    return None if reached is None else reached >= ground.bar.least


def _by_day(gains: NDArray[np.float64], played: Sequence[_Played]) -> list[float]:
    """Mean gain by the number of the day in its sequence; empty where days are not in a row, or some are left out."""
    length = played[0].days_in_a_row
    if length == 1 or len(gains) % length:
        return []
    by_day: list[float] = gains.reshape(length, -1).mean(axis=1).tolist()
    return by_day


def _apart(units: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Units of several markets as one, none shared."""
    firsts = np.cumsum([0, *(int(each.max()) + 1 for each in units[:-1])])
    return np.concatenate([each + first for each, first in zip(units, firsts, strict=True)])


def _metric(name: str) -> str:
    return name.replace(" %", "").replace(" ", "_")
