"""The parts of the closed form `adaptive` by name, and its re-plan without each: played, and never trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import ADAPTIVE
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.adaptive import UNLIKE
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.demand import DOUBTS, DemandCurves, Doubts
from bidpilot.bidding.plan.outlook import Outlook, outlook
from bidpilot.envs.bidding_env.compiled_replanner import CompiledAdaptiveReplanner
from bidpilot.envs.bidding_env.episode import ReplannerOf
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.suites import Suite


class _NoMixture(CompiledAdaptiveReplanner):
    unlike = np.zeros_like(UNLIKE)


@dataclass(frozen=True)
class Part:
    """One part of `adaptive`, as what is left out of it."""

    without: str  # one line
    doubts: Doubts = DOUBTS  # of traffic
    means: bool = True  # whether value and price have prior means of their own
    duals: bool = True  # whether later blocks are priced by their duals; else by their mean spend
    mixture: bool = True  # whether days of value and price unlike the forecast have a prior

    def outlook(self, forecast: Forecast, plan: BudgetPlan) -> Outlook:
        """What is expected of a day without the part."""
        whole = outlook(forecast, plan)
        found = replace(whole, demand=DemandCurves(forecast, plan.traffic_spread, self.doubts))
        if not self.means:
            found = replace(found, usual=np.zeros_like(whole.usual))
        if not self.duals:  # the tables of `mpc`, at a known level of the day; a block to begin is one of them
            found = replace(found, later=plan.later_known, blind=plan.later_known[:, : whole.blind.shape[1]])
        return found

    @property
    def replanner_of(self) -> ReplannerOf:
        """Makes the re-plan without the part."""
        made = CompiledAdaptiveReplanner if self.mixture else _NoMixture

        def replanner(
            market: Market,
            days: DayBatch,
            campaigns: CampaignBatch,
            forecast: Forecast,
            plan: BudgetPlan,
            index: NDArray[np.int64],
        ) -> CompiledAdaptiveReplanner:
            return made(forecast, plan, index, self.outlook(forecast, plan))

        return replanner


PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        "adaptive_means": Part(
            "(a) prior means of value and price of their own: days are expected at level 1", means=False
        ),
        "adaptive_duals": Part(
            "(b) the dynamic programme's inverse marginal values: later blocks by their mean spend, as in `mpc`",
            duals=False,
        ),
        "adaptive_curves": Part("(c) demand curves other than the forecast's", Doubts(other=0.0)),
        "adaptive_mixture": Part(
            "(d) the scale mixture: a day that looks unlike the forecast widens no prior of value or price, nor "
            "that of traffic on the forecast's curve",
            Doubts(unlike=0.0),
            mixture=False,
        ),
        "adaptive_recent": Part("(e) the rest of a block from its recent slots", Doubts(recent=0.0)),
    }
)
"""By the name of the row that plays without it."""


@dataclass(frozen=True)
class Without:
    """`adaptive` without one part, as it plays beside others: a name of `PARTS`."""

    name: str
    seeds: int = 1

    def play(self, suite: Suite) -> dict[str, Outcome]:
        """Its days on a suite."""
        return {self.name: suite.arena.play(controller_agent(ADAPTIVE.name), PARTS[self.name].replanner_of)}
