"""One of PPO's trials: a training run without validation, checkpoints or figures, whose last policy counts."""

from __future__ import annotations

from bidpilot.agents.imitation import imitate
from bidpilot.agents.policy import MlpPolicy
from bidpilot.agents.ppo_config import PpoConfig
from bidpilot.training.config import TrainConfig, TuneConfig
from bidpilot.training.train.environment import TrainingGround, new_model

_SHARED = ("market", "log", "seed", "rows", "randomise", "pool", "regret", "imitation")


def trial_config(config: TuneConfig, ppo: PpoConfig) -> TrainConfig:
    """The training that a trial of these settings is."""
    return TrainConfig(total_steps=config.steps, ppo=ppo, **{name: getattr(config, name) for name in _SHARED})


def short_run(config: TrainConfig, ground: TrainingGround) -> MlpPolicy:
    """The policy that `bidpilot train` has after the last step of `config`."""
    model, env = new_model(config, ground)
    imitate(model, env, config.imitation, _unheard)
    model.learn(config.total_steps)
    return MlpPolicy.from_sb3(model, config.ppo.residual, config.ppo.hidden)


def _unheard(turn: int, actor: float, critic: float) -> None:
    """The losses of imitation are of no interest in a trial."""
