"""Validation: fixed days that are never trained on, their hindsight optimum computed once."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

from bidpilot.agents.policy import MlpPolicy
from bidpilot.bidding.campaign import CampaignBatch
from bidpilot.envs import seeding
from bidpilot.envs.episode import Episode
from bidpilot.solvers.hindsight import hindsight_utility
from bidpilot.training.setting import Setting

_TAIL = 0.25  # cut off at each end: the interquartile mean


@dataclass(frozen=True)
class Score:
    """R / R* of one policy over the validation days, and the share of the budget that it spent."""

    step: int  # environment steps trained
    iqm: float  # interquartile mean of R / R*
    mean: float
    p5: float  # 5th percentile
    p25: float
    p75: float
    spend_share: float

    def metrics(self) -> dict[str, float]:
        """The numbers under the names that MLflow shows, `validation/...`."""
        return {f"validation/{key}": value for key, value in asdict(self).items() if key != "step"}


class Validation:
    """`days` days of the validation domain in one setting; every policy plays the same ones."""

    def __init__(self, setting: Setting, days: int, seed: int) -> None:
        market = setting.market
        uniforms = seeding.stream(seeding.VALIDATION, seed).random((days, market.draws))
        self._days = market.days(uniforms)
        self._campaigns = CampaignBatch.repeat(
            setting.campaign, days, self._days.budget, self._days.conversion_value, self._days.max_cpa
        )
        self._episode = Episode(market, setting.forecast, days)
        self._episode.begin(self._days, self._campaigns)
        self._hindsight = hindsight_utility(market, self._days, self._campaigns, self._episode.ideal)

    def score(self, policy: MlpPolicy, step: int) -> Score:
        """Play every day with `policy`, trained for `step` steps."""
        self._play(policy)
        episode = self._episode
        ratio = episode.score() / self._hindsight
        p5, p25, p75 = np.percentile(ratio, [5, 25, 75])
        return Score(
            step=step,
            iqm=float(trim_mean(ratio, _TAIL)),
            mean=float(ratio.mean()),
            p5=float(p5),
            p25=float(p25),
            p75=float(p75),
            spend_share=float(1.0 - (episode.left / episode.campaigns.budget).mean()),
        )

    def budget_paths(self, policy: MlpPolicy) -> BudgetPaths:
        """Play every day and keep the budget left, the plan's, and R / R*."""
        left = self._play(policy)
        episode = self._episode
        planned = episode.plan.spend[episode.index]
        budget = episode.campaigns.budget[:, None]
        return BudgetPaths(left / budget, 1.0 - planned / budget, episode.score() / self._hindsight)

    def _play(self, policy: MlpPolicy) -> NDArray[np.float64]:
        """Budget left at the start of each slot and at the day's end (D, T + 1), currency."""
        episode = self._episode
        observation = episode.begin(self._days, self._campaigns)
        policy.start(episode.rows, episode.segments)
        left = np.empty((episode.rows, episode.slots + 1))
        left[:, 0] = episode.left
        for slot in range(episode.slots):
            observation = episode.play(policy.act(observation))
            left[:, slot + 1] = episode.left
        return left


@dataclass(frozen=True)
class BudgetPaths:
    """How D days went."""

    left: NDArray[np.float64]  # (D, T + 1) share of the budget left
    plan: NDArray[np.float64]  # (D, T + 1) share that the plan would have left
    ratio: NDArray[np.float64]  # (D,) R / R*
