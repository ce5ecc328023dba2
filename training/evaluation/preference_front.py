"""The front that one agent attains over preferences, beside the front of the hindsight optimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import moocore
import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.gains import row_gains
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.play import Arena, in_ideal_points
from bidpilot.training.evaluation.suites import Suite, held_out, suite_forecast
from bidpilot.training.evaluation.traffic import FilterOf, detected
from bidpilot.training.report.preference_front import PreferenceFront
from bidpilot.training.report.tables import PreferenceFrontRow

_PARTS = 4  # of the simplex: 15 preferences

Floats = NDArray[np.float64]


def preference_grid(parts: int = _PARTS) -> Floats:
    """All preferences (P, 3) in multiples of 1 / parts; P = (parts + 1) (parts + 2) / 2."""
    counts = [(i, j, parts - i - j) for i, j in product(range(parts + 1), repeat=2) if i + j <= parts]
    return np.array(counts, np.float64) / parts


def hypervolume(points: Floats) -> float:
    """Volume that points (P, 3), in ideal points, dominate above (0, 0, 0)."""
    volume = moocore.hypervolume(np.ascontiguousarray(points), ref=np.zeros(3), maximise=True)
    return float(volume)


def play_front(
    record: SuiteRecord,
    contestants: Sequence[Contestant],
    days: int,
    seed: int,
    filter_of: FilterOf = detected,
    begun: Callable[[], None] = lambda: None,
) -> PreferenceFront:
    """Mean totals x / z of each agent, and of the hindsight optimum, for every preference of the grid.

    A weighted sum and no constraint, on the suite's market, auction format, feedback and delays. The optimum of a
    mean over days is the mean of the days' optima, as the ideal point is the same for all. `begun` is called before
    every preference.
    """
    grid = preference_grid()
    market, drawn = held_out(record, days, seed)
    forecast, gains = suite_forecast(record), row_gains(record.gains)
    exact, attained = [], []
    for preference in grid:
        begun()
        arena = Arena(market, forecast, _campaign(record.campaigns[0], preference), drawn, filter_of=filter_of)
        exact.append(in_ideal_points(arena.best_kpi, arena.episode.today.ideal)[arena.kept].mean(axis=0))
        suite = Suite(record.name, gains, arena, np.arange(days))
        played = [row for contestant in contestants for row in contestant.play(suite).items()]
        attained.append({name: outcome.reached.mean(axis=0) for name, outcome in played})
    fronts = {agent: np.array([totals[agent] for totals in attained]) for agent in attained[0]}
    return PreferenceFront(record.name, grid, np.array(exact), fronts)


def front_rows(front: PreferenceFront, seeds: dict[str, int], days: int) -> list[PreferenceFrontRow]:
    """Each agent's front in numbers.

    A utility loss is `1 - w . x(w) / w . x*(w)`: at each preference w, what the agent told w misses of what the
    hindsight optimum has.
    """
    best, whole = (front.preference * front.exact).sum(axis=1), hypervolume(front.exact)
    rows = []
    for agent, points in front.attained.items():
        loss = 1.0 - (front.preference * points).sum(axis=1) / best
        worst = int(np.argmax(loss))
        rows.append(
            PreferenceFrontRow(
                agent=agent,
                suite=front.suite,
                hypervolume_share=hypervolume(points) / whole,
                worst_loss=float(loss[worst]),
                worst_preference=front.preference[worst].tolist(),
                mean_loss=float(loss.mean()),
                totals=points.tolist(),
                days=days,
                seeds=seeds.get(agent, 1),
            )
        )
    return rows


def _campaign(template: Campaign, preference: Floats) -> Campaign:
    """A weighted sum without constraints that otherwise answers as the suite's first campaign."""
    exposure, interaction, conversion = preference.tolist()
    return Campaign(
        budget=template.budget,
        conversion_value=template.conversion_value,
        preference=(exposure, interaction, conversion),
        auction=template.auction,
        feedback=template.feedback,
        delays=template.delays,
    )
