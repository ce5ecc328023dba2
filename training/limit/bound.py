"""The limit day by day: the relaxed problem's value, and what policies that were played have less their penalties."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from bidpilot.bidding.campaign.batch import own_bounds
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.errors import NoLimit
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.traffic import unfiltered
from bidpilot.training.limit.day import Ground, OneDay, Path
from bidpilot.training.limit.law_curves import LogColumns
from bidpilot.training.limit.levels import NODES, BlockLevels, Nodes, Tilt, check_law
from bidpilot.training.limit.money import SlotCurves, money_value

FIT_DAYS: Final = 2048
"""Days of a stream of their own that 1 / R* is fitted to."""

Matrix = NDArray[np.float64]


def check_suite(record: SuiteRecord) -> None:
    """Refuse a suite that the bound does not hold for.

    Raises:
        NoLimit: says why.
    """
    check_law(record.name, record.market)
    campaign = record.campaigns[0]
    why = ""
    if record.rivals is not None:
        why = "its prices are the bids of rivals who answer, and the bound is for prices that are given"
    elif record.around is not None:
        why = "its days are of many markets, and the bound is for the law of one"
    elif len(record.campaigns) > 1:
        why = f"it has {len(record.campaigns)} campaigns, and the bound is for one"
    elif campaign.scalarisation is not Scalarisation.weighted_sum:
        why = f"its utility is {campaign.scalarisation.value}, and the bound is for one that adds up over auctions"
    elif own_bounds(campaign):
        why = "its campaign has constraints, and the bound is for a budget alone"
    elif campaign.auction != "second":
        why = "it is at first price, where R* is not what one scale buys"
    elif campaign.delays.wins > 0:
        why = "bids are held until wins are reported, and penalties are for slots that end when their prices are paid"
    elif record.forecast != record.market:
        why = "its forecast is of another market, so that the plan that actions scale is not of its law"
    if why:
        raise NoLimit(f"the limit on {record.name} is not known: {why}. Use daily or steady.")


class PathWatch:
    """Collects a path while an arena plays: give it as `watch`."""

    def __init__(self, arena: Arena) -> None:
        self._value = _value_per_utility(arena)
        self._scale: list[Matrix] = []
        self._left = [arena.campaigns.budget.copy()]
        self._utility = [np.zeros(len(arena.days))]

    def __call__(self, episode: Episode) -> None:
        """Take in the slot that has just been played."""
        alpha, plan = episode.rule.alpha, episode.today.alpha
        self._scale.append(np.log2(np.einsum("bj->b", alpha) / np.einsum("bj->b", plan)))
        self._left.append(episode.left.copy())
        self._utility.append(episode.utility.copy())

    def path(self) -> Path:
        """Of all slots that were played."""
        return Path(np.stack(self._scale), np.stack(self._left), np.diff(np.stack(self._utility), axis=0) * self._value)


@dataclass(frozen=True)
class DayLimits:
    """D days, in units of R / R*."""

    bound: Matrix  # (D,) the relaxed problem's value; its mean is the bound
    penalised: dict[str, Matrix]  # (D,) R / R* less penalty of each policy: at most the bound, day by day
    penalty: dict[str, Matrix]  # (D,) of each policy; its mean over days that could have been is 0


class Relaxation:
    """The bound on a suite, from its market's law and days of a stream of their own.

    Args:
        arena: the days, played without a filter of traffic.
        record: the suite's.
        penalised: False for the bound of perfect information, without penalties.
        fit_days: that 1 / R* is fitted to.
        nodes: of a block's law, a power of two.
        seed: of the days that 1 / R* is fitted to.
    """

    def __init__(
        self,
        arena: Arena,
        record: SuiteRecord,
        penalised: bool = True,
        fit_days: int = FIT_DAYS,
        nodes: int = NODES,
        seed: int = 0,
    ) -> None:
        market = arena.market
        assert isinstance(market, SyntheticMarket)
        config = market.config
        self._arena, self._penalised = arena, penalised
        alpha, budget = arena.episode.today.alpha[0], float(arena.campaigns.budget[0])
        columns, law_nodes = LogColumns.of(market.log, alpha), Nodes.of(config, nodes)
        uniforms = seeding.stream(seeding.suite_domain(f"limit {record.name}"), seed).random((fit_days, market.draws))
        fit = Arena(market, arena.forecast, record.campaigns, market.days(uniforms), filter_of=unfiltered)
        levels = BlockLevels.of(config, market.levels(uniforms))
        tilt = Tilt.fitted(levels, 1.0 / (fit.best * _value_per_utility(fit)))
        shape = config.slots // config.level_slots, config.level_slots
        values = np.concatenate([law_nodes.value, levels.value.ravel()])
        curves = SlotCurves.of(columns, values, market.demand.reshape(shape), market.price_curve.reshape(shape))
        money = money_value(curves, law_nodes, tilt, budget)
        self.ground = Ground(market, arena.days, alpha, budget, columns, law_nodes, tilt, curves, money)

    def limits(self, paths: Mapping[str, Path]) -> DayLimits:
        """The bound of every day, and of each policy's path what it has less penalties."""
        arena, ground = self._arena, self.ground
        assert arena.days.uniforms is not None
        levels = BlockLevels.of(ground.market.config, ground.market.levels(arena.days.uniforms))
        start, factor = ground.tilt.of(ground.nodes, levels)
        rest = 1.0 / (arena.best * _value_per_utility(arena)) / (start * factor)

        def limit(d: int) -> tuple[float, list[tuple[float, float]]]:
            one = OneDay(ground, levels, d, float(rest[d]), self._penalised)
            weight = start[d] * factor[d]
            # Factors have mean 1: what is known at the start of the day is left without, which takes their luck out.
            known = start[d] * one.start if self._penalised else weight * one.start
            policies = []
            for path in paths.values():
                penalty = weight * (one.charged(path) + one.start) - known
                policies.append((weight * rest[d] * path.gain[:, d].sum() - penalty, penalty))
            return known + weight * (one.best() - one.start), policies

        # Its kernels run outside of the interpreter's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            solved = track(pool.map(limit, range(len(arena.days))), "the limit, by days", total=len(arena.days))
            bound, policies = zip(*solved, strict=True)
        by_path = np.array(policies).reshape(len(bound), len(paths), 2)
        return DayLimits(
            bound=np.array(bound),
            penalised={name: by_path[:, k, 0] for k, name in enumerate(paths)},
            penalty={name: by_path[:, k, 1] for k, name in enumerate(paths)},
        )


def _value_per_utility(arena: Arena) -> float:
    """Currency of bids at scale 1 per unit of utility: the plan's coefficients are the utility's up to this factor."""
    today, preference = arena.episode.today, arena.campaigns.preference[0]
    return float((today.alpha[0] @ today.ideal[0]) / preference.sum())
