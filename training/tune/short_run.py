"""A learner's trials: training runs without validation, checkpoints or figures, whose last policy counts.

No setting that is searched changes what is imitated, so that one warm start serves all trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.catalogue import LEARNERS, LearnerName
from bidpilot.agents.learners.common.config import LearnerConfig
from bidpilot.agents.learners.common.imitation import imitate
from bidpilot.agents.learners.common.learner import trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.setting.setting import Setting
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.environment import TrainingGround, new_model, training_ground
from bidpilot.training.tune.config import TuneConfig

_SHARED = ("market", "log", "seed", "rows", "randomise", "pool", "regret", "imitation")
_SPREAD = "log_std"  # of the actions: a setting that is searched


def trial_config(config: TuneConfig, learner: LearnerName, settings: LearnerConfig) -> TrainConfig:
    """The training that a trial of these settings of a learner is."""
    own: dict[str, Any] = {"learner": learner, learner: settings}
    return TrainConfig(total_steps=config.steps, **own, **{name: getattr(config, name) for name in _SHARED})


@dataclass(frozen=True)
class WarmStart:
    """Where a training stands before the learner's first step."""

    weights: dict[str, torch.Tensor]  # of the policy, without the spread
    row_generators: list[dict[str, Any]]
    multipliers: NDArray[np.float64] | None  # of missed constraints
    torch_generator: torch.Tensor
    numpy_generator: Any

    @classmethod
    def of(cls, config: TrainConfig, ground: TrainingGround) -> WarmStart | None:
        """Imitate as `config` says; None where it says not to."""
        if config.imitation.rounds == 0:
            return None
        model, env = new_model(config, ground)
        imitate(LEARNERS[config.learner].load(), model, env, config.imitation, _unheard)
        weights = {k: v.clone() for k, v in model.policy.state_dict().items() if k != _SPREAD}
        prices = env.vector.prices
        return cls(
            weights,
            [deepcopy(dict(generator.bit_generator.state)) for generator in env.vector.generators],
            None if prices is None else prices.multiplier.copy(),
            torch.get_rng_state(),
            np.random.get_state(),  # noqa: NPY002 - stable-baselines3 draws its minibatches from it
        )

    def bring(self, model: OnPolicyAlgorithm, env: BiddingVecEnv) -> None:
        """Bring a new model and its environment here."""
        env.reset()
        for generator, state in zip(env.vector.generators, self.row_generators, strict=True):
            generator.bit_generator.state = state
        if env.vector.prices is not None and self.multipliers is not None:
            env.vector.prices.multiplier[:] = self.multipliers
        model.policy.load_state_dict({**model.policy.state_dict(), **self.weights})
        torch.set_rng_state(self.torch_generator)
        np.random.set_state(self.numpy_generator)  # noqa: NPY002


def short_run(config: TrainConfig, ground: TrainingGround, warm: WarmStart | None) -> NetworkPolicy:
    """The policy that `bidpilot train` has after the last step of `config`."""
    model, env = new_model(config, ground)
    if warm is not None:
        warm.bring(model, env)
    model.learn(config.total_steps)
    return trained_policy(LEARNERS[config.learner].load(), model, env)


@dataclass
class ShortRuns:
    """Scores hyperparameters of a learner: R / R* of the policy of a short run, on the days of an arena."""

    config: TrainConfig  # of a trial with the learner's own settings
    setting: Setting
    arena: Arena
    warm: WarmStart | None
    ground: TrainingGround | None = None  # made from setting and configuration where it is not given

    def __call__(self, settings: Mapping[str, Any]) -> float:
        """The interquartile mean."""
        if self.ground is None:
            self.ground = training_ground(self.config, self.setting)
        own = type(self.config.settings)(**settings)
        trial = self.config.model_copy(update={self.config.learner: own})
        return interquartile_mean(self.arena.play(short_run(trial, self.ground, self.warm)).ratio)


def _unheard(turn: int, actor: float, critic: float) -> None:
    """The losses of imitation are of no interest in a trial."""
