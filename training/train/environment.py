"""Where a policy trains and what it begins from, for a run and for a trial of tuning alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.hidden import seen_features
from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.replanners import Replan
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.campaign_pool import CampaignPool, draw_pool
from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.worlds import worlds_market
from bidpilot.training.setting.setting import Setting
from bidpilot.training.train.config import TrainConfig


@dataclass(frozen=True)
class TrainingGround:
    """What all environments of one run or one tuning share; markets and pools take seconds to make."""

    setting: Setting
    market: Market  # the setting's own, or with worlds around it
    pool: CampaignPool | None  # None where every day is the setting's own campaign

    def environment(self, config: TrainConfig, features: tuple[str, ...] | None = None) -> BiddingVecEnv:
        """A new environment of `config.rows` rows, whose multipliers of missed constraints are at zero.

        It shows `features`, or where None all that this version observes but what `config` hides.
        """
        residual = config.settings.added_to
        vector = BiddingVectorEnv(
            config.rows,
            self.market,
            self.setting.forecast,
            self.setting.campaign,
            pool=self.pool,
            prices=ConstraintPrices() if self.pool is not None or _constrained(self.setting) else None,
            regret=config.regret,
            traffic_filter=config.traffic_filter,
            replan=Replan.FORECAST if residual is None else residual.base.replan,
            threads=config.threads,
        )
        if features is None:
            features = seen_features(config.settings.hidden, len(self.setting.forecast.segments))
        return BiddingVecEnv(vector, residual, features)


def _constrained(setting: Setting) -> bool:
    return bool(setting.recorded) or bool(CampaignBatch.repeat(setting.campaign, 1).constrained.any())


def training_ground(config: TrainConfig, setting: Setting) -> TrainingGround:
    """The setting's own days and campaign, or worlds and campaigns around a preset where `config` asks to randomise."""
    if not config.broadens:
        return TrainingGround(setting, setting.market, None)
    rng = seeding.stream(seeding.CAMPAIGNS, config.seed)
    pool = draw_pool(config.pool, setting.campaign, setting.forecast, rng)
    if config.worlds == 0:
        return TrainingGround(setting, setting.market, pool)
    seeds = np.random.SeedSequence([seeding.LOG_TRAINING, config.seed])
    return TrainingGround(setting, worlds_market(config.market, seeds, worlds=config.worlds), pool)


def new_model(
    config: TrainConfig, ground: TrainingGround, features: tuple[str, ...] | None = None
) -> tuple[OnPolicyAlgorithm, BiddingVecEnv]:
    """An untrained model and its environment, seeded by `config.seed` for the first reset; `features` as there."""
    env = ground.environment(config, features)
    model = LEARNERS[config.learner].load().make(config.settings, env, config.seed % 2**32)
    env.seed(config.seed * config.rows)  # two seeds share no row's stream
    return model, env
