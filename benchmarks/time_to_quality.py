"""Seconds until PPO reaches R / R* 0.98 on `steady`: the native vector environment beside SB3's DummyVecEnv.

Both train the same PPO on the same days (row b of the one is single environment b of the other), and are validated on
the same validation days after every rollout; validation is not counted.
"""

from __future__ import annotations

import json
import time

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from bidpilot.agents.learners.common.trained_policy import trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.agents.learners.ppo.learner import make_ppo
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.setting.setting import training_setting

ROWS, GOAL, MOST = 256, 0.98, 1_000_000
CONFIG = PpoConfig(residual=False, learning_rate=1e-3, log_std_init=-1.5)


class _Until(BaseCallback):
    """Stops the training at the goal; `seconds` and `ratio` say when and where it stood."""

    def __init__(self, arena: Arena) -> None:
        super().__init__()
        self.arena, self.seconds, self.ratio = arena, 0.0, 0.0
        self._validating = 0.0

    def _on_training_start(self) -> None:
        self._began = time.perf_counter()

    def _on_rollout_start(self) -> None:
        now = time.perf_counter()
        self.seconds = now - self._began - self._validating
        assert isinstance(self.model, PPO)
        self.ratio = interquartile_mean(self.arena.play(trained_policy(self.model)).ratio)
        self._validating += time.perf_counter() - now

    def _on_step(self) -> bool:
        return self.ratio < GOAL


def seconds_to_goal(env: VecEnv, arena: Arena) -> tuple[float, int]:
    """Seconds of training until the goal, and the environment steps that it took."""
    model = make_ppo(CONFIG, env, 0)
    env.seed(0)
    until = _Until(arena)
    model.learn(MOST, until)
    if until.ratio < GOAL:
        raise RuntimeError(f"R / R* {until.ratio:.4f} after {MOST:,} steps: the goal of {GOAL} was not reached")
    return until.seconds, model.num_timesteps


def main() -> None:
    """Print one JSON line."""
    setting = training_setting("steady", None, 0)
    arena = setting_arena(setting, 128, seeding.VALIDATION, 0)
    ours = {"market": setting.market, "forecast": setting.forecast, "campaign": setting.campaign}
    native, steps = seconds_to_goal(BiddingVecEnv(BiddingVectorEnv(ROWS, **ours)), arena)  # type: ignore[arg-type]
    rows = [lambda: gym.make("bidpilot/Bidding-v0", **ours) for _ in range(ROWS)]
    usual, usual_steps = seconds_to_goal(DummyVecEnv(rows), arena)
    line = {"name": "time_to_098_steady", "value": native, "unit": "s", "baseline": usual, "ratio": usual / native}
    print(json.dumps({**line, "steps": steps, "baseline_steps": usual_steps}))


if __name__ == "__main__":
    main()
